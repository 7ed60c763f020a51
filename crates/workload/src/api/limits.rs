//! Resource limits of the namespace: defaults for containers, and a quota.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::{Quantity, ResourceList},
    rules::limits as rule,
};

/// Resource limits of the namespace, which also apply to other pods in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Limits {
    /// LimitRange with defaults for containers without resources of their own. If absent, the
    /// operator creates no LimitRange.
    pub defaults: Option<LimitDefaults>,
    /// ResourceQuota for the sum over all pods of the namespace. If absent, the operator creates no
    /// ResourceQuota.
    pub quota: Option<Quota>,
}

/// A LimitRange. It affects mainly other pods of the namespace: the servers, backups and restores
/// set their own CPU and memory, and their ephemeral storage if the default is too small.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = rule::cpu_within_limit(),
    validation = rule::memory_within_limit(),
    validation = rule::ephemeral_storage_within_limit()
)]
pub struct LimitDefaults {
    /// `false` removes the LimitRange and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Default requests of a container. Default: 100m CPU and 256Mi memory.
    pub requests: Option<ResourceList>,
    /// Default limits of a container. Default: 500m CPU and 512Mi memory.
    pub limits: Option<ResourceList>,
}

/// A ResourceQuota. It must leave room for the maximum number of server pods, and for the
/// additional pods of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::some_quota())]
pub struct Quota {
    /// `false` removes the ResourceQuota and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Maximum number of pods that are not terminated. Absent: no limit.
    #[schemars(range(min = 0, max = 100_000))]
    pub pods: Option<i32>,
    /// Maximum sum of the requests of all pods. Every pod must then set them. Absent: no limit.
    pub requests: Option<ResourceList>,
    /// Maximum sum of the limits of all pods. Every pod must then set them. Absent: no limit.
    pub limits: Option<ResourceList>,
    /// Maximum number of PersistentVolumeClaims. Absent: no limit.
    #[schemars(range(min = 0, max = 10_000))]
    pub persistent_volume_claims: Option<i32>,
    /// Maximum sum of the sizes of all PersistentVolumeClaims. Absent: no limit.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub storage: Option<Quantity>,
}
