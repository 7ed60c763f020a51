//! Validation of the limits of the namespace, with their defaults.

use k8s_openapi::apimachinery::pkg::api::resource;

use super::{Violations, resources::quantities};
use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        common::{Quantity, ResourceList},
        limits::{LimitDefaults, Quota as GivenQuota},
    },
    logpilot::defaults,
    workload::{
        Quantities,
        model::{LimitRange, NamespaceLimits, Quota},
        quantity,
    },
};

pub(super) fn resolve(spec: &LogPilotClusterSpec, violations: &mut Violations) -> NamespaceLimits {
    let given = spec.limits.clone().unwrap_or_default();
    NamespaceLimits {
        range: given
            .defaults
            .filter(|given| given.enabled != Some(false))
            .map(|given| limit_range(given, violations)),
        quota: given.quota.filter(|given| given.enabled != Some(false)).and_then(quota),
    }
}

/// Returns `true` if the limits of the namespace require a CPU limit for every container. The
/// LimitRange would add one to a container without a limit, and the quota would reject its pods.
pub(super) fn cpu_is_limited(spec: &LogPilotClusterSpec) -> bool {
    let Some(limits) = &spec.limits else { return false };
    let on = |enabled: Option<bool>| enabled != Some(false);
    limits.defaults.as_ref().is_some_and(|defaults| on(defaults.enabled))
        || limits.quota.as_ref().is_some_and(|quota| {
            on(quota.enabled) && quota.limits.as_ref().is_some_and(|limits| limits.cpu.is_some())
        })
}

fn limit_range(given: LimitDefaults, violations: &mut Violations) -> LimitRange {
    let or =
        |given: Option<Quantity>, default: &str| Some(given.unwrap_or_else(|| Quantity(default.to_owned())));
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    let requests = quantities(ResourceList {
        cpu: or(requests.cpu, defaults::ALL.cpu_request),
        memory: or(requests.memory, defaults::MEMORY_REQUEST),
        ephemeral_storage: requests.ephemeral_storage,
    });
    let limits = quantities(ResourceList {
        cpu: or(limits.cpu, defaults::ALL.cpu_limit),
        memory: or(limits.memory, defaults::MEMORY_LIMIT),
        ephemeral_storage: limits.ephemeral_storage,
    });
    for (name, request) in &requests {
        let limit = limits.get(name).and_then(quantity::parse);
        // The API server rejects the LimitRange otherwise.
        violations.require(
            quantity::parse(request).zip(limit).is_none_or(|(request, limit)| request <= limit),
            format!("spec.limits.defaults.requests.{name}"),
            format!("must be at most `limits.{name}`; an absent value has its default, so set both"),
        );
    }
    LimitRange { requests, limits }
}

/// Returns `None` if nothing is limited. Such a quota has no effect.
fn quota(given: GivenQuota) -> Option<Quota> {
    let count = |number: i32| Quantity(number.to_string());
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    let hard: Quantities = [
        ("pods", given.pods.map(count)),
        ("requests.cpu", requests.cpu),
        ("requests.memory", requests.memory),
        ("requests.ephemeral-storage", requests.ephemeral_storage),
        ("limits.cpu", limits.cpu),
        ("limits.memory", limits.memory),
        ("limits.ephemeral-storage", limits.ephemeral_storage),
        ("persistentvolumeclaims", given.persistent_volume_claims.map(count)),
        ("requests.storage", given.storage),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), resource::Quantity(value?.0))))
    .collect();
    (!hard.is_empty()).then_some(Quota { hard })
}
