//! What another resource keeps in the same place.

use super::problem;
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    logpilot::{
        facts::{Contents, SharedPlace},
        reasons,
    },
};

/// The younger of two is told; where one keeps data and the other backups, both are.
pub(super) fn shared_place_problems(shared: &[SharedPlace]) -> impl Iterator<Item = Problem> {
    shared.iter().filter_map(|it| {
        let (kind, by) = (api::KIND, &it.by);
        let (severity, reason, message) = match (it.contents, it.theirs) {
            (Contents::Data, Contents::Data) => {
                let way_out = if it.named {
                    "create this resource again without spec.storage.volume.existingClaim, or with another claim in it"
                } else {
                    "create this resource again with another spec.nameOverride or spec.namespace"
                };
                let message = format!(
                    "holds the data of {kind} '{by}', which is older: two servers would write one file, so the servers, \
                     backups and restores of this resource are held back, and what runs is left as it is; {way_out}; or delete \
                     '{by}', whose claim goes with it only if its spec.storage.volume.deletionPolicy is Delete"
                );
                (Severity::Error, reasons::DATA_VOLUME_SHARED, message)
            }
            (Contents::Backups, Contents::Backups) => {
                let message = format!(
                    "{kind} '{by}', which is older, writes its backups here too; each resource counts and removes only its \
                     own, and those that an earlier version of the operator took name no resource: nobody removes them here"
                );
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
            (Contents::Backups, Contents::Data) => {
                let message =
                    format!("backups go onto the claim that holds the data of {kind} '{by}', and can fill it");
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
            (Contents::Data, Contents::Backups) => {
                let message =
                    format!("{kind} '{by}' writes its backups onto the claim that holds the data, and can fill it");
                (Severity::Warning, reasons::BACKUP_LOCATION_SHARED, message)
            }
        };
        let told = it.older || it.contents != it.theirs;
        told.then(|| problem(severity, reason, it.place.to_string(), message))
    })
}
