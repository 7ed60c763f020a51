//! Copies of the data: when, where to, how many.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::Quantity,
    rules::{self, backup as rule},
};

/// Scheduled copies of the SQLite database, taken while the servers write, onto a volume of their own.
/// `kubectl create job --from=cronjob/…-backup` takes one at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Default true. With false no backup is taken; those that exist stay.
    pub enabled: Option<bool>,
    /// Minute, hour, day of month, month, day of week. Default `0 3 * * *`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::schedule())]
    pub schedule: Option<String>,
    /// Time zone of the schedule, such as `Europe/Berlin`. Default `Etc/UTC`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::time_zone())]
    pub time_zone: Option<String>,
    /// Which backups stay.
    pub retention: Option<Retention>,
    /// The claim that backups are written to.
    pub volume: Option<BackupVolume>,
    /// Takes no backups by schedule, for now; by hand they still can be.
    pub suspend: Option<bool>,
}

/// Which backups stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Retention {
    /// The newest ones; an older one goes after a new one was verified. Default 7.
    #[schemars(range(min = 1, max = 1000))]
    pub count: Option<i32>,
}

/// The claim of the backups. It stays when the cluster is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_used_as_it_is())]
pub struct BackupVolume {
    /// Holds `retention.count` copies and one more. Default `20Gi`. May grow, never shrink.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// Default: the cluster's default class. Another class than the data's survives more. Immutable.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// Writes to this claim instead of making one; only with `storage.sharing: Shared`. It is never changed or deleted.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing_claim: Option<String>,
}
