//! One file for each generated kind. Builders are pure functions: they take the validated resource and
//! return one typed object, or none.
//!
//! Builders set only the fields that the operator means to own and keep as planned. There is one
//! exception: inside a list or map that the operator owns as a whole, the API server's defaults would
//! look like drift, because they would be part of the operator's fields. The builder therefore sets
//! these values itself.

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
