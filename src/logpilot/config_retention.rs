//! What is no longer planned and still needed: the configurations of pods that run, or that a rollback would start.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::ConfigMap,
};

use crate::{
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    workload::health,
};

/// ConfigMaps that running or remembered pods use.
pub struct InUse {
    names: BTreeSet<String>,
    /// A Deployment controller is still at work: it may yet make a ReplicaSet of a template that was just replaced.
    unsure: bool,
}

impl InUse {
    /// Whether a child that is no longer planned has to stay.
    #[must_use]
    pub fn keeps(&self, child: &Child) -> bool {
        child.kind == ConfigMap::KIND && (self.unsure || self.names.contains(&child.key.name))
    }
}

/// From the ReplicaSets, which a rollback goes back to.
#[must_use]
pub fn configs(snapshot: &Snapshot) -> InUse {
    let names = snapshot
        .of_kind(ReplicaSet::KIND)
        .filter_map(|child| child.observed::<health::ReplicaSet>())
        .flat_map(|set| set.config_maps.iter().cloned())
        .collect();
    let unsure = snapshot
        .of_kind(Deployment::KIND)
        .any(|child| child.observed::<health::Deployment>().is_some_and(|deployment| !deployment.observed));
    InUse { names, unsure }
}
