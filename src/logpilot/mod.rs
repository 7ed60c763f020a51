//! LogPilot: from a `LogPilotCluster` and the facts about its world to a plan, and back to a status.

pub mod again;
pub mod backups;
pub mod claims;
pub mod config;
pub mod config_check;
pub mod controller;
pub mod defaults;
pub mod effective;
pub mod environment;
pub mod facts;
pub mod gather;
pub mod image;
pub mod in_use;
pub mod looks;
pub mod memory;
pub mod model;
pub mod monitoring;
pub mod patches;
pub mod plan;
pub mod pod_security;
pub mod problems;
pub mod properties;
pub mod qos;
pub mod quantity;
pub mod reasons;
pub mod references;
pub mod replicas;
pub mod report;
pub mod requeue;
pub mod restart;
pub mod restore;
pub mod scalers;
pub mod schedule;
pub mod secrets;
pub mod server_pod;
pub mod status;
mod unable;
pub mod validate;
pub mod warnings;

/// Annotation on the resource: the UID of a lost claim whose data the user gives up.
pub const ACCEPT_DATA_LOSS: &str = "logpilot.io/accept-data-loss";

#[cfg(test)]
mod tests;
