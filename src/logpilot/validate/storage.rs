//! Validation of storage: the PVCs, and their consequences for placement and replacement of pods.
//! Contains the table of storage and replicas.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::api::resource;

use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        storage::{Backend, Sharing, UnsafeStorage, Volume},
    },
    logpilot::{
        defaults,
        model::{Component, Storage},
        names,
    },
    workload::{
        StringMap,
        api::{
            common::{DeletionPolicy, Quantity},
            component::StrategyType,
            storage::AccessMode,
        },
        labels,
        model::{Claim, Rollout},
        names::NamePrefix,
        quantity,
        resolve::{Violations, scheduling::HARD},
    },
};

/// The requirements of one row of the table for the pods that mount one PVC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StorageVerdict {
    /// All pods must run on one node.
    pub co_scheduled: bool,
    /// An old pod must terminate before a new one starts.
    pub recreate: bool,
}

/// The reason why a combination is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    OnePodVolume,
    SqliteOnSharedFilesystem,
    FileSharedByPods,
}

/// The table. `pods` is the maximum number of pods: the sum over all components that mount the PVC,
/// including the maximum of an autoscaler.
pub(super) fn decide(
    backend: Backend,
    mode: AccessMode,
    pods: i32,
    accepted: &[UnsafeStorage],
) -> Result<StorageVerdict, Refusal> {
    let many = pods > 1;
    let accepts = |risk| accepted.contains(&risk);
    match (backend, mode) {
        (_, AccessMode::ReadWriteOncePod) if many => Err(Refusal::OnePodVolume),
        (_, AccessMode::ReadWriteOncePod) => Ok(StorageVerdict { co_scheduled: false, recreate: true }),
        (Backend::Sqlite, AccessMode::ReadWriteMany) if accepts(UnsafeStorage::SqliteOnSharedFilesystem) => {
            Ok(StorageVerdict { co_scheduled: false, recreate: false })
        }
        (Backend::Sqlite, AccessMode::ReadWriteMany) if many => Err(Refusal::SqliteOnSharedFilesystem),
        // This also applies to a single pod: its surge pod runs on the same node, so that two hosts
        // never write.
        (Backend::Sqlite, _) => Ok(StorageVerdict { co_scheduled: true, recreate: false }),
        (Backend::File, mode) if accepts(UnsafeStorage::FileStorageSharedByPods) => {
            Ok(StorageVerdict { co_scheduled: mode == AccessMode::ReadWriteOnce, recreate: false })
        }
        (Backend::File, _) if many => Err(Refusal::FileSharedByPods),
        // A surge pod would deliver every record twice.
        (Backend::File, _) => Ok(StorageVerdict { co_scheduled: false, recreate: true }),
    }
}

/// Assigns each component its PVC and the consequences of it.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    prefix: &NamePrefix,
    components: &mut [Component],
    violations: &mut Violations,
) -> Storage {
    let given = spec.storage.clone().unwrap_or_default();
    let volume = given.volume.unwrap_or_default();
    let sharing = given.sharing.unwrap_or_default();
    let backend = given.backend.unwrap_or_default();
    let access_mode = volume.access_mode.unwrap_or_default();

    let claims = claims(spec, prefix, sharing, &volume, components, violations);
    let accepted = given.allow_unsafe.unwrap_or_default();
    let mut pods: BTreeMap<String, i32> = BTreeMap::new();
    for component in components.iter() {
        *pods.entry(component.claim.clone()).or_default() += component.scale.most();
    }
    for (claim, pods) in pods {
        let mounting: Vec<_> = components.iter_mut().filter(|component| component.claim == claim).collect();
        match decide(backend, access_mode, pods, &accepted) {
            Ok(verdict) => place(spec, mounting, verdict, violations),
            Err(refusal) => refuse(refusal, &claim, pods, violations),
        }
    }
    let one_pod = decide(backend, access_mode, 2, &accepted).is_err();
    Storage { backend, sharing, access_mode, claims, existing_claim: volume.existing_claim, one_pod }
}

