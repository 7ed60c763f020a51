//! Runs LogPilot on Kubernetes from one custom resource.

pub mod api;
pub mod engine;
pub mod logpilot;
pub mod objects;
