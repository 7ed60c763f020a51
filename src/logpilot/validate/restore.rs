//! Which data a restore replaces. The API server has refused the same, where it could see it.

use crate::{
    api::{cluster::LogPilotClusterSpec, storage::Sharing},
    backup::is_backup_name,
    logpilot::model::{Backup, Component, Restore, Storage},
    workload::{names::is_label_value, resolve::Violations},
};

/// None unless asked for.
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
        "needs `spec.backup`, which says where the backups are; with `backup.suspend: true` no new one is taken",
    );
    violations.require(
        is_label_value(&given.request_id) && !given.request_id.is_empty(),
        "spec.restore.requestId",
        "must be letters, digits, '-', '_' and '.', at most 63, starting and ending with a letter or digit",
    );
    violations.require(
        is_backup_name(&given.from),
        "spec.restore.from",
        "must be the file name of a backup; those that there are stand in `status.backups[].lastSuccess.available`",
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
                "must be given with `storage.sharing: PerComponent`: each component has data of its own",
            );
            return None;
        }
    };
    violations.require(whose.is_some(), path, "does not run; name a component that does");
    Some(Restore {
        request_id: given.request_id,
        from: given.from,
        component: given.component,
        claim: whose?.claim.clone(),
    })
}
