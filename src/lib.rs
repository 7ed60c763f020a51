//! Runs LogPilot on Kubernetes from one custom resource.

pub mod api;
