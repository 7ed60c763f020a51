//! Validation of scaling: a fixed number of pods, or an autoscaler.

use k8s_openapi::api::autoscaling::v2::{HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior};

use super::Violations;
use crate::{
    api::component::{
        Autoscaling, ScalingBehavior, ScalingPolicy, ScalingPolicyType, ScalingRules, SelectPolicy,
    },
    model::{Autoscaler, Scale},
};

/// The product's defaults for a component that sets nothing.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Without an autoscaler.
    pub replicas: i32,
    pub min_replicas: i32,
    /// Percent of the request, where no target is given.
    pub target_cpu: i32,
}

/// `path` is that of the component.
pub fn resolve(
    autoscaling: Option<&Autoscaling>,
    replicas: Option<i32>,
    defaults: Defaults,
    path: &str,
    violations: &mut Violations,
) -> Scale {
    let Some(auto) = autoscaling.filter(|auto| auto.enabled != Some(false)) else {
        return Scale::Fixed(replicas.unwrap_or(defaults.replicas));
    };
    violations.require(
        replicas.is_none(),
        format!("{path}.replicas"),
        "may not be set while `autoscaling` is on; use `autoscaling.minReplicas`",
    );
    let min = auto.min_replicas.unwrap_or(defaults.min_replicas.min(auto.max_replicas));
    violations.require(
        min <= auto.max_replicas,
        format!("{path}.autoscaling.maxReplicas"),
        format!("must be at least `minReplicas`, which is {min}"),
    );
    let memory = auto.target_memory_utilization_percentage;
    let cpu = auto.target_cpu_utilization_percentage;
    Scale::Autoscaled(Autoscaler {
        min,
        max: auto.max_replicas,
        cpu: cpu.or_else(|| memory.is_none().then_some(defaults.target_cpu)),
        memory,
        behavior: auto.behavior.as_ref().and_then(behavior),
    })
}

/// Returns `None` for an empty block. Otherwise the operator would own it as an empty block.
#[must_use]
pub fn behavior(given: &ScalingBehavior) -> Option<HorizontalPodAutoscalerBehavior> {
    let scale_up = given.scale_up.as_ref().and_then(rules);
    let scale_down = given.scale_down.as_ref().and_then(rules);
    (scale_up.is_some() || scale_down.is_some())
        .then_some(HorizontalPodAutoscalerBehavior { scale_up, scale_down })
}

fn rules(given: &ScalingRules) -> Option<HPAScalingRules> {
    let policies = given.policies.as_ref().map(|policies| {
        let policy = |policy: &ScalingPolicy| HPAScalingPolicy {
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
