//! The autoscaler of a component. While it exists, the Deployment does not set the replicas.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec,
    MetricTarget, ResourceMetricSource,
};

use crate::{
    metadata,
    model::{Component, Scale},
    scope::Scope,
};

/// Returns `None` for a component with a fixed number of pods, and while the component is stopped.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Option<HorizontalPodAutoscaler> {
    let Scale::Autoscaled(scaler) = &component.scale else { return None };
    if component.stopped {
        return None;
    }
    let metrics = [("cpu", scaler.cpu), ("memory", scaler.memory)]
        .into_iter()
        .filter_map(|(name, percent)| Some(utilization(name, percent?)))
        .collect();
    Some(HorizontalPodAutoscaler {
        metadata: metadata::of_component(scope, component, component.name.clone()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: component.name.clone(),
            },
            min_replicas: Some(scaler.min),
            max_replicas: scaler.max,
            metrics: Some(metrics),
            behavior: scaler.behavior.clone(),
        },
        ..HorizontalPodAutoscaler::default()
    })
}

fn utilization(resource: &str, percent: i32) -> MetricSpec {
    MetricSpec {
        type_: "Resource".into(),
        resource: Some(ResourceMetricSource {
            name: resource.into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    }
}
