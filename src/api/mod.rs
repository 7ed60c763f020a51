//! The custom resource types: spec, status, schema and CEL rules.
//!
//! This module contains no other logic. The API server rejects everything that can be decided from
//! the object alone, so each bound and rule here carries the message that its user reads. Defaults
//! are not here: they are applied when objects are rendered and never written to `spec`.

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
pub(crate) mod rules;
pub(crate) mod schema;
pub mod status;
pub mod storage;

pub use cluster::{LogPilotCluster, LogPilotClusterSpec};
pub use crd::crd;
pub use rules::environment::OWNED_VARIABLES;
pub use status::LogPilotClusterStatus;

/// API group of every kind of this operator.
pub const GROUP: &str = "logpilot.io";
/// The kind of the custom resource.
pub const KIND: &str = "LogPilotCluster";
/// The plural name of the kind, as in request paths.
pub const PLURAL: &str = "logpilotclusters";
/// The only served version.
pub const VERSION: &str = "v1alpha1";
