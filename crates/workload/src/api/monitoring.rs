//! How the Prometheus operator scrapes components.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::StringMap;

/// Scrapes by the Prometheus operator; skipped, with a condition, where its CRD is not installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::timeout_within_interval())]
pub struct Monitor {
    /// `false` removes the monitor and keeps its settings.
    pub enabled: Option<bool>,
    /// Default `30s`. At most `4m` where `rules` or `slo` are on; their windows follow it.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::duration())]
    pub interval: Option<String>,
    /// Default `10s`; not longer than `interval`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::duration())]
    pub scrape_timeout: Option<String>,
    /// Extra labels, for a Prometheus that selects its monitors by label.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}
