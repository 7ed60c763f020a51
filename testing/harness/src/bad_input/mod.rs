//! The table of bad inputs, and the program's own verdict on them.

pub mod offline;
pub mod table;
