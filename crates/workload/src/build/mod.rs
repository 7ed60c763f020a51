//! One file per generated kind. Builders are pure: the validated cluster in, one typed object (or none) out.
//!
//! They write only the fields we mean, because what we write is what we own and repair. One exception
//! is what the API server would default *inside* a list or map that it owns as a whole: such a value
//! would come back as ours and look like drift, so the builder writes it itself.

pub mod affinity;
pub mod container;
pub mod deployment;
pub mod disk;
pub mod gateway;
pub mod horizontal_pod_autoscaler;
pub mod ingress;
pub mod ingress_nginx;
pub mod job;
pub mod limit_range;
pub mod namespace;
pub mod network_policy;
pub mod persistent_volume_claim;
pub mod pod;
pub mod pod_disruption_budget;
pub mod pod_monitor;
pub mod probes;
pub mod prometheus_rule;
pub mod resource_quota;
pub mod routes;
pub mod service;
pub mod service_account;
pub mod service_monitor;
pub mod stateful_set;

#[cfg(test)]
mod tests;
