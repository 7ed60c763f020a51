//! Applies a plan to a Kubernetes cluster and keeps it applied. The engine contains no product: a
//! [`plan::Plan`] says which objects should exist, a table of [`kind::Kind`] which kinds exist, and a
//! [`kind::Domain`] who owns them.

pub mod api_client;
pub mod apply;
pub mod backoff;
pub mod cache;
pub mod child;
pub mod circuit_breaker;
pub mod client_timeout;
pub mod conditions;
mod content;
pub mod contention;
pub mod controller;
pub mod deadlines;
pub mod decide;
pub mod dependencies;
pub mod error;
pub mod events;
pub mod fingerprint;
pub mod kind;
pub mod lease;
pub mod metrics;
pub mod observed;
pub mod outcome;
pub mod owner;
pub mod plan;
pub mod prune;
pub mod publisher;
pub mod quantity;
pub mod relist;
pub mod requeue;
pub mod resource;
pub mod resource_state;
pub mod retry;
mod standing;
pub mod status_history;
#[cfg(test)]
mod test_kinds;
pub mod watch_liveness;
pub mod watches;
pub mod write_backoff;

/// Marks an object that the operator manages. Every watch selects by this label.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Names the resource that an object was created for.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
