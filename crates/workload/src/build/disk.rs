//! Ephemeral storage of the operator's pods, set explicitly if the limits of the namespace would be too
//! low for a pod.
//!
//! A LimitRange applies its default to every container that sets nothing. A ResourceQuota on ephemeral
//! storage rejects such a container unless a LimitRange sets a default for it. Without both, nothing is
//! set, and no template changes.

use k8s_openapi::{
    api::core::v1::{Container, PodSpec, Volume},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{Quantities, model::NamespaceLimits, quantity};

const DISK: &str = "ephemeral-storage";
const MEBIBYTE: i128 = quantity::units(1024 * 1024);
/// A container's log is on the node's disk: five files of 10 MiB by the kubelet's default, and up to 50
/// MiB each at some providers.
const LOGS: i128 = 256 * MEBIBYTE;
/// The request, which the scheduler reserves. The real need of a copy is known only when it is made,
/// and no node with less free space would accept the pod.
const REQUEST: i128 = 64 * MEBIBYTE;

/// The rules for ephemeral storage in the namespace's limits of this resource.
struct Rules {
    default_limit: Option<i128>,
    default_request: Option<i128>,
    counted: bool,
}

fn rules(limits: &NamespaceLimits) -> Rules {
    let amount = |list: &Quantities| list.get(DISK).and_then(quantity::parse);
    let range = limits.range.as_ref();
    let default_limit = range.and_then(|range| amount(&range.limits));
    Rules {
        default_limit,
        default_request: range.and_then(|range| amount(&range.requests)).or(default_limit),
        counted: limits.quota.iter().flat_map(|quota| quota.hard.keys()).any(|name| name.ends_with(DISK)),
    }
}

/// Returns the pod with its ephemeral storage set, if necessary. If a volume has no size limit, its
/// need is unknown. In that case the pod is returned unchanged, and [`unbounded`] returns true.
#[must_use]
pub fn stated(limits: &NamespaceLimits, mut pod: PodSpec) -> PodSpec {
    let rules = rules(limits);
    let Some(needed) = needed(pod.volumes.as_deref().unwrap_or_default()) else { return pod };
    pod.containers = pod.containers.into_iter().map(|container| state(&rules, needed, container)).collect();
    pod
}

/// Returns whether the namespace's limits decide how much a pod with these volumes may write, because
/// its need is unknown.
#[must_use]
pub fn unbounded(limits: &NamespaceLimits, pod: &PodSpec) -> bool {
    let rules = rules(limits);
    (rules.default_limit.is_some() || rules.counted)
        && needed(pod.volumes.as_deref().unwrap_or_default()).is_none()
}

fn state(rules: &Rules, needed: i128, mut container: Container) -> Container {
    let resources = container.resources.get_or_insert_default();
    let given = |list: &Option<Quantities>| {
        let found = list.as_ref().and_then(|list| list.get(DISK))?;
        quantity::parse(found)
    };
    let (request, limit) = (given(&resources.requests), given(&resources.limits));
    let least = needed.max(request.unwrap_or(0));
    let enough = match rules.default_limit {
        Some(default) => default >= least,
        None => !rules.counted,
    };
    if limit.is_some() || enough {
        return container;
    }
    resources.limits.get_or_insert_default().insert(DISK.into(), mebibytes(least));
    if request.is_none() {
        let request = rules.default_request.unwrap_or(REQUEST).min(least);
        resources.requests.get_or_insert_default().insert(DISK.into(), mebibytes(request));
    }
    container
}

/// Returns the size of all volumes on the node's disk when full, plus the log.
fn needed(volumes: &[Volume]) -> Option<i128> {
    let scratch = volumes.iter().filter_map(|volume| volume.empty_dir.as_ref());
    let sizes = scratch.map(|volume| {
        let size = volume.size_limit.as_ref()?;
        quantity::parse(size)
    });
    sizes.sum::<Option<i128>>().map(|sum| sum + LOGS)
}

fn mebibytes(nano: i128) -> Quantity {
    Quantity(format!("{}Mi", (nano + MEBIBYTE - 1) / MEBIBYTE))
}
