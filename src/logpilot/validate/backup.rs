//! Validation of backups: source and destination. The API server has rejected the same combinations
//! where it could see them.

use k8s_openapi::api::core::v1::Toleration;

use super::storage::amount;
use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        storage::{Backend, Sharing},
    },
    logpilot::{
        defaults,
        model::{Backup, BackupJob, BackupTarget, Component, ServerRole, Storage},
        names,
        schedule::Schedule,
    },
    workload::{StringMap, api::storage::AccessMode, model::Claim, names::NamePrefix, resolve::Violations},
};

/// Returns `None` unless backups are requested.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    prefix: &NamePrefix,
    namespace: &str,
    components: &[Component],
    storage: &Storage,
    violations: &mut Violations,
) -> Option<Backup> {
    let given = spec.backup.clone().filter(|backup| backup.enabled != Some(false))?;
    let schedule = given.schedule.unwrap_or_else(|| defaults::BACKUP_SCHEDULE.to_owned());
    let time_zone = given.time_zone.unwrap_or_else(|| defaults::BACKUP_TIME_ZONE.to_owned());
    match Schedule::time_zone(&time_zone) {
        Err(why) => violations.add("spec.backup.timeZone", why),
        Ok(()) => {
            if let Err(why) = Schedule::parse(&schedule, &time_zone) {
                violations.add("spec.backup.schedule", why);
            }
        }
    }
    violations.require(
        storage.backend == Backend::Sqlite,
        "spec.backup",
        "needs `spec.storage.backend: Sqlite`, which can be copied during writes; remove `backup` and use volume snapshots",
    );
    violations.require(
        storage.access_mode != AccessMode::ReadWriteOncePod,
        "spec.backup",
        "the backup pod cannot mount a 'ReadWriteOncePod' volume while the server does; use 'ReadWriteOnce', or remove `backup`",
    );
    violations.require(
        given.s3.is_none() || given.volume.is_none(),
        "spec.backup.s3",
        "may not be combined with `volume`: backups are stored in one of the two; remove one",
    );
    if let Some(s3) = &given.s3 {
        super::bucket::check(s3, violations);
    }
    let volume = given.volume.unwrap_or_default();
    if let Some(size) = &volume.size {
        super::storage::check_min_size(size, "spec.backup.volume.size", violations);
    }
    if let Some(existing) = &volume.existing_claim {
        let path = "spec.backup.volume.existingClaim";
        violations.require(
            storage.sharing == Sharing::Shared,
            path,
            "is only used with `spec.storage.sharing: Shared`: components on different nodes cannot write to the same PVC; remove it",
        );
        violations.require(
            components.iter().all(|component| component.claim != *existing),
            path,
            format!("'{existing}' is the PVC of the data: a failure of that volume would destroy the backups too; name another PVC"),
        );
    }
    let job = |role: Option<&'static ServerRole>, claim: &str| {
        let own = Claim {
            name: names::backup(prefix, role.map(|role| role.name)),
            labels: StringMap::new(),
            annotations: StringMap::new(),
            size: amount(volume.size.clone(), defaults::BACKUP_CLAIM_SIZE),
            storage_class_name: volume.storage_class_name.clone(),
            access_mode: AccessMode::ReadWriteOnce.name().into(),
            owned: false,
        };
        let name = own.name.clone();
        let (target, volume) = match (&given.s3, &volume.existing_claim) {
            (Some(s3), _) => {
                let scratch = storage.claims.iter().find(|data| data.name == claim);
                let bucket = super::bucket::resolve(s3, (namespace, prefix, role), scratch);
                (BackupTarget::Bucket(Box::new(bucket)), None)
            }
            (None, Some(existing)) => (BackupTarget::Claim(existing.clone()), None),
            (None, None) => (BackupTarget::Claim(name.clone()), Some(own)),
        };
        BackupJob {
            name,
            claim: claim.to_owned(),
            target,
            volume,
            node_selector: node_selector(components, claim),
            tolerations: tolerations(components, claim),
            // Components that mount one PVC agree.
            identity: components
                .iter()
                .find(|component| component.claim == claim)
                .map(|component| component.identity.clone())
                .unwrap_or_default(),
        }
    };
    let jobs = match storage.sharing {
        // They all mount the same PVC.
        Sharing::Shared => components.iter().take(1).map(|component| job(None, &component.claim)).collect(),
        Sharing::PerComponent => {
            components.iter().map(|component| job(Some(component.role), &component.claim)).collect()
        }
    };
    Some(Backup {
        schedule,
        time_zone,
        suspend: given.suspend.unwrap_or(false),
        keep: given.retention.and_then(|retention| retention.count).unwrap_or(defaults::BACKUPS_KEPT),
        jobs,
    })
}

/// The backup pod must be able to run wherever the servers can run.
fn tolerations(components: &[Component], claim: &str) -> Vec<Toleration> {
    let mut all: Vec<Toleration> = Vec::new();
    for component in components.iter().filter(|component| component.claim == claim) {
        for toleration in &component.tolerations {
            if !all.contains(toleration) {
                all.push(toleration.clone());
            }
        }
    }
    all
}

/// The value of pods that share a node. All of them agree on it.
fn node_selector(components: &[Component], claim: &str) -> StringMap {
    components
        .iter()
        .filter(|component| component.claim == claim && component.co_scheduled)
        .flat_map(|component| component.node_selector.clone())
        .collect()
}
