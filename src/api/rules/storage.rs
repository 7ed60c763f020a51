//! Rules of storage and replicas: how many pods one volume supports, and what may change about it
//! later.
//!
//! All rules apply at `spec`, because they combine `storage`, `components` and `environment`. They
//! compare fields with their defaults applied, so that writing a default explicitly later is not a
//! change.

use kube::core::Rule;

use super::{explained, forbidden};

fn backend(spec: &str) -> String {
    format!("(has({spec}.storage) && has({spec}.storage.backend) ? {spec}.storage.backend : 'Sqlite')")
}

fn sharing(spec: &str) -> String {
    format!("(has({spec}.storage) && has({spec}.storage.sharing) ? {spec}.storage.sharing : 'Shared')")
}

fn access_mode(spec: &str) -> String {
    format!(
        "(has({spec}.storage) && has({spec}.storage.volume) && has({spec}.storage.volume.accessMode) ? {spec}.storage.volume.accessMode : 'ReadWriteOnce')"
    )
}

fn unsafe_accepted(value: &str) -> String {
    format!("(has(self.storage) && has(self.storage.allowUnsafe) && '{value}' in self.storage.allowUnsafe)")
}

/// Returns an expression for the maximum number of pods of each enabled component, as a list,
/// including the defaults of the presets.
fn pods() -> String {
    let default = |key: &str| {
        format!(
            "(has(self.environment) && self.environment == 'Development' ? 1 : {key} == 'rest' && !(has(self.environment) && self.environment == 'Staging') ? 3 : 2)"
        )
    };
    format!(
        "(has(self.components) && self.components.size() > 0 \
         ? self.components.map(k, [self.components[k]].map(c, has(c.enabled) && !c.enabled ? 0 \
         : has(c.autoscaling) && (!has(c.autoscaling.enabled) || c.autoscaling.enabled) ? c.autoscaling.maxReplicas \
         : has(c.replicas) ? c.replicas : {})[0]) \
         : [{}])",
        default("k"),
        default("'all'")
    )
}

/// True if each volume has at most one pod.
fn one_pod() -> String {
    format!(
        "[{}].all(pods, {} == 'PerComponent' ? pods.all(n, n <= 1) : pods.sum() <= 1)",
        pods(),
        sharing("self")
    )
}

/// A message about the number of pods, which replaces `%d`.
fn counted(text: &str) -> String {
    format!("\"{text}\".format([{}.sum()])", pods())
}

const FEWER: &str =
    "set `replicas: 1` and run one component for each volume (`sharing: PerComponent` gives each its own)";

pub fn file_has_one_pod() -> Rule {
    explained(
        format!(
            "{} != 'File' || {} || {}",
            backend("self"),
            unsafe_accepted("FileStorageSharedByPods"),
            one_pod()
        ),
        counted(&format!(
            "must be 'Sqlite' while up to %d pods can run: with File each pod delivers every record, so consumers receive duplicates; {FEWER}, or accept duplicates with `storage.allowUnsafe: [FileStorageSharedByPods]`"
        )),
    )
    .field_path(".storage.backend")
}

pub fn sqlite_stays_on_one_host() -> Rule {
    explained(
        format!(
            "{} != 'Sqlite' || {} != 'ReadWriteMany' || {} || {}",
            backend("self"),
            access_mode("self"),
            unsafe_accepted("SqliteOnSharedFilesystem"),
            one_pod()
        ),
        counted(&format!(
            "must be 'ReadWriteOnce' while up to %d pods can run: SQLite on a filesystem that several hosts mount can lose data; ReadWriteOnce keeps the pods on one node; or {FEWER}, or accept the risk with `storage.allowUnsafe: [SqliteOnSharedFilesystem]`"
        )),
    )
    .field_path(".storage.volume.accessMode")
}

pub fn once_pod_has_one_pod() -> Rule {
    explained(
        format!("{} != 'ReadWriteOncePod' || {}", access_mode("self"), one_pod()),
        counted(&format!(
            "must be 'ReadWriteOnce' while up to %d pods can run: a ReadWriteOncePod volume mounts into one pod; {FEWER}"
        )),
    )
    .field_path(".storage.volume.accessMode")
}

/// File storage and ReadWriteOncePod never have two pods at the same time, so these components use
/// `Recreate`.
pub fn single_writer_is_recreated() -> Rule {
    forbidden(
        format!(
            "!(({} == 'File' && !{}) || {} == 'ReadWriteOncePod') || !has(self.components) || self.components.all(k, !has(self.components[k].strategy) || (has(self.components[k].enabled) && !self.components[k].enabled) || (has(self.components[k].strategy.type) ? self.components[k].strategy.type == 'Recreate' : !has(self.components[k].strategy.maxSurge) && !has(self.components[k].strategy.maxUnavailable)))",
            backend("self"),
            unsafe_accepted("FileStorageSharedByPods"),
            access_mode("self")
        ),
        "`strategy` must be 'Recreate' or absent with File storage or ReadWriteOncePod: a rolling update runs two pods on one volume",
    )
    .field_path(".components")
}

