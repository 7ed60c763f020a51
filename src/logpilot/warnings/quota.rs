//! Warnings about a quota that is too small for the resource's own pods and PVCs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;

use super::{object, pods, warning};
use crate::{
    api::status::Problem,
    logpilot::{
        facts::Facts,
        model::{Cluster, Component},
        objects::{backup_pod, server},
    },
    workload::{Quantities, build::pod, model::Rollout, quantity},
};

pub use crate::reasons::QUOTA_TOO_SMALL;

/// Returns one warning that names every bound that is too low.
pub fn warning_of(cluster: &Cluster) -> Option<Problem> {
    let quota = cluster.scope.limits.quota.as_ref()?;
    let needed = needed(cluster);
    let short: Vec<_> = quota
        .hard
        .iter()
        .filter_map(|(name, hard)| {
            let needed = *needed.get(name.as_str())?;
            (needed > quantity::parse(hard)?)
                .then(|| format!("{name} is {} and up to {} is needed", hard.0, text(name, needed)))
        })
        .collect();
    (!short.is_empty()).then(|| {
        warning(
            QUOTA_TOO_SMALL,
            &object(cluster, "ResourceQuota", &cluster.scope.prefix.resource_quota()),
            format!("{}; the quota will reject pods of an update or of the autoscaler", short.join("; ")),
            "Raise `limits.quota`, or lower `replicas`, `maxReplicas` or `resources`.",
        )
    })
}

/// Returns the requirements of the largest number of pods that can run, including the surge of an
/// update, its config check and a backup, and of the PVCs.
fn needed(cluster: &Cluster) -> BTreeMap<&'static str, i128> {
    let mut sum = BTreeMap::new();
    let mut add = |name: &'static str, amount: i128| *sum.entry(name).or_insert(0) += amount;
    let one = quantity::units(1);
    let mut pods = |pod: &PodSpec, count: i32| {
        let count = i128::from(count);
        add("pods", one * count);
        for resources in pod.containers.iter().filter_map(|container| container.resources.as_ref()) {
            for (name, requests, limits) in COUNTED {
                add(requests, amount(resources.requests.as_ref(), name) * count);
                add(limits, amount(resources.limits.as_ref(), name) * count);
            }
        }
    };
    // The facts change no requests.
    let facts = Facts::default();
    for component in &cluster.components {
        let serving = server::component(cluster, component, &facts);
        pods(&pod::spec(&cluster.scope, &serving), most(component));
        // The config-check pod still runs when the first new pod starts.
        if cluster.config_check_seconds.is_some() {
            let on_trial = server::on_trial(cluster, component, &facts);
            pods(&pod::spec(&cluster.scope, &on_trial), 1);
        }
    }
    for job in cluster.backup.iter().flat_map(|backup| &backup.jobs) {
        pods(&backup_pod::spec(cluster, job, "", "", [], backup_pod::store(job)), 1);
    }
    for claim in cluster.storage.claims.iter().chain(cluster.backup_volumes()) {
        add("persistentvolumeclaims", one);
        add("requests.storage", quantity::parse(&claim.size).unwrap_or(0));
    }
    sum
}

/// Names of a container's resources, and of the same resources in a quota.
const COUNTED: [(&str, &str, &str); 3] = [
    ("cpu", "requests.cpu", "limits.cpu"),
    ("memory", "requests.memory", "limits.memory"),
    ("ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage"),
];

fn amount(list: Option<&Quantities>, name: &str) -> i128 {
    let found = list.and_then(|list| list.get(name));
    found.and_then(quantity::parse).unwrap_or(0)
}

fn most(component: &Component) -> i32 {
    let most = component.scale.most();
    match &component.rollout {
        Rollout::Recreate => most,
        Rollout::RollingUpdate { max_surge, .. } => most + pods(max_surge, most),
    }
}

/// Formats a quantity in the usual unit: millicores, mebibytes, or a number.
fn text(name: &str, nano: i128) -> String {
    let ceil = |unit: i128| (nano + unit - 1) / unit;
    match name {
        "requests.cpu" | "limits.cpu" => format!("{}m", ceil(quantity::units(1) / 1000)),
        "pods" | "persistentvolumeclaims" => ceil(quantity::units(1)).to_string(),
        _ => format!("{}Mi", ceil(quantity::units(1024 * 1024))),
    }
}
