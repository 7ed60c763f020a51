//! The effects on a plan of autoscalers that the operator did not create.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};

use super::{
    facts::BeyondStorage,
    model::{Cluster, Component},
};
use crate::{
    api::storage::Backend,
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    workload::{
        foreign_autoscalers::{Found, Query},
        model::Scale,
    },
};

/// Returns which autoscalers to look for.
#[must_use]
pub fn query(cluster: &Cluster, snapshot: &Snapshot) -> Query {
    Query {
        kind: HorizontalPodAutoscaler::KIND,
        namespace: cluster.namespace.name.clone(),
        targets: cluster.components.iter().map(|component| component.name.clone()).collect(),
        scaled: held_by_others(cluster, snapshot),
    }
}

/// The effects of such autoscalers on a plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Deployments whose number of pods is left to an autoscaler.
    pub left: BTreeSet<String>,
    /// Deployments of which another client runs, or may run, more pods than their storage allows; by
    /// name.
    pub beyond: BTreeMap<String, BeyondStorage>,
}

/// Compares the numbers that other clients set with the storage. Pure.
#[must_use]
pub fn judge(cluster: &Cluster, snapshot: &Snapshot, found: &Found) -> Judged {
    let mut judged = Judged::default();
    for component in cluster.components.iter().filter(|component| !component.stopped) {
        let scaler = found.get(&component.name);
        let child = known(cluster, component, snapshot);
        let live = child.filter(|child| is_held_by_others(component, child)).and_then(|child| child.replicas);
        let room = room(cluster, component);
        let fits = |pods: i64| room.is_none_or(|room| pods <= i64::from(room));
        let scaler_is_beyond = scaler.is_some_and(|scaler| !fits(i64::from(scaler.most)));
        let now = live.is_some_and(|live| !fits(live));
        if now || scaler_is_beyond {
            let who = match (scaler, child.and_then(|child| child.scaled_by.as_deref())) {
                (Some(scaler), _) => {
                    let name = &scaler.name;
                    format!("HorizontalPodAutoscaler '{name}' may scale it to {} pods", scaler.most)
                }
                (None, Some(manager)) => {
                    format!("'{manager}' scaled it to {} pods", live.unwrap_or_default())
                }
                (None, None) => format!("another client scaled it to {} pods", live.unwrap_or_default()),
            };
            let (claim, room) = (&component.claim, room.unwrap_or_default());
            let storage = match cluster.storage.backend {
                Backend::File => "File storage".to_owned(),
                Backend::Sqlite => format!("{:?} storage", cluster.storage.access_mode),
            };
            let most = component.scale.most();
            let then = if cluster.paused {
                "the operator does not revert it while spec.operation.paused is true".to_owned()
            } else {
                format!("the operator resets it to {most}")
            };
            let message = format!(
                "{who}, and {storage} in PersistentVolumeClaim '{claim}' allows at most {room} here: {then}"
            );
            let deployment = cluster.key(&component.name);
            judged.beyond.insert(component.name.clone(), BeyondStorage { deployment, message, now });
        }
        // An autoscaler ignores a workload of zero pods, so only a scale-to-zero autoscaler wants zero.
        let decides = |live: i64| {
            let wanted = matches!(component.scale, Scale::Fixed(replicas) if replicas > 0);
            wanted && fits(live) && scaler.is_some_and(|scaler| live > 0 || scaler.scales_to_zero)
        };
        if live.is_some_and(decides) {
            judged.left.insert(component.name.clone());
        }
    }
    judged
}

/// Returns the largest number of pods of a component that its storage allows in addition to those of
/// the other components on its PVC; `None` for any number.
fn room(cluster: &Cluster, component: &Component) -> Option<i32> {
    if !cluster.storage.one_pod {
        return None;
    }
    let beside = cluster
        .components
        .iter()
        .filter(|other| other.claim == component.claim && other.name != component.name && !other.stopped);
    Some((1 - beside.map(|other| other.scale.most()).sum::<i32>()).max(0))
}

/// Returns the Deployments with a fixed number of pods that another client set.
fn held_by_others(cluster: &Cluster, snapshot: &Snapshot) -> Vec<String> {
    let wanted = |component: &&Component| {
        !component.stopped && matches!(component.scale, Scale::Fixed(replicas) if replicas > 0)
    };
    let held = |component: &&Component| {
        known(cluster, component, snapshot).is_some_and(|child| is_held_by_others(component, child))
    };
    let components = cluster.components.iter().filter(wanted).filter(held);
    components.map(|component| component.name.clone()).collect()
}

/// Returns the Deployment of a component as it is, or as it was when it left its watch: it may only
/// have lost its label.
fn known<'a>(cluster: &Cluster, component: &Component, snapshot: &'a Snapshot) -> Option<&'a Child> {
    let key = cluster.key(&component.name);
    let live = snapshot.get(Deployment::KIND, &key);
    live.or_else(|| snapshot.gone.get(&(Deployment::KIND, key))).map(AsRef::as_ref)
}

/// Returns whether a client other than the operator, and than the autoscaler that it created, wrote the
/// number of pods.
fn is_held_by_others(component: &Component, child: &Child) -> bool {
    match component.scale {
        Scale::Fixed(_) => child.is_scaled_by_others(),
        Scale::Autoscaled(_) => {
            let manager = child.scaled_by.as_deref();
            manager.is_some_and(|manager| manager != AUTOSCALER)
        }
    }
}

/// The manager of the HorizontalPodAutoscaler controller in `managedFields`.
const AUTOSCALER: &str = "kube-controller-manager (subresource scale)";
