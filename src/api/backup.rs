//! Copies of the data: when, where to, how many.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::api::common::Quantity;

use super::rules::{self, backup as rule};

/// Scheduled copies of the SQLite database, taken while the servers write, onto a volume of their own or into a bucket.
/// `kubectl create job --from=cronjob/…-backup` takes one at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::one_target(),
    validation = rules::presence::retention_is_kept(),
    validation = rules::presence::bucket_is_kept(),
    validation = rules::presence::bucket_setting_is_kept("prefix", "backups would go elsewhere in the bucket, and those that there are would be out of sight", "`NAMESPACE/NAME`"),
    validation = rules::presence::bucket_setting_is_kept("endpoint", "backups and the key would go to Amazon", "`https://s3.REGION.amazonaws.com`"),
    validation = rules::presence::backup_claim_is_kept(),
    validation = rules::presence::suspension_is_kept()
)]
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
    /// A bucket that they are written to instead.
    pub s3: Option<S3>,
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
    /// Holds `retention.count` copies and one more. Default `20Gi`.
    /// May grow. A smaller size is taken while the volume is not that large yet; no volume shrinks.
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

/// A bucket of Amazon S3 or of a server that speaks its protocol. It is never made, and never emptied of what is others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_source_of_keys())]
pub struct S3 {
    /// Name of the bucket.
    #[schemars(length(min = 3, max = 63))]
    #[x_kube(validation = rule::bucket())]
    pub bucket: String,
    /// What the names of the backups begin with, before a `/`. Default: the namespace and the name of the cluster.
    /// Where another cluster has the same, each counts and removes only its own. With `storage.sharing: PerComponent` the component's name follows.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::prefix())]
    pub prefix: Option<String>,
    /// The server, such as `https://minio.example.com:9000`. Default: Amazon's of the region.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::endpoint())]
    pub endpoint: Option<String>,
    /// Default `us-east-1`, which most servers but Amazon's accept.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::region())]
    pub region: Option<String>,
    /// Whether the bucket stands in the URL's path, and not in front of the host. Default: true with an `endpoint`.
    pub path_style: Option<bool>,
    /// `Secret`: the key in `credentialsSecret`. `WorkloadIdentity`: the pods that copy get short-lived keys for their
    /// ServiceAccount, by the annotation of a role in `serviceAccount.annotations` or by EKS Pod Identity. Default `Secret`.
    pub credentials: Option<S3CredentialsFrom>,
    /// The Secret with the key. Only the pods that copy read it. Not with `credentials: WorkloadIdentity`.
    pub credentials_secret: Option<S3Credentials>,
    /// Certificates that are trusted instead of the public ones, for a private authority.
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
    /// Name of the Secret, in the cluster's namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Default `access-key-id`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub access_key_id_key: Option<String>,
    /// Default `secret-access-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub secret_access_key_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct CaConfigMap {
    /// Name of the ConfigMap, in the cluster's namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Default `ca.crt`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: Option<String>,
}
