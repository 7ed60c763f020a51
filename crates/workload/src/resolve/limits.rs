//! Validation of the limits of the namespace, with their defaults.

use k8s_openapi::apimachinery::pkg::api::resource;

use super::{
    Violations,
    resources::{Defaults, quantities},
};
use crate::{
    Quantities,
    api::{
        common::{Quantity, ResourceList},
        limits::{LimitDefaults, Limits, Quota as GivenQuota},
    },
    model::{LimitRange, NamespaceLimits, Quota},
    quantity,
};

pub fn resolve(
    given: Option<&Limits>,
    path: &str,
    defaults: &Defaults<'_>,
    violations: &mut Violations,
) -> NamespaceLimits {
    let given = given.cloned().unwrap_or_default();
    NamespaceLimits {
        range: given
            .defaults
            .filter(|given| given.enabled != Some(false))
            .map(|given| limit_range(given, path, defaults, violations)),
        quota: given.quota.filter(|given| given.enabled != Some(false)).and_then(quota),
    }
}

/// Returns `true` if the limits of the namespace require a CPU limit for every container. The
/// LimitRange would add one to a container without a limit, and the quota would reject its pods.
#[must_use]
pub fn cpu_is_limited(limits: Option<&Limits>) -> bool {
    let Some(limits) = limits else { return false };
    let on = |enabled: Option<bool>| enabled != Some(false);
    limits.defaults.as_ref().is_some_and(|defaults| on(defaults.enabled))
        || limits.quota.as_ref().is_some_and(|quota| {
            on(quota.enabled) && quota.limits.as_ref().is_some_and(|limits| limits.cpu.is_some())
        })
}

fn limit_range(
    given: LimitDefaults,
    path: &str,
    defaults: &Defaults<'_>,
    violations: &mut Violations,
) -> LimitRange {
    let or =
        |given: Option<Quantity>, default: &str| Some(given.unwrap_or_else(|| Quantity(default.to_owned())));
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    let requests = quantities(ResourceList {
        cpu: or(requests.cpu, defaults.cpu_request),
        memory: or(requests.memory, defaults.memory_request),
        ephemeral_storage: requests.ephemeral_storage,
    });
    let limits = quantities(ResourceList {
        cpu: or(limits.cpu, defaults.cpu_limit),
        memory: or(limits.memory, defaults.memory_limit),
        ephemeral_storage: limits.ephemeral_storage,
    });
    for (name, request) in &requests {
        let limit = limits.get(name).and_then(quantity::parse);
        // The API server rejects the LimitRange otherwise.
        violations.require(
            quantity::parse(request).zip(limit).is_none_or(|(request, limit)| request <= limit),
            format!("{path}.defaults.requests.{name}"),
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
