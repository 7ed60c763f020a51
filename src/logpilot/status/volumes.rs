//! Where the data is.

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

/// Claims ever used, with the UID that holds the data now; one that is gone keeps its UID, so that it is missed.
pub(super) fn in_use(before: &[VolumeStatus], view: &View<'_>) -> Vec<VolumeStatus> {
    let mut volumes: Vec<VolumeStatus> = before.to_vec();
    for child in view.snapshot.of_kind(PersistentVolumeClaim::KIND) {
        if child.key.namespace.as_deref() != Some(view.namespace) {
            continue;
        }
        // Of the backups, or of no use any more: its loss is no loss of data, and the list is short.
        let holds_data = view.plan.objects.iter().any(|planned| {
            planned.kind == child.kind && planned.key == child.key && !problems::of_backups(planned)
        });
        if !holds_data && volumes.iter().all(|volume| volume.name != child.key.name) {
            continue;
        }
        // Of an earlier resource: it goes, and another one takes its place, which is then the data.
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
