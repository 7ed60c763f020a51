//! Builders of the objects that only a stack has. The others are those of any product.

pub mod files;
pub mod ingress;
pub mod network_policy;
pub mod secret;
