//! A component's `application.yml`. Immutable and named by its content: a changed setting is a new object,
//! so that running pods, a rollback and a canary each keep the file they were made with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{
    logpilot::model::{Cluster, Component},
    workload::{labels, metadata},
};

/// The file's name inside the volume; Spring looks for exactly this one.
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
