//! Metrics, alerts, objectives and dashboards.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use workload::{StringMap, api::monitoring::Monitor};

use super::{
    alerting::{Rules, Slo},
    rules,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::monitoring::one_monitor(),
    validation = rules::monitoring::interval_suits_alerts("serviceMonitor"),
    validation = rules::monitoring::interval_suits_alerts("podMonitor")
)]
pub struct Monitoring {
    /// ServiceMonitor for the Prometheus Operator. Mutually exclusive with `podMonitor`.
    pub service_monitor: Option<Monitor>,
    /// PodMonitor for a Prometheus that selects only PodMonitors. Mutually exclusive with
    /// `serviceMonitor`.
    pub pod_monitor: Option<Monitor>,
    /// `prometheus.io/…` annotations on the pods, for a Prometheus without the Prometheus Operator.
    pub scrape_annotations: Option<ScrapeAnnotations>,
    /// Alerts, as a PrometheusRule for the Prometheus Operator.
    pub rules: Option<Rules>,
    /// Service level objectives: recorded error ratios, and alerts on the burn rate of the error
    /// budget.
    pub slo: Option<Slo>,
    /// Grafana dashboards, as ConfigMaps that the Grafana sidecar loads.
    pub dashboards: Option<Dashboards>,
}

/// The annotations `prometheus.io/scrape`, `prometheus.io/port` and `prometheus.io/path` on every
/// pod. `podAnnotations` of the same names take precedence. A Prometheus that follows both these
/// annotations and a monitor counts every pod twice (`ScrapedTwice`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ScrapeAnnotations {
    /// `false` removes the annotations, which restarts the pods in a rolling update. Default true.
    pub enabled: Option<bool>,
}

/// Four Grafana dashboards: overview, business, performance and infrastructure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Dashboards {
    /// `false` removes the dashboards and keeps their settings. Default true.
    pub enabled: Option<bool>,
    /// Additional labels of the ConfigMaps, for a sidecar that selects by another label than
    /// `grafana_dashboard: "1"`.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}
