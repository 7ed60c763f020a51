//! How many pods a component has, and how many may go at once.

use k8s_openapi::{
    api::autoscaling::v2::HorizontalPodAutoscalerBehavior, apimachinery::pkg::util::intstr::IntOrString,
};

/// Who decides how many pods there are.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    Fixed(i32),
    Autoscaled(Autoscaler),
}

impl Scale {
    /// The most pods that can run, a surge apart.
    #[must_use]
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Autoscaled(scaler) => scaler.max,
        }
    }

    /// The fewest pods that should run.
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
    /// Percent of the request. At least one of the two targets is given.
    pub cpu: Option<i32>,
    pub memory: Option<i32>,
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every old pod stops before a new one starts.
    Recreate,
    RollingUpdate {
        max_surge: IntOrString,
        max_unavailable: IntOrString,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PdbPolicy {
    /// Nothing was said: one pod at a time, where that cannot block a drain.
    Default,
    Off,
    MinAvailable(IntOrString),
    MaxUnavailable(IntOrString),
}
