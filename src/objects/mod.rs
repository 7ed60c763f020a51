//! One file per generated kind. Builders are pure: plain inputs in, one typed object (or none) out.

pub mod kinds;
pub mod service_monitor;
