//! How the cluster is observed.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::common::StringMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    pub service_monitor: Option<ServiceMonitor>,
}

/// A ServiceMonitor for the Prometheus operator; skipped, with a condition, where its CRD is not installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitor {
    pub enabled: Option<bool>,
    /// Default `30s`.
    #[schemars(length(max = 16), regex(pattern = r"^[1-9][0-9]{0,4}(s|m|h)$"))]
    pub interval: Option<String>,
    /// Default `10s`; not longer than `interval`.
    #[schemars(length(max = 16), regex(pattern = r"^[1-9][0-9]{0,4}(s|m|h)$"))]
    pub scrape_timeout: Option<String>,
    /// Extra labels, for a Prometheus that selects its monitors by label.
    #[schemars(schema_with = "super::schema::labels")]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}
