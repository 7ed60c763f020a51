//! Volumes of a stack and of its components.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules as rule;
use crate::workload::api::{
    common::{DeletionPolicy, Quantity},
    rules,
    storage::AccessMode,
};

/// A PVC that several components mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::class_and_mode_are_immutable())]
pub struct SharedVolume {
    /// Size, such as `10Gi`. It can grow and never shrinks.
    #[schemars(schema_with = "crate::workload::api::schema::memory")]
    pub size: Quantity,
    /// Default: the Kubernetes cluster's default class. Immutable.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// With `ReadWriteOnce`, the default, all pods that mount it run on one node. Immutable.
    pub access_mode: Option<AccessMode>,
    /// `Retain` keeps the PVC when the stack is deleted; `Delete` deletes its data. Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
}

/// A volume of a component: a path, and exactly one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_source(), validation = rule::pvc_settings_need_size(), validation = rule::class_and_mode_are_immutable())]
pub struct ComponentVolume {
    /// Absolute path in the container.
    #[schemars(length(min = 2, max = 512))]
    #[x_kube(validation = rule::absolute_path())]
    pub path: String,
    /// Creates a PVC `<component>-<volume>` of this size. It can grow and never shrinks.
    #[schemars(schema_with = "crate::workload::api::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// Class of the PVC. Default: the Kubernetes cluster's default class. Immutable.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// Access mode of the PVC. With `ReadWriteOnce`, the default, all pods of the component run on one
    /// node. Immutable.
    pub access_mode: Option<AccessMode>,
    /// `Retain` keeps the PVC when the stack or the component is deleted. `Delete` deletes its data with
    /// the stack. Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
    /// Mounts an entry of `spec.volumes`.
    #[schemars(length(min = 1, max = 40))]
    pub shared: Option<String>,
    /// Mounts a PVC of this namespace that exists already.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing_claim: Option<String>,
    /// An empty directory of at most this size, which is deleted with its pod.
    #[schemars(schema_with = "crate::workload::api::schema::memory")]
    #[serde(default)]
    pub scratch: Option<Quantity>,
    /// Mounts a Secret as files: an entry of `spec.secrets`, or the name of a Secret of this namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub secret: Option<String>,
    /// Mounts a ConfigMap of this namespace as files.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub config_map: Option<String>,
    /// Directory of the volume that is mounted. Default for `size`: the volume's name, so that a database
    /// never finds `lost+found` in its directory. Default for other sources, and with an empty text: the
    /// root.
    #[schemars(length(max = 253), regex(pattern = "^([A-Za-z0-9_][A-Za-z0-9._-]*)?$"))]
    pub sub_path: Option<String>,
    /// With `true` the container cannot write to the volume. Default `false`.
    pub read_only: Option<bool>,
}
