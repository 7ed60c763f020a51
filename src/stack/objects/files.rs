//! The files of a component.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{
    stack::model::Files,
    workload::{metadata, model::Component, scope::Scope},
};

/// Immutable: other files are another ConfigMap, so that pods of the old version keep theirs.
#[must_use]
pub fn build(scope: &Scope, component: &Component, files: &Files) -> ConfigMap {
    ConfigMap {
        metadata: metadata::of_component(scope, component, files.config_map.clone()),
        data: Some(files.data.clone()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
