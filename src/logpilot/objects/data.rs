//! The PVCs of the data and of its backups.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::{
    kinds::DOMAIN,
    logpilot::{facts::Facts, labels, model::Cluster},
    workload::{build::persistent_volume_claim, model::Claim},
};

/// Returns `None` for a PVC that held data and no longer exists: an empty PVC instead would hide the
/// loss.
#[must_use]
pub fn of_servers(cluster: &Cluster, claim: &Claim, facts: &Facts) -> Option<PersistentVolumeClaim> {
    if facts.lost_claims.contains_key(&claim.name) {
        return None;
    }
    let mut claim = with_held_size(claim, facts);
    let restores = facts.restores.get(&claim.name).cloned();
    claim.annotations.extend(restores.map(|all| (DOMAIN.restores_annotation.to_owned(), all)));
    Some(persistent_volume_claim::build(&cluster.scope, &claim))
}

/// The PVC of the backups. The operator recreates it if it no longer exists: the status reports
/// what it held, and the data is on another volume.
#[must_use]
pub fn of_backups(cluster: &Cluster, claim: &Claim, facts: &Facts) -> PersistentVolumeClaim {
    let mut claim = with_held_size(claim, facts);
    claim.labels.extend(labels::of_backup(cluster));
    persistent_volume_claim::build(&cluster.scope, &claim)
}

/// Requests the current size as long as the declared one is not possible.
fn with_held_size(claim: &Claim, facts: &Facts) -> Claim {
    let size = facts.held_sizes.get(&claim.name).map_or(&claim.size, |held| &held.now).clone();
    Claim { size, ..claim.clone() }
}
