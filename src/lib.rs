//! Runs LogPilot on Kubernetes from one custom resource.

pub use backup;
pub use engine;
pub use workload;

pub mod api;
pub mod cli;
pub mod exposition;
#[cfg(test)]
mod golden;
pub mod kinds;
pub mod last_change;
pub mod logpilot;
pub mod manifest;
pub mod metrics;
pub mod operator;
pub mod reasons;
pub mod server;
pub mod stack;
pub mod status_report;
pub mod telemetry;
pub mod termination;
pub mod verdict;
pub mod vitals;
