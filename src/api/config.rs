//! The server's configuration and its API key.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::StringMap;

use super::rules;

/// What goes into the server's `application.yml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The server's own limit: one bucket per pod for all clients together.
    pub server_rate_limit: Option<ServerRateLimit>,
    /// Connections to the SQLite file, per pod.
    pub sqlite_pool: Option<SqlitePool>,
    /// Logger name to level, such as `com.logpilot: DEBUG`. Quote `"OFF"`: without quotes it is a boolean in YAML.
    #[schemars(schema_with = "super::schema::log_levels")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub log_levels: BTreeMap<String, LogLevel>,
    /// Merged over the generated `application.yml`, for properties without a field of their own.
    #[schemars(schema_with = "super::schema::free_form")]
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub overlay: serde_json::Map<String, serde_json::Value>,
    /// Tries a changed configuration in a throw-away Job before any serving pod is touched.
    pub check: Option<ConfigCheck>,
}

/// Tries a changed configuration in a throw-away Job, without the data. Where the server does not become ready with it,
/// everything is left as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigCheck {
    /// Default true. With false a changed configuration rolls the pods at once.
    pub enabled: Option<bool>,
    /// For the server to become ready, once its pod has a node; the pull of its image counts. Default 300.
    #[schemars(range(min = 30, max = 3600))]
    pub timeout_seconds: Option<i32>,
}

/// The server's own limit: one bucket per pod for all clients together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerRateLimit {
    /// Requests the bucket holds. 0 breaks every write while health stays UP, so at least 1. Default 100.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub capacity: Option<i32>,
    /// Requests put back each period. Default 100.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub refill_tokens: Option<i32>,
    /// The period in seconds. Default 60.
    #[schemars(range(min = 1, max = 86400))]
    pub refill_seconds: Option<i32>,
}

/// Connections to the SQLite file, per pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.minimumIdle) ? self.minimumIdle : 2) <= (has(self.maximumSize) ? self.maximumSize : 10)")
    .message("must be less than or equal to `maximumSize`; the defaults are 2 and 10").field_path(".minimumIdle"))]
pub struct SqlitePool {
    /// Default 10.
    #[schemars(range(min = 1, max = 100))]
    pub maximum_size: Option<i32>,
    /// Default 2.
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

/// Where the clients' API key comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// A Secret in the cluster's namespace. Not given: one is generated once and never shown. A changed key is read within 5
    /// minutes, and at once after an edit of the spec or of the annotation `logpilot.io/refresh`.
    pub api_key_secret: Option<ApiKeySecret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::presence::key_is_kept())]
pub struct ApiKeySecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Default `api-key`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: Option<String>,
}

/// Annotations of the pods' ServiceAccount, for example for workload identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ServiceAccount {
    /// For example the role of a workload identity.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
}
