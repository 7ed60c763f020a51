//! What the namespace gives to containers that say nothing, and how much it gives in all.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::{Quantity, ResourceList},
    rules::limits as rule,
};

/// Limits of the namespace, for whatever runs in it beside the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Limits {
    /// A LimitRange: what a container gets that says nothing about resources.
    pub defaults: Option<LimitDefaults>,
    /// A ResourceQuota: what all pods of the namespace may ask for together.
    pub quota: Option<Quota>,
}

/// A LimitRange. The servers, backups and restores say what they need of processor and memory, and of the disk where the
/// default is less than that, so it concerns other pods of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = rule::cpu_within_limit(),
    validation = rule::memory_within_limit(),
    validation = rule::ephemeral_storage_within_limit()
)]
pub struct LimitDefaults {
    /// `false` leaves the LimitRange out and keeps its settings.
    pub enabled: Option<bool>,
    /// Default: 100m of CPU and 256Mi of memory.
    pub requests: Option<ResourceList>,
    /// Default: 500m of CPU and 512Mi of memory.
    pub limits: Option<ResourceList>,
}

/// A ResourceQuota. The servers need room in it for the most pods that can run, and for those of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::some_quota())]
pub struct Quota {
    /// `false` leaves the ResourceQuota out and keeps its settings.
    pub enabled: Option<bool>,
    /// Pods that have not ended.
    #[schemars(range(min = 0, max = 100_000))]
    pub pods: Option<i32>,
    /// Sum of the requests of all pods; every pod must then have them.
    pub requests: Option<ResourceList>,
    /// Sum of the limits of all pods; every pod must then have them.
    pub limits: Option<ResourceList>,
    /// Number of claims.
    #[schemars(range(min = 0, max = 10_000))]
    pub persistent_volume_claims: Option<i32>,
    /// Sum of the sizes of all claims.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub storage: Option<Quantity>,
}
