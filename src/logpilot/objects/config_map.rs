//! The `application.yml` of a component. The ConfigMap is immutable and named by the hash of its
//! content. A changed setting is a new object, so that running pods, a rollback and a canary each
//! keep the file that they were created with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{
    logpilot::model::{Cluster, Component},
    workload::{labels, metadata},
};

/// The name of the file inside the volume. Spring looks for exactly this name.
pub const FILE: &str = "application.yml";

#[must_use]
pub fn build(cluster: &Cluster, component: &Component) -> ConfigMap {
    ConfigMap {
        metadata: metadata::owned(
            &cluster.scope,
            &cluster.scope.namespace,
            component.config.name.clone(),
            labels::of_component(&cluster.scope, component.role.name, &component.name),
        ),
        immutable: Some(true),
        data: Some(BTreeMap::from([(FILE.into(), component.config.text.clone())])),
        ..ConfigMap::default()
    }
}
