//! What the operator reports. Every field is optional to readers: an old status stays readable.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exposure::ComponentKey;
pub use crate::workload::problems::{Problem, Severity};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LogPilotClusterStatus {
    /// `Ready`, `Accepted`, `Applied`; `Reconciling`, `Stalled` and `Warning` are present only while true.
    #[schemars(schema_with = "super::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The generation that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Namespace of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Ready and wanted pods, `5/5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pods: Option<String>,
    /// Tag or digest of the image, or `mixed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// One word for the table: `Ready`, `Paused`, or the reason of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub summary: Option<String>,
    /// Problems of severity Error; warnings are not counted.
    pub problem_count: i32,
    /// Problems of severity Warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub component_summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub storage_summary: Option<String>,
    /// First address from outside the cluster, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub endpoints: Vec<Endpoint>,
    /// Claims in use. The UID is what tells a lost volume from a new one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<VolumeStatus>,
    /// When the newest backup ended; where each component has its own data, the oldest of theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Time>,
    /// One for each CronJob of backups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub backups: Vec<BackupStatus>,
    /// The newest restore that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// Values of the preset and of defaults that are in effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<LastChange>,
    /// What is wrong now, most severe first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    #[schemars(length(max = 63))]
    pub name: String,
    /// Pods wanted now.
    pub desired: i32,
    /// Pods of the newest template.
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    #[schemars(length(max = 1024))]
    pub image: String,
    /// Hash in the name of the ConfigMap that new pods use.
    #[schemars(length(max = 64))]
    pub config_hash: String,
    /// Every pod that is wanted runs that configuration, and no pod another.
    #[serde(default)]
    pub config_rolled_out: bool,
    /// ConfigMaps that are kept: the one of new pods first, then from new to old, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub configs: Vec<ConfigStatus>,
    /// `Guaranteed`, `Burstable` or `BestEffort`: whose pods a node that runs out of memory ends last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub qos_class: String,
    /// Pods that come back when `operation.stopped` ends, where an autoscaler decides how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_before_stop: Option<i32>,
    /// Stands for the restarts asked for so far by annotation, so that removing the annotation restarts nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub restart: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    /// Of the ConfigMap.
    #[schemars(length(max = 253))]
    pub name: String,
    /// How many run it now; one with none is kept for a rollback.
    pub pods: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Name of the Service.
    #[schemars(length(max = 63))]
    pub name: String,
    /// DNS name inside the cluster.
    #[schemars(length(max = 253))]
    pub host: String,
    #[schemars(length(max = 8))]
    pub ports: Vec<EndpointPort>,
    /// Pods that receive traffic.
    pub ready_addresses: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointPort {
    #[schemars(length(max = 15))]
    pub name: String,
    pub port: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeStatus {
    /// Name of the claim.
    #[schemars(length(max = 253))]
    pub name: String,
    /// UID of the claim that held the data when it was last seen.
    #[schemars(length(max = 64))]
    pub uid: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Of the CronJob.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The newest backup that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<BackupSuccess>,
    /// How the newest Job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<BackupResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result_time: Option<Time>,
    /// Not given while suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSuccess {
    /// When its Job ended.
    pub time: Time,
    /// Name of the file on the backup volume; empty where the pod's last words were not seen.
    #[schemars(length(max = 64))]
    pub file: String,
    /// Bytes.
    pub size: i64,
    /// Rows of all tables.
    pub rows: i64,
    /// Files that can be restored, newest first; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 64)))]
    pub available: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackupResult {
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStatus {
    /// As in the spec.
    #[schemars(length(max = 63))]
    pub request_id: String,
    /// File name of the backup.
    #[schemars(length(max = 64))]
    pub from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentKey>,
    pub phase: RestorePhase,
    /// What is waited for, or how it ended.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When the servers were told to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When its Job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Rows of all tables of the restored database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// When the backup was taken: what was written later is only in the replaced database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Time>,
    /// Name of the file that the replaced database has now, on the data volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub replaced: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestorePhase {
    /// Nothing was done yet; the message says what stands in the way.
    Pending,
    /// No new pods of the servers; the old ones and backups are waited for.
    Stopping,
    /// Its Job runs.
    Restoring,
    Succeeded,
    /// The database is what it was.
    Failed,
}

impl RestorePhase {
    /// It is over.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Servers are stopped for it.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Stopping | Self::Restoring)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    #[schemars(length(max = 32))]
    pub environment: String,
    #[schemars(length(max = 3))]
    pub components: std::collections::BTreeMap<String, EffectiveComponent>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveComponent {
    /// `3`, or `2-10` under an autoscaler.
    #[schemars(length(max = 32))]
    pub replicas: String,
    #[schemars(length(max = 64))]
    pub strategy: String,
    /// Request and limit after patches, such as `100m/500m`; `none` where there is none.
    #[schemars(length(max = 64))]
    pub cpu: String,
    #[schemars(length(max = 64))]
    pub memory: String,
    #[schemars(length(max = 32))]
    pub probes: String,
}

/// The newest accepted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastChange {
    pub generation: i64,
    /// `path: old → new`, at most 8 of them.
    #[schemars(length(max = 9), inner(length(max = 512)))]
    pub changes: Vec<String>,
    pub time: Time,
}
