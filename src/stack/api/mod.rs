//! The custom resource types of a stack: what a user may write, and what the operator reports.
//!
//! Types, schema and CEL rules only. Defaults are applied when objects are rendered, never stored in
//! `spec`. The kind is for tenants: it has no field by which a stack could do more than its author may do
//! in the namespace.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{api::GROUP, workload::api::definition};

pub mod component;
pub mod exposure;
pub mod monitoring;
mod rules;
mod schema;
pub mod spec;
pub mod status;
pub mod volume;

pub use spec::{ServiceStack, ServiceStackSpec};
pub use status::ServiceStackStatus;

/// The kind that a user writes.
pub const KIND: &str = "ServiceStack";
/// Its plural, as in request paths.
pub const PLURAL: &str = "servicestacks";
/// Most components of a stack.
pub const MAX_COMPONENTS: u32 = 32;

/// The definition to install.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    definition::finish(ServiceStack::crd(), GROUP)
}
