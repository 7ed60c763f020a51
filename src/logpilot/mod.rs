//! LogPilot: from a `LogPilotCluster` and the facts about its world to a plan, and back to a status.

pub mod backups;
pub mod config;
pub mod defaults;
pub mod facts;
pub mod image;
pub mod model;
pub mod monitoring;
pub mod patches;
pub mod plan;
pub mod pod_security;
pub mod qos;
pub mod quantity;
pub mod references;
pub mod restart;
pub mod schedule;
pub mod validate;
pub mod warnings;
pub mod controller;
pub mod gather;
pub mod memory;
pub mod problems;
pub mod reasons;
pub mod replicas;
pub mod report;
pub mod secrets;
pub mod status;

/// Annotation on the resource: the UID of a lost claim whose data the user gives up.
pub const ACCEPT_DATA_LOSS: &str = "logpilot.io/accept-data-loss";

#[cfg(test)]
mod tests;
