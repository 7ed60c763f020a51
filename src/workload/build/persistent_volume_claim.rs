//! The data volumes. Kept when the cluster is deleted, unless the policy says Delete.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    api::{
        common::{DeletionPolicy, StringMap},
        storage::AccessMode,
    },
    engine::health::RESTORES,
    logpilot::{
        facts::Facts,
        model::{Claim, Cluster},
    },
    workload::{labels, metadata},
};

/// None for a claim that held data and is gone: an empty one in its place would hide the loss.
#[must_use]
pub fn build(cluster: &Cluster, claim: &Claim, facts: &Facts) -> Option<PersistentVolumeClaim> {
    if facts.lost_claims.contains(&claim.name) {
        return None;
    }
    let mut all = labels::shared(cluster);
    if let Some(role) = claim.role {
        all.insert(labels::COMPONENT.into(), role.name.into());
        all.insert(labels::APP.into(), cluster.prefix.component(role.name));
    }
    let mut built = labelled(cluster, claim, all, facts);
    let restores = facts.restores.get(&claim.name).cloned();
    metadata::annotate(&mut built.metadata, restores.map(|all| (RESTORES.to_owned(), all)));
    Some(built)
}

/// A claim of the backups. One that is gone is made again: what it held is told by the status, and the data is elsewhere.
#[must_use]
pub fn of_backups(cluster: &Cluster, claim: &Claim, facts: &Facts) -> PersistentVolumeClaim {
    labelled(cluster, claim, labels::of_backup(cluster), facts)
}

fn labelled(cluster: &Cluster, claim: &Claim, mut all: StringMap, facts: &Facts) -> PersistentVolumeClaim {
    let size = facts.held_sizes.get(&claim.name).map_or(&claim.size, |held| &held.now);
    labels::protect(cluster, &mut all);
    let mut metadata = metadata::unowned(cluster, claim.name.clone(), all);
    metadata.namespace = Some(cluster.namespace.name.clone());
    match claim.deletion_policy {
        DeletionPolicy::Delete => metadata.owner_references = Some(vec![metadata::owner(cluster)]),
        DeletionPolicy::Retain => metadata::annotate(&mut metadata, [metadata::keep_from_argo_cd()]),
    }
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![access_mode(claim.access_mode).into()]),
            storage_class_name: claim.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".into(), Quantity(size.0.clone()))])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

fn access_mode(mode: AccessMode) -> &'static str {
    match mode {
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        AccessMode::ReadWriteMany => "ReadWriteMany",
    }
}
