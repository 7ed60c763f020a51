//! Storage of the logs. docs/storage.md has a table of all combinations.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::api::{
    common::{DeletionPolicy, Quantity},
    storage::AccessMode,
};

use super::rules::{self, storage as rule};

/// Storage of the servers and its PersistentVolumeClaims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_shared())]
pub struct Storage {
    /// Storage format. `Sqlite`: one SQLite file. `File`: plain files, which only one pod can
    /// serve. Immutable. Default `Sqlite`.
    pub backend: Option<Backend>,
    /// Number of volumes. `Shared`: one PVC for all components, so that REST and gRPC clients see
    /// the same logs. `PerComponent`: one PVC per component. Immutable. Default `Shared`.
    pub sharing: Option<Sharing>,
    /// PersistentVolumeClaim of the data volume.
    pub volume: Option<Volume>,
    /// Accepts combinations that can lose or duplicate records. `SqliteOnSharedFilesystem`: SQLite
    /// on a filesystem that several hosts mount. `FileStorageSharedByPods`: file storage with more
    /// than one pod.
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
    /// One PVC for all components. REST and gRPC clients see the same logs.
    #[default]
    Shared,
    /// One PVC per component.
    PerComponent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnsafeStorage {
    /// SQLite in WAL mode on a filesystem that several hosts mount.
    SqliteOnSharedFilesystem,
    /// File storage with more than one pod: each pod delivers every record, so consumers receive duplicates.
    FileStorageSharedByPods,
}

/// The PersistentVolumeClaim of the data volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_used_as_it_is())]
pub struct Volume {
    /// Size of the PVC. Can be increased. It can be decreased only as long as the volume has not
    /// reached the new size, because volumes cannot shrink. Default `10Gi` (`5Gi` for `rest` and
    /// `grpc` with `PerComponent`).
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// StorageClass of the PVC. Immutable. Default: the default StorageClass of the Kubernetes
    /// cluster.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// Access mode of the PVC. `ReadWriteOnce` keeps all pods on one node. `ReadWriteOncePod` and
    /// `ReadWriteMany` allow only one pod. Immutable. Default `ReadWriteOnce`.
    pub access_mode: Option<AccessMode>,
    /// Name of an existing PVC to use instead of creating one. Allowed only with `sharing: Shared`.
    /// The operator never changes or deletes this PVC. Immutable.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing_claim: Option<String>,
    /// `Retain`: the PVC and its data are kept when the LogPilotCluster is deleted, and a new
    /// LogPilotCluster of the same name uses them. `Delete`: the PVC and its data are deleted.
    /// Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
}