fn claims(
    spec: &LogPilotClusterSpec,
    prefix: &NamePrefix,
    sharing: Sharing,
    volume: &Volume,
    components: &mut [Component],
    violations: &mut Violations,
) -> Vec<Claim> {
    let claim = |name: String, labels, size: Option<Quantity>, default: &str| Claim {
        name,
        labels,
        annotations: StringMap::new(),
        size: amount(size.or_else(|| volume.size.clone()), default),
        storage_class_name: volume.storage_class_name.clone(),
        access_mode: volume.access_mode.unwrap_or_default().name().into(),
        owned: volume.deletion_policy.unwrap_or_default() == DeletionPolicy::Delete,
    };
    if let Some(size) = &volume.size {
        check_min_size(size, "spec.storage.volume.size", violations);
    }
    let mut own = Vec::new();
    for component in components.iter_mut() {
        let role = component.role;
        let path = format!("spec.components.{}.volume", role.name);
        let size = spec
            .components
            .get(&role.key)
            .and_then(|given| given.volume.as_ref())
            .map(|volume| volume.size.clone());
        violations.require(
            size.is_none() || sharing == Sharing::PerComponent,
            path.clone(),
            "is only used with `spec.storage.sharing: PerComponent`; set `spec.storage.volume.size` instead",
        );
        if let Some(size) = &size {
            check_min_size(size, &format!("{path}.size"), violations);
        }
        component.claim = match (sharing, &volume.existing_claim) {
            (Sharing::PerComponent, _) => names::component_data(prefix, role.name),
            (Sharing::Shared, Some(existing)) => existing.clone(),
            (Sharing::Shared, None) => names::shared_data(prefix),
        };
        let labels = StringMap::from([
            (labels::COMPONENT.into(), role.name.into()),
            (labels::APP.into(), component.name.clone()),
        ]);
        own.push(claim(component.claim.clone(), labels, size, role.claim_size));
    }
    match (sharing, &volume.existing_claim) {
        (Sharing::Shared, None) => {
            vec![claim(names::shared_data(prefix), StringMap::new(), None, defaults::SHARED_CLAIM_SIZE)]
        }
        (Sharing::Shared, Some(_)) => Vec::new(),
        (Sharing::PerComponent, existing) => {
            violations.require(
                existing.is_none(),
                "spec.storage.volume.existingClaim",
                "may only be given with `sharing: Shared`: one PVC cannot be a separate volume for each component; remove it",
            );
            own
        }
    }
}

/// Returns the size that was set, or the default.
pub(super) fn amount(given: Option<Quantity>, default: &str) -> resource::Quantity {
    resource::Quantity(given.map_or_else(|| default.to_owned(), |given| given.0))
}

pub(super) fn check_min_size(size: &Quantity, path: &str, violations: &mut Violations) {
    violations.require(
        quantity::nano(&size.0).is_some_and(|size| size >= quantity::units(1024 * 1024)),
        path,
        format!("'{}' must be a quantity of at least 1Mi, such as '10Gi'", size.0),
    );
}

/// Applies the result to the pods of one PVC, and reports settings that contradict it.
fn place(
    spec: &LogPilotClusterSpec,
    mounting: Vec<&mut Component>,
    verdict: StorageVerdict,
    violations: &mut Violations,
) {
    let mut selector = StringMap::new();
    let mut objected = BTreeSet::new();
    let mut owner = None;
    for component in mounting {
        let path = format!("spec.components.{}", component.role.name);
        let identity = (component.identity.user, component.identity.fs_group);
        violations.require(
            *owner.get_or_insert(identity) == identity,
            format!("{path}.securityContext"),
            "must have the user and `fsGroup` of the other components, because they share a volume: what one \
             writes, the other could only read",
        );
        component.co_scheduled = verdict.co_scheduled;
        if verdict.recreate {
            let given = spec.components.get(&component.role.key);
            let strategy = given.and_then(|given| given.strategy.clone()).unwrap_or_default();
            let rolling = match strategy.type_ {
                Some(type_) => type_ == StrategyType::RollingUpdate,
                None => strategy.max_surge.is_some() || strategy.max_unavailable.is_some(),
            };
            violations.require(
                !rolling,
                format!("{path}.strategy"),
                "must be 'Recreate' on this storage: the old pod must stop before the new one may use the volume; \
                 remove `strategy`",
            );
            component.rollout = Rollout::Recreate;
        }
        if !verdict.co_scheduled {
            continue;
        }
        for (key, value) in &component.node_selector {
            let other = selector.insert(key.clone(), value.clone());
            if other.is_some_and(|other| other != *value) && objected.insert(key.clone()) {
                violations.add(
                    format!("{path}.nodeSelector"),
                    format!(
                        "'{key}' differs from that of another component, but all pods that mount the same \
                         PVC must run on one node; give both the same value"
                    ),
                );
            }
        }
        let hard = component.topology_spread.iter().flatten().any(|spread| spread.when_unsatisfiable == HARD);
        violations.require(
            !hard,
            format!("{path}.topologySpread"),
            "'DoNotSchedule' contradicts the storage: all pods that mount the PVC must run on one node; \
             use 'ScheduleAnyway' or remove it",
        );
    }
}

fn refuse(refusal: Refusal, claim: &str, pods: i32, violations: &mut Violations) {
    let (path, message) = match refusal {
        Refusal::OnePodVolume => (
            "spec.storage.volume.accessMode",
            format!(
                "'ReadWriteOncePod' allows one pod, and up to {pods} would mount PVC '{claim}'; \
                 use 'ReadWriteOnce', or one component with `replicas: 1`"
            ),
        ),
        Refusal::SqliteOnSharedFilesystem => (
            "spec.storage.volume.accessMode",
            format!(
                "SQLite cannot be shared over a network filesystem, and up to {pods} pods would mount PVC \
                 '{claim}'; use 'ReadWriteOnce' (all pods on one node), or accept the risk with \
                 `spec.storage.allowUnsafe: [SqliteOnSharedFilesystem]`"
            ),
        ),
        Refusal::FileSharedByPods => (
            "spec.storage.backend",
            format!(
                "with 'File' each pod delivers every record, and up to {pods} pods would mount PVC '{claim}'; \
                 use 'Sqlite', or one pod, or accept the risk with \
                 `spec.storage.allowUnsafe: [FileStorageSharedByPods]`"
            ),
        ),
    };
    violations.add(path, message);
}
