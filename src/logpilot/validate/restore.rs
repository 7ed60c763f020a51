//! Validation of a restore. The API server has rejected the same values where it could see them.

use crate::{
    api::{cluster::LogPilotClusterSpec, storage::Sharing},
    backup::is_backup_name,
    logpilot::model::{Backup, Component, Restore, Storage},
    workload::{names::is_label_value, resolve::Violations},
};

/// Returns `None` unless a restore is requested.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    components: &[Component],
    storage: &Storage,
    backup: Option<&Backup>,
    violations: &mut Violations,
) -> Option<Restore> {
    let given = spec.restore.clone()?;
    violations.require(
        backup.is_some(),
        "spec.restore",
        "needs `spec.backup`, which names the location of the backups; set it, with `backup.suspend: true` to take no new ones",
    );
    violations.require(
        is_label_value(&given.request_id) && !given.request_id.is_empty(),
        "spec.restore.requestId",
        "must be letters, digits, '-', '_' and '.', at most 63, starting and ending with a letter or digit",
    );
    violations.require(
        is_backup_name(&given.from),
        "spec.restore.from",
        "must be the file name of a backup; `status.backups[].lastSuccess.available` lists them",
    );
    let path = "spec.restore.component";
    let whose = match (storage.sharing, given.component) {
        (Sharing::Shared, None) => components.first(),
        (Sharing::PerComponent, Some(key)) => components.iter().find(|component| component.role.key == key),
        (Sharing::Shared, Some(_)) => {
            violations.add(
                path,
                "may only be given with `storage.sharing: PerComponent`: all components share the data",
            );
            return None;
        }
        (Sharing::PerComponent, None) => {
            violations.add(
                path,
                "must be given with `storage.sharing: PerComponent`: each component has its own data",
            );
            return None;
        }
    };
    violations.require(whose.is_some(), path, "is not enabled; name a component that is");
    Some(Restore {
        request_id: given.request_id,
        from: given.from,
        component: given.component,
        claim: whose?.claim.clone(),
    })
}
