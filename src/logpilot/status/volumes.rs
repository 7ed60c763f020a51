//! Reports the volumes that hold the data.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::Value;

use super::{super::problems, View};
use crate::{api::status::VolumeStatus, kinds::Managed, workload::health};

pub(super) fn summary(view: &View<'_>) -> Option<String> {
    let claims: Vec<String> = view
        .plan
        .objects
        .iter()
        .filter(|planned| planned.kind == PersistentVolumeClaim::KIND && !problems::of_backups(planned))
        .map(|planned| {
            let child = view.snapshot.get(planned.kind, &planned.key);
            let (phase, size) = match child.and_then(|child| child.observed::<health::Claim>()) {
                Some(claim) => (claim.phase.clone(), claim.capacity.clone()),
                None => ("Pending".to_owned(), None),
            };
            let size = size.or_else(|| {
                planned
                    .body
                    .pointer("/spec/resources/requests/storage")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            });
            format!("{} {} {phase}", planned.key.name, size.unwrap_or_default())
        })
        .collect();
    (!claims.is_empty()).then(|| claims.join(", "))
}

/// Returns the PVCs ever used, with the UID that holds the data now; a PVC that no longer exists keeps
/// its UID, so that its loss is noticed.
pub(super) fn in_use(before: &[VolumeStatus], view: &View<'_>) -> Vec<VolumeStatus> {
    let mut volumes: Vec<VolumeStatus> = before.to_vec();
    for child in view.snapshot.of_kind(PersistentVolumeClaim::KIND) {
        if child.key.namespace.as_deref() != Some(view.namespace) {
            continue;
        }
        // A PVC of backups, or one that is no longer used: losing it loses no data, and the list stays
        // short.
        let holds_data = view.plan.objects.iter().any(|planned| {
            planned.kind == child.kind && planned.key == child.key && !problems::of_backups(planned)
        });
        if !holds_data && volumes.iter().all(|volume| volume.name != child.key.name) {
            continue;
        }
        // The PVC of an earlier resource: it is deleted, and its replacement then holds the data.
        if child.deleting && volumes.iter().all(|volume| volume.uid != child.uid) {
            continue;
        }
        let known = VolumeStatus { name: child.key.name.clone(), uid: child.uid.clone() };
        match volumes.iter_mut().find(|volume| volume.name == known.name) {
            Some(volume) => *volume = known,
            None => volumes.push(known),
        }
    }
    volumes.truncate(4);
    volumes
}
