//! The status that the operator reports.
//!
//! Every field is optional to readers, so that an old status stays readable.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exposure::ComponentKey;
pub use crate::workload::problems::{Problem, Severity};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LogPilotClusterStatus {
    /// Conditions of the resource. `Ready`, `Accepted` and `Applied` are always present.
    /// `Reconciling`, `Stalled` and `Warning` are present only while true.
    #[schemars(schema_with = "super::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Generation of the spec that this status refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Namespace of the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Ready and desired pods, such as `5/5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pods: Option<String>,
    /// Tag or digest of the image, or `mixed` if the components run different images.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// Overall state in one word: `Ready`, `Paused`, or the reason of the most severe problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub summary: Option<String>,
    /// Number of problems of severity `Error`. Warnings are not counted.
    pub problem_count: i32,
    /// Number of problems of severity `Warning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_count: Option<i32>,
    /// Ready and desired pods of each component, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub component_summary: Option<String>,
    /// Phase and size of the PVCs with the data, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub storage_summary: Option<String>,
    /// First address that is reachable from outside the Kubernetes cluster. Absent if there is
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// State of each component.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentStatus>,
    /// Services of the components, with their addresses inside the Kubernetes cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub endpoints: Vec<Endpoint>,
    /// PersistentVolumeClaims in use. Their UIDs distinguish a lost volume from a new one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<VolumeStatus>,
    /// Time at which the newest backup completed. With `storage.sharing: PerComponent`, the oldest
    /// of these times of all components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Time>,
    /// State of the backups of each CronJob.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub backups: Vec<BackupStatus>,
    /// State of the most recently requested restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestoreStatus>,
    /// Values in effect that come from the preset and from defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Effective>,
    /// The most recent change of the spec that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<LastChange>,
    /// Current problems, most severe first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Name of the component: `all`, `rest` or `grpc`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Number of desired pods.
    pub desired: i32,
    /// Number of pods that run the newest pod template.
    pub updated: i32,
    /// Number of ready pods.
    pub ready: i32,
    /// Number of available pods, which have been ready for `minReadySeconds`.
    pub available: i32,
    /// Image of the pod template.
    #[schemars(length(max = 1024))]
    pub image: String,
    /// Hash in the name of the ConfigMap that new pods mount.
    #[schemars(length(max = 64))]
    pub config_hash: String,
    /// `true` if all desired pods run this configuration and no pod runs another one.
    #[serde(default)]
    pub config_rolled_out: bool,
    /// ConfigMaps that the operator keeps, at most 10: first the one of new pods, then the others
    /// from new to old.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub configs: Vec<ConfigStatus>,
    /// Quality of service class of the pods: `Guaranteed`, `Burstable` or `BestEffort`. A node that
    /// runs out of memory terminates `Guaranteed` pods last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16))]
    pub qos_class: String,
    /// Number of pods to start when `operation.stopped` ends, if an autoscaler controls the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_before_stop: Option<i32>,
    /// Token of the last restart that was requested by annotation. Kept so that removing the
    /// annotation does not trigger a restart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub restart: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    /// Name of the ConfigMap.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Number of pods that mount it now. A ConfigMap with none is kept for a rollback.
    pub pods: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Name of the Service.
    #[schemars(length(max = 63))]
    pub name: String,
    /// DNS name of the Service inside the Kubernetes cluster.
    #[schemars(length(max = 253))]
    pub host: String,
    /// Ports of the Service.
    #[schemars(length(max = 8))]
    pub ports: Vec<EndpointPort>,
    /// Number of pods that receive traffic.
    pub ready_addresses: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointPort {
    /// Name of the port.
    #[schemars(length(max = 15))]
    pub name: String,
    /// Number of the port.
    pub port: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeStatus {
    /// Name of the PVC.
    #[schemars(length(max = 253))]
    pub name: String,
    /// UID that the PVC with the data had when the operator last read it.
    #[schemars(length(max = 64))]
    pub uid: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// Name of the CronJob.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Newest verified backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<BackupSuccess>,
    /// Result of the newest finished Job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<BackupResult>,
    /// Time at which the newest Job finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result_time: Option<Time>,
    /// Time of the next scheduled backup. Absent while the schedule is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSuccess {
    /// Time at which the Job finished.
    pub time: Time,
    /// Name of the backup file. Empty if the operator did not see the output of the pod.
    #[schemars(length(max = 64))]
    pub file: String,
    /// Size of the backup in bytes.
    pub size: i64,
    /// Number of rows in all tables.
    pub rows: i64,
    /// Backup files that can be restored, newest first, at most 20.
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
    /// `requestId` of the restore, as in the spec.
    #[schemars(length(max = 63))]
    pub request_id: String,
    /// File name of the backup.
    #[schemars(length(max = 64))]
    pub from: String,
    /// Component whose data is replaced. Absent if all components share the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentKey>,
    /// Phase of the restore. `Pending`: nothing was changed yet, and `message` names the obstacle.
    /// `Stopping`: the operator waits for server and backup pods to terminate. `Restoring`: the
    /// restore Job runs. `Succeeded`. `Failed`: the database is unchanged.
    pub phase: RestorePhase,
    /// Reason why the restore waits, or its result.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Time at which the operator started to stop the servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Time at which the Job finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Number of rows in all tables of the restored database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Time at which the backup was taken. Records that were written later exist only in the
    /// replaced database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Time>,
    /// Name of the file on the data volume that contains the replaced database.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub replaced: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestorePhase {
    /// Nothing was changed yet. The message names the obstacle.
    Pending,
    /// No new server pods are started. The operator waits for the old ones and for backup pods to
    /// terminate.
    Stopping,
    /// The restore Job runs.
    Restoring,
    Succeeded,
    /// The database is unchanged.
    Failed,
}

impl RestorePhase {
    /// Returns `true` if the restore has finished.
    #[must_use]
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Returns `true` if the servers are stopped in this phase.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Stopping | Self::Restoring)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effective {
    /// The preset, as in `spec.environment`.
    #[schemars(length(max = 32))]
    pub environment: String,
    /// Effective values of each component.
    #[schemars(length(max = 3))]
    pub components: std::collections::BTreeMap<String, EffectiveComponent>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveComponent {
    /// Number of pods, such as `3`, or `2-10` with an autoscaler.
    #[schemars(length(max = 32))]
    pub replicas: String,
    /// Update strategy of the Deployment.
    #[schemars(length(max = 64))]
    pub strategy: String,
    /// CPU request and limit after patches, such as `100m/500m`. `none` stands for an absent value.
    #[schemars(length(max = 64))]
    pub cpu: String,
    /// Memory request and limit after patches, such as `256Mi/512Mi`. `none` stands for an absent
    /// value.
    #[schemars(length(max = 64))]
    pub memory: String,
    /// Modes of the probes.
    #[schemars(length(max = 32))]
    pub probes: String,
}

/// The most recent change of the spec that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastChange {
    /// Generation of the spec with the change.
    pub generation: i64,
    /// Changed fields as `path: old → new`, at most 8.
    #[schemars(length(max = 9), inner(length(max = 512)))]
    pub changes: Vec<String>,
    /// Time at which the operator recorded the change.
    pub time: Time,
}
