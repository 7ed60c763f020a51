//! The custom resource types: what a user may write and what the operator reports.
//!
//! Types, schema and CEL only. Everything that can be decided from the object alone is refused
//! by the API server, so each bound and rule here carries the sentence its user will read.
//! Defaults are not here: they are applied when objects are rendered and never written to `spec`.

pub mod alerting;
pub mod backup;
pub mod cluster;
pub mod component;
pub mod config;
pub mod crd;
pub mod exposure;
pub mod gateway;
pub mod monitoring;
pub mod patches;
pub mod restore;
mod rules;
mod schema;
pub mod status;
pub mod storage;

pub use cluster::{LogPilotCluster, LogPilotClusterSpec};
pub use crd::crd;
pub use rules::environment::OWNED_VARIABLES;
pub use status::LogPilotClusterStatus;

/// API group of every kind of this operator.
pub const GROUP: &str = "logpilot.io";
/// The kind a user writes.
pub const KIND: &str = "LogPilotCluster";
/// Its plural, as in request paths.
pub const PLURAL: &str = "logpilotclusters";
/// The only served version.
pub const VERSION: &str = "v1alpha1";
