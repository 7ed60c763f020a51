//! LogPilot: from a `LogPilotCluster` and the facts about its environment to a plan, and back to a
//! status.

pub mod api_key;
pub mod backups;
pub mod config;
pub mod config_check;
pub mod config_retention;
pub mod contention;
pub mod controller;
pub mod defaults;
pub mod effective;
pub mod env_references;
pub mod environment;
pub mod facts;
mod failure_report;
pub mod gather;
pub mod labels;
pub mod model;
pub mod monitoring;
pub mod names;
pub mod objects;
pub mod patches;
pub mod plan;
pub mod problems;
pub mod properties;
pub mod remembered;
pub mod replicas;
pub mod report;
pub mod requeue_after;
pub mod restart;
pub mod restore;
pub mod scalers;
pub mod schedule;
pub mod server_pod;
pub mod status;
pub mod validate;
pub mod warnings;

/// Annotation on the resource: the UID of a lost PVC whose data the user gives up.
pub const ACCEPT_DATA_LOSS: &str = "logpilot.io/accept-data-loss";

#[cfg(test)]
mod tests;
