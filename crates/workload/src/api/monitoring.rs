//! How the Prometheus operator scrapes components.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::StringMap;

/// A monitor of the Prometheus Operator. Skipped, with a condition, if its CRD is not installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::timeout_within_interval())]
pub struct Monitor {
    /// `false` removes the monitor and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Scrape interval, such as `30s`. At most `4m` if `rules` or `slo` are enabled; the windows of
    /// alerts and objectives follow it. Default `30s`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::duration())]
    pub interval: Option<String>,
    /// Scrape timeout. Must not be longer than `interval`. Default `10s`, or `interval` if that is
    /// shorter.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::duration())]
    pub scrape_timeout: Option<String>,
    /// Additional labels of the monitor, for a Prometheus that selects its monitors by label.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}
