//! The number of pods of a component, and how many of them may be unavailable at the same time.

use k8s_openapi::{
    api::autoscaling::v2::HorizontalPodAutoscalerBehavior, apimachinery::pkg::util::intstr::IntOrString,
};

/// The number of pods, or the autoscaler that sets it.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    Fixed(i32),
    Autoscaled(Autoscaler),
}

impl Scale {
    /// Maximum number of running pods, without a surge.
    #[must_use]
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Autoscaled(scaler) => scaler.max,
        }
    }

    /// Minimum number of pods that should run.
    #[must_use]
    pub fn fewest(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Autoscaled(scaler) => scaler.min,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    pub min: i32,
    pub max: i32,
    /// In percent of the request. At least one of the two targets is set.
    pub cpu: Option<i32>,
    pub memory: Option<i32>,
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every old pod terminates before a new one starts.
    Recreate,
    RollingUpdate {
        max_surge: IntOrString,
        max_unavailable: IntOrString,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PdbPolicy {
    /// Not set: one pod at a time, unless that can block a drain.
    Default,
    Off,
    MinAvailable(IntOrString),
    MaxUnavailable(IntOrString),
}
