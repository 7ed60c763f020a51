//! Applies a plan to a cluster and keeps it applied. Knows no product: what to make is a [`plan::Plan`],
//! which kinds exist is a table of [`kind::Kind`].

pub mod apply;
pub mod backoff;
pub mod child;
pub mod clock;
pub mod conditions;
mod content;
pub mod deadline;
pub mod decide;
pub mod dependencies;
pub mod detail;
pub mod digest;
pub mod dispatch;
pub mod error;
pub mod events;
#[cfg(test)]
mod fuzz;
pub mod kind;
pub mod last_words;
pub mod lease;
pub mod live;
pub mod outcome;
pub mod owner;
pub mod plan;
mod pods;
pub mod probe_kill;
pub mod prune;
pub mod pulse;
pub mod quantity;
pub mod reach;
pub mod relist;
pub mod rests;
mod routes;
mod standing;
pub mod watches;
pub mod writer;

/// Name under which the operator owns fields, and value of the managed-by label.
pub const FIELD_MANAGER: &str = "logpilot-operator";
/// Says that an object is ours to keep; every watch selects by it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Names the resource that an object was made for.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// API group of the resources that own children.
pub const OWNER_GROUP: &str = "logpilot.io";
