//! Whether the quota leaves room for the cluster's own pods and claims.

use std::collections::BTreeMap;

use super::{object, pods, warning};
use crate::{
    api::{common::Quantity, status::Problem},
    logpilot::{
        model::{Cluster, Component, Rollout},
        quantity,
    },
};

pub use crate::logpilot::reasons::QUOTA_TOO_SMALL;

/// One warning that names every bound that is too low.
pub fn warning_of(cluster: &Cluster) -> Option<Problem> {
    let quota = cluster.quota.as_ref()?;
    let needed = needed(cluster);
    let short: Vec<_> = quota
        .hard
        .iter()
        .filter_map(|(name, hard)| {
            let needed = *needed.get(name)?;
            (needed > quantity::parse(hard)?)
                .then(|| format!("{name} is {} and up to {} is needed", hard.0, text(name, needed)))
        })
        .collect();
    (!short.is_empty()).then(|| {
        warning(
            QUOTA_TOO_SMALL,
            &object(cluster, "ResourceQuota", &cluster.prefix.resource_quota()),
            format!("{}; an update or the autoscaler will be refused pods", short.join("; ")),
            "Raise `limits.quota`, or lower `replicas`, `maxReplicas` or `resources`.",
        )
    })
}

/// What the most pods that can run ask for, the surge of an update and its trial included, and the claims.
fn needed(cluster: &Cluster) -> BTreeMap<&'static str, i128> {
    let mut sum = BTreeMap::new();
    let mut add = |name: &'static str, amount: Option<&Quantity>, times: i32| {
        let amount = amount.and_then(quantity::parse).unwrap_or(0);
        *sum.entry(name).or_insert(0) += amount * i128::from(times);
    };
    let one = Quantity("1".into());
    for component in &cluster.components {
        // What tries a configuration still runs when the first new pod comes.
        let count = most(component) + i32::from(cluster.config_check_seconds.is_some());
        let (requests, limits) = (&component.resources.requests, &component.resources.limits);
        add("pods", Some(&one), count);
        add("requests.cpu", requests.cpu.as_ref(), count);
        add("requests.memory", requests.memory.as_ref(), count);
        add("requests.ephemeral-storage", requests.ephemeral_storage.as_ref(), count);
        add("limits.cpu", limits.cpu.as_ref(), count);
        add("limits.memory", limits.memory.as_ref(), count);
        add("limits.ephemeral-storage", limits.ephemeral_storage.as_ref(), count);
    }
    for claim in &cluster.storage.claims {
        add("persistentvolumeclaims", Some(&one), 1);
        add("requests.storage", Some(&claim.size), 1);
    }
    sum
}

fn most(component: &Component) -> i32 {
    let most = component.scale.most();
    match &component.rollout {
        Rollout::Recreate => most,
        Rollout::RollingUpdate { max_surge, .. } => most + pods(max_surge, most),
    }
}

/// In the unit that people write: processors, mebibytes, or a number.
fn text(name: &str, nano: i128) -> String {
    let ceil = |unit: i128| (nano + unit - 1) / unit;
    match name {
        "requests.cpu" | "limits.cpu" => format!("{}m", ceil(quantity::units(1) / 1000)),
        "pods" | "persistentvolumeclaims" => ceil(quantity::units(1)).to_string(),
        _ => format!("{}Mi", ceil(quantity::units(1024 * 1024))),
    }
}
