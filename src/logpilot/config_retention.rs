//! ConfigMaps that are no longer planned but must be kept, because running pods or a rollback target
//! still mount them.

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

/// ConfigMaps that running pods or recorded ReplicaSets use.
pub struct InUse {
    names: BTreeSet<String>,
    /// Whether a Deployment controller may still create a ReplicaSet of a template that was just
    /// replaced.
    unsure: bool,
}

impl InUse {
    /// Returns whether an object that is no longer planned must be kept.
    #[must_use]
    pub fn keeps(&self, child: &Child) -> bool {
        child.kind == ConfigMap::KIND && (self.unsure || self.names.contains(&child.key.name))
    }
}

/// Returns the ConfigMaps that the ReplicaSets use, which are the targets of a rollback.
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
