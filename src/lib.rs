//! Runs LogPilot on Kubernetes from one custom resource.

pub mod api;
pub mod backup;
pub mod cli;
pub mod engine;
pub mod exposition;
pub mod logpilot;
pub mod manifest;
pub mod metrics;
pub mod operator;
pub mod server;
pub mod telemetry;
pub mod termination;
#[cfg(test)]
mod test_support;
pub mod verdict;
pub mod vitals;
pub mod workload;
