//! Limits of the namespace, with defaults.

use super::Violations;
use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        common::{Quantity, ResourceList},
        limits::{LimitDefaults, Quota as GivenQuota},
    },
    logpilot::{
        defaults,
        model::{LimitRange, Quota},
    },
    workload::quantity,
};

pub(super) struct Resolved {
    pub limit_range: Option<LimitRange>,
    pub quota: Option<Quota>,
}

pub(super) fn resolve(spec: &LogPilotClusterSpec, violations: &mut Violations) -> Resolved {
    let given = spec.limits.clone().unwrap_or_default();
    Resolved {
        limit_range: given
            .defaults
            .filter(|given| given.enabled != Some(false))
            .map(|given| limit_range(given, violations)),
        quota: given.quota.filter(|given| given.enabled != Some(false)).and_then(quota),
    }
}

/// Whether the namespace's own limits ask every container for a CPU limit: the LimitRange would give one to a container
/// without, and the quota refuse its pods.
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
    let resolved = LimitRange {
        requests: ResourceList {
            cpu: or(requests.cpu, defaults::ALL.cpu_request),
            memory: or(requests.memory, defaults::MEMORY_REQUEST),
            ephemeral_storage: requests.ephemeral_storage,
        },
        limits: ResourceList {
            cpu: or(limits.cpu, defaults::ALL.cpu_limit),
            memory: or(limits.memory, defaults::MEMORY_LIMIT),
            ephemeral_storage: limits.ephemeral_storage,
        },
    };
    let pairs = [
        ("cpu", &resolved.requests.cpu, &resolved.limits.cpu),
        ("memory", &resolved.requests.memory, &resolved.limits.memory),
        ("ephemeral-storage", &resolved.requests.ephemeral_storage, &resolved.limits.ephemeral_storage),
    ];
    for (name, request, limit) in pairs {
        let amount = |quantity: &Option<Quantity>| quantity.as_ref().and_then(quantity::parse);
        // The API server refuses the LimitRange otherwise.
        violations.require(
            amount(request).zip(amount(limit)).is_none_or(|(request, limit)| request <= limit),
            format!("spec.limits.defaults.requests.{name}"),
            format!(
                "must be at most `limits.{name}`; a value that is not given has its default, so give both"
            ),
        );
    }
    resolved
}

/// None where nothing is bounded: such a quota says nothing.
fn quota(given: GivenQuota) -> Option<Quota> {
    let count = |number: i32| Quantity(number.to_string());
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    let hard: std::collections::BTreeMap<_, _> = [
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
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    (!hard.is_empty()).then_some(Quota { hard })
}
