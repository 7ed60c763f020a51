//! The number of a component's pods that a drain may evict at the same time.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{
    labels, metadata,
    model::{Component, PdbPolicy},
    scope::Scope,
};

/// Returns `None` if the budget was turned off, and while the component is stopped. Unless a budget was
/// requested, also returns `None` for a single pod and for pods that share one node: there the
/// replacement of an evicted pod stays Pending, so the budget would block the drain for ever.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Option<PodDisruptionBudget> {
    let (min_available, max_unavailable) = match &component.budget {
        PdbPolicy::Off => return None,
        _ if component.stopped => return None,
        PdbPolicy::Default if component.co_scheduled || component.scale.most() < 2 => return None,
        PdbPolicy::Default => (None, Some(IntOrString::Int(1))),
        PdbPolicy::MinAvailable(count) => (Some(count.clone()), None),
        PdbPolicy::MaxUnavailable(count) => (None, Some(count.clone())),
    };
    Some(PodDisruptionBudget {
        metadata: metadata::of_component(scope, component, component.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            min_available,
            max_unavailable,
            selector: Some(labels::pod_selector(component)),
            // A pod that is not ready serves no client. Protecting it would only block the drain that
            // could help it.
            unhealthy_pod_eviction_policy: Some(component.unhealthy_pod_eviction_policy.clone()),
        }),
        ..PodDisruptionBudget::default()
    })
}
