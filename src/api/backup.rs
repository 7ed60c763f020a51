//! Backups: schedule, destination and retention.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::api::common::Quantity;

use super::rules::{self, backup as rule};

/// Scheduled backups of the SQLite database, taken while the servers write. Backups are stored on a
/// separate volume or in an S3 bucket. To take one immediately, run `kubectl create job
/// --from=cronjob/…-backup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::one_target(),
    validation = rules::presence::retention_is_kept(),
    validation = rules::presence::bucket_is_kept(),
    validation = rules::presence::bucket_setting_is_kept("prefix", "backups would be written to another prefix, and the operator would ignore the existing ones", "`NAMESPACE/NAME`"),
    validation = rules::presence::bucket_setting_is_kept("endpoint", "backups and the credentials would be sent to Amazon", "`https://s3.REGION.amazonaws.com`"),
    validation = rules::presence::backup_claim_is_kept(),
    validation = rules::presence::suspension_is_kept()
)]
pub struct Backup {
    /// `false` takes no backups. Existing backups are kept. Default true.
    pub enabled: Option<bool>,
    /// Cron expression with five fields: minute, hour, day of month, month, day of week. Default `0
    /// 3 * * *`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::schedule())]
    pub schedule: Option<String>,
    /// Time zone of the schedule, such as `Europe/Berlin`. Default `Etc/UTC`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::time_zone())]
    pub time_zone: Option<String>,
    /// Number of backups to keep.
    pub retention: Option<Retention>,
    /// PersistentVolumeClaim that backups are written to. Mutually exclusive with `s3`.
    pub volume: Option<BackupVolume>,
    /// S3 bucket that backups are written to. Mutually exclusive with `volume`.
    pub s3: Option<S3>,
    /// `true` suspends the schedule. You can still take backups manually. Default false.
    pub suspend: Option<bool>,
}

/// Number of backups to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Retention {
    /// Number of newest backups to keep. The operator deletes an older backup only after a new one
    /// was verified. Default 7.
    #[schemars(range(min = 1, max = 1000))]
    pub count: Option<i32>,
}

/// The PersistentVolumeClaim of the backups. It is kept when the LogPilotCluster is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::existing_claim_is_used_as_it_is())]
pub struct BackupVolume {
    /// Size of the PVC, for `retention.count` backups plus one. Can be increased. It can be
    /// decreased only as long as the volume has not reached the new size, because volumes cannot
    /// shrink. Default `20Gi`.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// StorageClass of the PVC. A different class than that of the data volume protects against
    /// more failures. Immutable. Default: the default StorageClass of the Kubernetes cluster.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub storage_class_name: Option<String>,
    /// Name of an existing PVC to use instead of creating one. Allowed only with `storage.sharing:
    /// Shared`. The operator never changes or deletes this PVC.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing_claim: Option<String>,
}

/// A bucket of Amazon S3 or of an S3-compatible server. The operator never creates the bucket and
/// deletes only its own backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_source_of_keys())]
pub struct S3 {
    /// Name of the bucket.
    #[schemars(length(min = 3, max = 63))]
    #[x_kube(validation = rule::bucket())]
    pub bucket: String,
    /// Key prefix of the backups, without a trailing `/`. If several resources use the same prefix,
    /// each counts and deletes only its own backups. With `storage.sharing: PerComponent` the name
    /// of the component is appended. Default: `NAMESPACE/NAME`, the namespace of the servers and
    /// the name prefix of the objects.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::prefix())]
    pub prefix: Option<String>,
    /// URL of the S3 server, such as `https://minio.example.com:9000`. Default: the Amazon S3
    /// endpoint of the region.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::endpoint())]
    pub endpoint: Option<String>,
    /// Region of the bucket. Most S3-compatible servers accept the default. Default `us-east-1`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::region())]
    pub region: Option<String>,
    /// `true` puts the bucket name into the path of the URL, `false` into the host name. Default:
    /// `true` if `endpoint` is set, else `false`.
    pub path_style: Option<bool>,
    /// Source of the credentials. `Secret`: the access key in `credentialsSecret`.
    /// `WorkloadIdentity`: the backup and restore pods receive short-lived credentials for their
    /// ServiceAccount, through a role annotation in `serviceAccount.annotations` or through EKS Pod
    /// Identity. Default `Secret`.
    pub credentials: Option<S3CredentialsFrom>,
    /// Secret that contains the access key. Only the backup and restore pods read it. Not allowed
    /// with `credentials: WorkloadIdentity`.
    pub credentials_secret: Option<S3Credentials>,
    /// ConfigMap with the CA certificates to trust instead of the public ones, for a private
    /// certificate authority.
    pub ca_config_map: Option<CaConfigMap>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum S3CredentialsFrom {
    #[default]
    Secret,
    WorkloadIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Credentials {
    /// Name of the Secret in the namespace of the servers.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key of the Secret that holds the access key ID. Default `access-key-id`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub access_key_id_key: Option<String>,
    /// Key of the Secret that holds the secret access key. Default `secret-access-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub secret_access_key_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct CaConfigMap {
    /// Name of the ConfigMap in the namespace of the servers.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key of the ConfigMap that holds the certificates in PEM format. Default `ca.crt`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: Option<String>,
}
