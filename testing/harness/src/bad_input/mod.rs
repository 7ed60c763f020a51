//! The table of bad inputs, and what the program itself says of them.

pub mod offline;
pub mod table;