/// True if all pods must run on one node, because they mount one ReadWriteOnce volume or one SQLite
/// file.
fn one_node() -> String {
    format!(
        "({mode} == 'ReadWriteOnce' || ({mode} == 'ReadWriteMany' && {} == 'Sqlite' && !{}))",
        backend("self"),
        unsafe_accepted("SqliteOnSharedFilesystem"),
        mode = access_mode("self")
    )
}

/// Rejected even for one pod, because its successor runs at the same time during an update.
pub fn one_node_is_not_spread() -> Rule {
    forbidden(
        format!(
            "!{} || !has(self.components) || self.components.all(k, !has(self.components[k].topologySpread) || self.components[k].topologySpread.all(t, !has(t.whenUnsatisfiable) || t.whenUnsatisfiable != 'DoNotSchedule'))",
            one_node()
        ),
        "`topologySpread` with 'DoNotSchedule' contradicts the storage (PlacementConflict): pods that share the volume run on one node; use 'ScheduleAnyway' or remove it",
    )
    .field_path(".components")
}

pub fn one_node_is_selected_once() -> Rule {
    let selector = |key: &str| format!("self.components[{key}].nodeSelector");
    let (a, b) = (selector("a"), selector("b"));
    forbidden(
        format!(
            "!{} || {} != 'Shared' || !has(self.components) || self.components.all(a, !has({a}) || self.components.all(b, !has({b}) || {a}.all(l, !(l in {b}) || {a}[l] == {b}[l])))",
            one_node(),
            sharing("self")
        ),
        "`nodeSelector` of two components contradict each other (PlacementConflict): components that share the volume run on one node; use the same labels, or set `storage.sharing: PerComponent`",
    )
    .field_path(".components")
}

pub fn own_volumes_only_per_component() -> Rule {
    forbidden(
        format!(
            "{} == 'PerComponent' || !has(self.components) || self.components.all(k, !has(self.components[k].volume))",
            sharing("self")
        ),
        "a component's `volume` may only be given with `storage.sharing: PerComponent`; use `storage.volume.size`",
    )
    .field_path(".components")
}

pub fn pool_only_with_sqlite() -> Rule {
    forbidden(
        format!("!has(self.config) || !has(self.config.sqlitePool) || {} == 'Sqlite'", backend("self")),
        "may only be given with `storage.backend: Sqlite`; remove it",
    )
    .field_path(".config.sqlitePool")
}

// ---- inside `storage` ----------------------------------------------------------------------------

pub fn existing_claim_is_shared() -> Rule {
    forbidden(
        "!has(self.volume) || !has(self.volume.existingClaim) || !has(self.sharing) || self.sharing == 'Shared'",
        "may only be given with `sharing: Shared`: one PVC cannot be a separate volume for each component; remove it",
    )
    .field_path(".volume.existingClaim")
}

/// Applies at `volume`.
pub fn existing_claim_is_used_as_it_is() -> Rule {
    forbidden(
        "!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName) && (!has(self.deletionPolicy) || self.deletionPolicy != 'Delete'))",
        "may not be combined with `size`, `storageClassName` or `deletionPolicy: Delete`: the PVC is used as it is and never changed or deleted",
    )
    .field_path(".existingClaim")
}

// ---- transitions ---------------------------------------------------------------------------------

fn immutable(value: fn(&str) -> String, why: &str) -> Rule {
    let (new, old) = (value("self"), value("oldSelf"));
    explained(
        format!("{new} == {old}"),
        format!(
            "\"is immutable (was '\" + {old} + \"'): {why}; create another LogPilotCluster and move the data\""
        ),
    )
}

pub fn backend_is_immutable() -> Rule {
    immutable(backend, "the other backend cannot read the existing files").field_path(".storage.backend")
}

pub fn sharing_is_immutable() -> Rule {
    immutable(sharing, "the logs are in the existing volumes").field_path(".storage.sharing")
}

pub fn access_mode_is_immutable() -> Rule {
    immutable(access_mode, "the access modes of a PVC cannot change").field_path(".storage.volume.accessMode")
}

/// A field of `volume` whose absence has a meaning of its own.
fn same_or_absent(field: &str) -> String {
    let value = |spec: &str| {
        format!(
            "(has({spec}.storage) && has({spec}.storage.volume) && has({spec}.storage.volume.{field}) ? {spec}.storage.volume.{field} : '')"
        )
    };
    format!("{} == {}", value("self"), value("oldSelf"))
}

pub fn class_is_immutable() -> Rule {
    Rule::new(same_or_absent("storageClassName"))
        .message("is immutable, even if it was not set at first: the StorageClass of a PVC cannot change; create another LogPilotCluster and move the data")
        .field_path(".storage.volume.storageClassName")
}

pub fn existing_claim_is_immutable() -> Rule {
    Rule::new(same_or_absent("existingClaim"))
        .message("is immutable, even if it was not set at first: another PVC holds other data; create another LogPilotCluster for it")
        .field_path(".storage.volume.existingClaim")
}
