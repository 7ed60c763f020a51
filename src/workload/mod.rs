//! What the components of any product share: builders, names, labels, and the table of kinds.

pub mod build;
pub mod image;
pub mod kinds;
pub mod labels;
pub mod metadata;
pub mod names;
pub mod qos;
pub mod quantity;
