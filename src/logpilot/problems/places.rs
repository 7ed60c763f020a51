//! Problems of storage locations that another resource uses too.

use super::problem;
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    logpilot::facts::{Contents, SharedPlace},
    reasons,
};

/// Reports a shared location to the younger of two resources; if one keeps data and the other backups,
/// to both.
pub(super) fn shared_place_problems(shared: &[SharedPlace]) -> impl Iterator<Item = Problem> {
    shared.iter().filter_map(|it| {
        let (kind, by) = (api::KIND, &it.by);
        let (severity, reason, message) = match (it.contents, it.theirs) {
            (Contents::Data, Contents::Data) => {
                let way_out = if it.named {
                    "recreate this resource without spec.storage.volume.existingClaim, or with another PVC in it"
                } else {
                    "recreate this resource with another spec.nameOverride or spec.namespace"
                };
                let message = format!(
                    "holds the data of {kind} '{by}', which is older: two servers would write one file, so the servers, \
                     backups and restores of this resource are blocked, and running pods are left unchanged; {way_out}; or \
                     delete '{by}', whose PVC is deleted with it only if its spec.storage.volume.deletionPolicy is Delete"
                );
                (Severity::Error, reasons::DATA_VOLUME_SHARED, message)
            }
            (Contents::Backups, Contents::Backups) => {
                let message = format!(
                    "{kind} '{by}', which is older, writes its backups here too; each resource counts and removes only its \
                     own, and no resource removes those of earlier versions of the operator, which name no resource"
                );
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
            (Contents::Backups, Contents::Data) => {
                let message =
                    format!("backups are written to the PVC that holds the data of {kind} '{by}', and can fill it");
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
            (Contents::Data, Contents::Backups) => {
                let message =
                    format!("{kind} '{by}' writes its backups to the PVC that holds the data, and can fill it");
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
        };
        let told = it.older || it.contents != it.theirs;
        told.then(|| problem(severity, reason, it.place.to_string(), message))
    })
}
