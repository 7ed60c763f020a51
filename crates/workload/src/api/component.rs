//! Blocks of one component: how its pods are replaced, scaled and guarded.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::IntOrPercent, rules::components as rule};

/// How pods are replaced during an update. Absent values follow from the storage (see docs/storage.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::recreate_has_no_rolling(), validation = rule::rolling_can_move())]
pub struct Strategy {
    /// Type of the update. Default `RollingUpdate`, or `Recreate` if the storage allows only one pod.
    #[serde(rename = "type")]
    pub type_: Option<StrategyType>,
    /// Pods that may start before old ones are removed: a number or a percentage up to 999%. Default 25%.
    #[schemars(schema_with = "super::schema::surge")]
    #[serde(default)]
    pub max_surge: Option<IntOrPercent>,
    /// Pods that may be unavailable during an update, as a number or a percentage. Default 25%.
    #[serde(default)]
    pub max_unavailable: Option<IntOrPercent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StrategyType {
    RollingUpdate,
    Recreate,
}

/// A HorizontalPodAutoscaler for the component. It then controls the number of pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::max_not_below_min())]
pub struct Autoscaling {
    /// `false` removes the autoscaler and keeps its settings. `replicas` is then required. Default true.
    pub enabled: Option<bool>,
    /// Minimum number of pods. Default 2, or `maxReplicas` if that is less.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Maximum number of pods. The storage must allow this number.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// Target for the average CPU usage, in percent of the request. Default 70 if neither target is set.
    #[schemars(range(min = 1, max = 500))]
    #[serde(rename = "targetCPUUtilizationPercentage")]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// Target for the average memory usage, in percent of the request.
    #[schemars(range(min = 1, max = 500))]
    pub target_memory_utilization_percentage: Option<i32>,
    /// How fast the autoscaler adds and removes pods.
    pub behavior: Option<ScalingBehavior>,
}

/// How fast the autoscaler adds and removes pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingBehavior {
    /// How fast pods are added.
    pub scale_up: Option<ScalingRules>,
    /// How fast pods are removed.
    pub scale_down: Option<ScalingRules>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds of past recommendations that the autoscaler considers before it scales. Default, as in
    /// Kubernetes: 0 for scale-up, 300 for scale-down.
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Policy to use if several apply. `Disabled` turns scaling in this direction off. Default `Max`.
    pub select_policy: Option<SelectPolicy>,
    /// Limits on the number of pods that are added or removed within a period.
    #[schemars(length(max = 8))]
    pub policies: Option<Vec<ScalingPolicy>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    Max,
    Min,
    Disabled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Unit of `value`: a number of pods, or percent of the current pods.
    #[serde(rename = "type")]
    pub type_: ScalingPolicyType,
    /// Maximum change in one period, in pods or percent.
    #[schemars(range(min = 1, max = 1000))]
    pub value: i32,
    /// Length of the period in seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyType {
    Pods,
    Percent,
}

/// A PodDisruptionBudget, which limits voluntary disruption. Default: `maxUnavailable: 1`, if that
/// cannot block a drain.
///
/// The operator accepts a budget that blocks every drain and reports a warning in the status: a
/// freeze can be intended, and whether the budget blocks depends on the running pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_budget())]
pub struct PodDisruptionBudget {
    /// `false` removes the budget. Default true.
    pub enabled: Option<bool>,
    /// Pods that must stay available: a number or a percentage. Mutually exclusive with `maxUnavailable`.
    pub min_available: Option<IntOrPercent>,
    /// Pods that may be unavailable at the same time, as a number or a percentage. Mutually exclusive with
    /// `minAvailable`.
    pub max_unavailable: Option<IntOrPercent>,
    /// Eviction of pods that are not ready. `AlwaysAllow`: a drain may always evict them, so that a broken
    /// pod does not block it. `IfHealthyBudget`: a drain may evict them only while enough other pods are
    /// ready. Default `AlwaysAllow`.
    pub unhealthy_pod_eviction_policy: Option<UnhealthyPodEviction>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnhealthyPodEviction {
    /// A drain may always evict a pod that is not ready.
    #[default]
    AlwaysAllow,
    /// A drain may evict a pod that is not ready only while as many pods are ready as the budget requires.
    IfHealthyBudget,
}
