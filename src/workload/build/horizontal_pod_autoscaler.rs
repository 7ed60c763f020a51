//! The autoscaler of a component. While there is one, the Deployment says nothing about replicas.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use crate::{
    api::component::{ScalingBehavior, ScalingPolicyType, ScalingRules, SelectPolicy},
    logpilot::model::{Cluster, Component, Scale},
    workload::metadata,
};

/// None for a component with a fixed number of pods, and while it is stopped.
#[must_use]
pub fn build(cluster: &Cluster, component: &Component) -> Option<HorizontalPodAutoscaler> {
    let Scale::Autoscaled(scaler) = &component.scale else { return None };
    if component.stopped {
        return None;
    }
    let metrics = [("cpu", scaler.cpu), ("memory", scaler.memory)]
        .into_iter()
        .filter_map(|(name, percent)| Some(utilization(name, percent?)))
        .collect();
    Some(HorizontalPodAutoscaler {
        metadata: metadata::of_component(cluster, component, component.name.clone()),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: component.name.clone(),
            },
            min_replicas: Some(scaler.min),
            max_replicas: scaler.max,
            metrics: Some(metrics),
            behavior: scaler.behavior.as_ref().and_then(behavior),
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

/// None for an empty block: it would be owned by us as an empty block.
fn behavior(given: &ScalingBehavior) -> Option<HorizontalPodAutoscalerBehavior> {
    let scale_up = given.scale_up.as_ref().and_then(rules);
    let scale_down = given.scale_down.as_ref().and_then(rules);
    (scale_up.is_some() || scale_down.is_some())
        .then_some(HorizontalPodAutoscalerBehavior { scale_up, scale_down })
}

fn rules(given: &ScalingRules) -> Option<HPAScalingRules> {
    let policies = given.policies.as_ref().map(|policies| {
        let policy = |policy: &crate::api::component::ScalingPolicy| HPAScalingPolicy {
            type_: match policy.type_ {
                ScalingPolicyType::Pods => "Pods",
                ScalingPolicyType::Percent => "Percent",
            }
            .into(),
            value: policy.value,
            period_seconds: policy.period_seconds,
        };
        policies.iter().map(policy).collect::<Vec<_>>()
    });
    let rules = HPAScalingRules {
        stabilization_window_seconds: given.stabilization_window_seconds,
        select_policy: given.select_policy.map(|policy| {
            match policy {
                SelectPolicy::Max => "Max",
                SelectPolicy::Min => "Min",
                SelectPolicy::Disabled => "Disabled",
            }
            .into()
        }),
        policies: policies.filter(|policies| !policies.is_empty()),
        tolerance: None,
    };
    (rules != HPAScalingRules::default()).then_some(rules)
}
