//! Where the logs are kept. The table of what each combination means is in docs/storage.md.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::api::{
    common::{DeletionPolicy, Quantity},
    storage::AccessMode,
};

use super::rules::{self, storage as rule};

/// The server's storage and the claim under it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_shared())]
pub struct Storage {
    /// How the server keeps logs: in one `Sqlite` file, or in `File`s, which only one pod can serve.
    /// Default `Sqlite`. Immutable.
    pub backend: Option<Backend>,
    /// `Shared`: one claim for all components, so that REST and gRPC clients see the same logs.
    /// `PerComponent`: one for each. Default `Shared`. Immutable.
    pub sharing: Option<Sharing>,
    /// The claim of the data volume.
    pub volume: Option<Volume>,
    /// Accepts a combination that can lose or double records: `SqliteOnSharedFilesystem` is SQLite on a
    /// filesystem that several hosts mount, `FileStorageSharedByPods` is file storage under more than one pod.
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub allow_unsafe: Option<Vec<UnsafeStorage>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Backend {
    #[default]
    Sqlite,
    File,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sharing {
    /// One claim for all components: REST and gRPC clients see the same logs.
    #[default]
    Shared,
    /// One claim for each component.
    PerComponent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnsafeStorage {
    /// SQLite in WAL mode on a filesystem that several hosts mount.
    SqliteOnSharedFilesystem,
    /// File storage under more than one pod: each pod delivers every record once.
    FileStorageSharedByPods,
}

/// The claim of the data volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_used_as_it_is())]
pub struct Volume {
    /// Default `10Gi` (`5Gi` for rest and grpc with `PerComponent`).
    /// May grow. A smaller size is taken while the volume is not that large yet; no volume shrinks.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// Default: the cluster's default class. Immutable.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// `ReadWriteOnce` keeps all pods on one node; `ReadWriteOncePod` and `ReadWriteMany` are for one pod.
    /// Default `ReadWriteOnce`. Immutable.
    pub access_mode: Option<AccessMode>,
    /// Uses this claim instead of making one; only with `sharing: Shared`. It is never changed or deleted.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing_claim: Option<String>,
    /// `Retain`: the claim stays with its data when the cluster is deleted, and a new cluster of the same
    /// name picks it up. `Delete`: data is lost. Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
}
