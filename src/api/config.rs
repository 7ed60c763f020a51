//! The server's configuration and its API key.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::StringMap;

use super::rules;

/// Settings of the server's `application.yml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Rate limit of the server: one token bucket per pod, shared by all clients.
    pub server_rate_limit: Option<ServerRateLimit>,
    /// Connection pool of the SQLite file, per pod.
    pub sqlite_pool: Option<SqlitePool>,
    /// Log level by logger name, such as `com.logpilot: DEBUG`. Quote `"OFF"`, because YAML reads
    /// it as a boolean without quotes.
    #[schemars(schema_with = "super::schema::log_levels")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub log_levels: BTreeMap<String, LogLevel>,
    /// YAML that is merged over the generated `application.yml`, for properties without a field of
    /// their own.
    #[schemars(schema_with = "super::schema::free_form")]
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub overlay: serde_json::Map<String, serde_json::Value>,
    /// Checks a changed configuration in a temporary Job before any server pod is changed. Absent:
    /// no check.
    pub check: Option<ConfigCheck>,
}

/// Checks a changed configuration in a temporary Job, without access to the data. If the server
/// does not become ready with it, the running pods keep their configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigCheck {
    /// `false` rolls out a changed configuration immediately, without a check. Default true.
    pub enabled: Option<bool>,
    /// Seconds for the server to become ready after its pod was scheduled, including the pull of
    /// the image. Default 300.
    #[schemars(range(min = 30, max = 3600))]
    pub timeout_seconds: Option<i32>,
}

/// Rate limit of the server: one token bucket per pod, shared by all clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerRateLimit {
    /// Maximum number of tokens in the bucket, which is the number of requests in a burst. At least
    /// 1, because with 0 the server rejects every write while its health stays UP. Default 100.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub capacity: Option<i32>,
    /// Tokens that are added in each period. Default 100.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub refill_tokens: Option<i32>,
    /// Length of the period in seconds. Default 60.
    #[schemars(range(min = 1, max = 86400))]
    pub refill_seconds: Option<i32>,
}

/// Connection pool of the SQLite file, per pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.minimumIdle) ? self.minimumIdle : 2) <= (has(self.maximumSize) ? self.maximumSize : 10)")
    .message("must be less than or equal to `maximumSize`; the defaults are 2 and 10").field_path(".minimumIdle"))]
pub struct SqlitePool {
    /// Maximum number of connections. Default 10.
    #[schemars(range(min = 1, max = 100))]
    pub maximum_size: Option<i32>,
    /// Minimum number of idle connections. At most `maximumSize`. Default 2.
    #[schemars(range(min = 0, max = 100))]
    pub minimum_idle: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Off,
}

/// Source of the API key that clients use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Secret in the namespace of the servers that contains the API key. The operator reads a
    /// changed key within 5 minutes, and immediately after a change of the spec or of the
    /// annotation `logpilot.io/refresh`. Absent: the operator generates a key once and never
    /// displays it.
    pub api_key_secret: Option<ApiKeySecret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::presence::key_is_kept())]
pub struct ApiKeySecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key of the Secret that holds the API key. Default `api-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: Option<String>,
}

/// ServiceAccount of the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ServiceAccount {
    /// Annotations of the ServiceAccount, for example the role of a workload identity.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
}
