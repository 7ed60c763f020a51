//! Recorded numbers of pods: for a workload that must be recreated, and for one that was stopped.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;

use super::model::{Cluster, Component};
use crate::{api::LogPilotClusterStatus, engine::cache::Snapshot, kinds::Managed, workload::model::Scale};

/// Recorded numbers that an autoscaler decides; the spec contains a fixed number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The number to start with, by Deployment name, if the Deployment does not exist or has no pods.
    pub last_replicas: BTreeMap<String, i32>,
    /// By the role of the component: the number that the status keeps while the component is stopped,
    /// until pods are wanted again.
    pub before_stop: BTreeMap<&'static str, i32>,
}

/// Reads the live numbers, and the status if there are none.
#[must_use]
pub fn remembered(cluster: &Cluster, before: &LogPilotClusterStatus, snapshot: &Snapshot) -> Remembered {
    let mut found = Remembered::default();
    let autoscaled = |component: &&Component| matches!(component.scale, Scale::Autoscaled(_));
    for component in cluster.components.iter().filter(autoscaled) {
        let key = cluster.key(&component.name);
        let live =
            snapshot.get(Deployment::KIND, &key).and_then(|child| child.replicas).filter(|live| *live > 0);
        let told = before.components.iter().find(|told| told.name == component.role.name);
        let noted = told.and_then(|told| told.replicas_before_stop);
        let kept = noted.or(told.map(|told| told.desired).filter(|desired| *desired > 0));
        match live.and_then(|live| i32::try_from(live).ok()) {
            // Pods that a user starts manually meanwhile are stopped again, and do not change the
            // recorded number.
            Some(live) if component.stopped => {
                found.before_stop.insert(component.role.name, noted.unwrap_or(live));
            }
            Some(_) => {}
            None => {
                if let Some(kept) = kept {
                    found.last_replicas.insert(component.name.clone(), kept);
                    found.before_stop.insert(component.role.name, kept);
                }
            }
        }
    }
    found
}
