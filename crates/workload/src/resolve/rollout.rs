//! How pods are replaced, and how many may be unavailable at the same time.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Violations;
use crate::{
    api::component::{PodDisruptionBudget, Strategy, StrategyType, UnhealthyPodEviction},
    model::{PdbPolicy, Rollout},
};

/// The product's defaults for a component that sets nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    pub max_surge: IntOrString,
    pub max_unavailable: IntOrString,
}

/// `path` is that of the component.
pub fn strategy(
    given: Option<&Strategy>,
    defaults: &Defaults,
    path: &str,
    violations: &mut Violations,
) -> Rollout {
    let strategy = given.cloned().unwrap_or_default();
    let settings = strategy.max_surge.is_some() || strategy.max_unavailable.is_some();
    if strategy.type_ == Some(StrategyType::Recreate) {
        violations.require(
            !settings,
            format!("{path}.strategy"),
            "`maxSurge` and `maxUnavailable` have no effect with type 'Recreate'; remove them",
        );
        return Rollout::Recreate;
    }
    Rollout::RollingUpdate {
        max_surge: strategy.max_surge.as_ref().map_or_else(|| defaults.max_surge.clone(), IntOrString::from),
        max_unavailable: strategy
            .max_unavailable
            .as_ref()
            .map_or_else(|| defaults.max_unavailable.clone(), IntOrString::from),
    }
}

/// `path` is that of the component.
pub fn budget(given: Option<&PodDisruptionBudget>, path: &str, violations: &mut Violations) -> PdbPolicy {
    let Some(given) = given else { return PdbPolicy::Default };
    if given.enabled == Some(false) {
        return PdbPolicy::Off;
    }
    match (&given.min_available, &given.max_unavailable) {
        (Some(_), Some(_)) => {
            violations.add(
                format!("{path}.podDisruptionBudget"),
                "`minAvailable` and `maxUnavailable` are mutually exclusive; remove one",
            );
            PdbPolicy::Off
        }
        (Some(count), None) => PdbPolicy::MinAvailable(count.into()),
        (None, Some(count)) => PdbPolicy::MaxUnavailable(count.into()),
        // An empty block requests a budget and is therefore explicit, even if there would be none
        // by default.
        (None, None) => PdbPolicy::MaxUnavailable(IntOrString::Int(1)),
    }
}

/// A pod that is not ready serves no clients. Keeping it would only block the drain that could help
/// it.
#[must_use]
pub fn unhealthy_pods(given: Option<&PodDisruptionBudget>) -> &'static str {
    match given.and_then(|budget| budget.unhealthy_pod_eviction_policy).unwrap_or_default() {
        UnhealthyPodEviction::AlwaysAllow => "AlwaysAllow",
        UnhealthyPodEviction::IfHealthyBudget => "IfHealthyBudget",
    }
}
