//! Blocks of one component: how its pods are replaced, scaled and guarded.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::IntOrPercent, rules::components as rule};

/// How pods are replaced. Unset values follow the storage (docs: storage and replicas).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::recreate_has_no_rolling(), validation = rule::rolling_can_move())]
pub struct Strategy {
    /// Default `RollingUpdate`, and `Recreate` where the storage allows one pod only.
    #[serde(rename = "type")]
    pub type_: Option<StrategyType>,
    /// Pods that may be started before old ones go. Default 25%.
    #[schemars(schema_with = "super::schema::surge")]
    #[serde(default)]
    pub max_surge: Option<IntOrPercent>,
    /// Pods that may be missing during an update. Default 25%.
    #[serde(default)]
    pub max_unavailable: Option<IntOrPercent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StrategyType {
    RollingUpdate,
    Recreate,
}

/// A HorizontalPodAutoscaler for the component. Replicas then belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::max_not_below_min())]
pub struct Autoscaling {
    /// `false` turns the autoscaler off and keeps its settings; `replicas` must then be given.
    pub enabled: Option<bool>,
    /// Fewest pods. Default 2, or `maxReplicas` where that is less.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Most pods. They count for what the storage allows.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// Average CPU use in percent of the request. Default 70 where no target is given.
    #[schemars(range(min = 1, max = 500))]
    #[serde(rename = "targetCPUUtilizationPercentage")]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// Average memory use in percent of the request.
    #[schemars(range(min = 1, max = 500))]
    pub target_memory_utilization_percentage: Option<i32>,
    /// How fast the autoscaler moves.
    pub behavior: Option<ScalingBehavior>,
}

/// How fast the autoscaler moves.
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
    /// Seconds over which the autoscaler looks back before it moves. Kubernetes' default: 0 up, 300 down.
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which policy counts where several apply. Default `Max`.
    pub select_policy: Option<SelectPolicy>,
    /// How many pods may come or go in a time.
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
    /// Counts pods, or percent of them.
    #[serde(rename = "type")]
    pub type_: ScalingPolicyType,
    /// How many pods or percent, at most, in one period.
    #[schemars(range(min = 1, max = 1000))]
    pub value: i32,
    /// The period.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyType {
    Pods,
    Percent,
}

/// Bounds voluntary disruption. Default where it cannot block a drain: `maxUnavailable: 1`.
///
/// One that blocks every drain is honoured, with a warning in the status: a freeze can be meant,
/// and whether it blocks depends on pods that are running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_budget())]
pub struct PodDisruptionBudget {
    /// `false` leaves the budget out.
    pub enabled: Option<bool>,
    /// Pods that must stay, as a number or a percentage. Not together with `maxUnavailable`.
    pub min_available: Option<IntOrPercent>,
    /// Pods that may go at once, as a number or a percentage. Not together with `minAvailable`.
    pub max_unavailable: Option<IntOrPercent>,
    /// Pods that are not ready: `AlwaysAllow` lets a drain take them whatever the budget says, so that a broken pod blocks
    /// none; `IfHealthyBudget` only while enough others are ready. Default `AlwaysAllow`.
    pub unhealthy_pod_eviction_policy: Option<UnhealthyPodEviction>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnhealthyPodEviction {
    /// A drain may always take a pod that is not ready.
    #[default]
    AlwaysAllow,
    /// Only while as many pods as the budget wants are ready.
    IfHealthyBudget,
}
