//! The pods of a component that keep their names, such as those of a database.

use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};

use super::pod;
use crate::{labels, metadata, model::Component, names, scope::Scope};

/// Its volumes are PVCs of the component, not templates of the StatefulSet: those could never change.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> StatefulSet {
    StatefulSet {
        metadata: metadata::of_component(scope, component, component.name.clone()),
        spec: Some(StatefulSetSpec {
            service_name: Some(names::pods(&component.name)),
            replicas: Some(if component.stopped { 0 } else { component.scale.most() }),
            selector: labels::pod_selector(component),
            // One pod that does not become ready must not keep the others from being created.
            pod_management_policy: Some("Parallel".into()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(0),
                    max_unavailable: None,
                }),
            }),
            min_ready_seconds: component.min_ready_seconds.filter(|seconds| *seconds > 0),
            revision_history_limit: component.revision_history_limit,
            template: pod::template(scope, component),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}
