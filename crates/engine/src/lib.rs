//! Applies a plan to a cluster and keeps it applied. Knows no product: what to make is a [`plan::Plan`],
//! which kinds exist is a table of [`kind::Kind`], and whose they are a [`kind::Domain`].

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

/// Says that an object is ours to keep; every watch selects by it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Names the resource that an object was made for.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
