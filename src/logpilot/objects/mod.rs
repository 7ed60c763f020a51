//! Builders that are specific to LogPilot: one file per generated object, and the parts of its
//! pods. They are as pure as the builders of [`crate::workload::build`], which create all other
//! objects.

pub mod alerts;
pub mod backup_pod;
pub mod config_check_job;
pub mod config_map;
pub mod cron_job;
pub mod dashboard;
pub mod dashboard_panels;
pub mod data;
pub mod env;
pub mod namespace;
pub mod promql;
pub mod restore_job;
pub mod secret;
pub mod server;
pub mod slo;
