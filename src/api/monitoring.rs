//! How the cluster is observed.

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
    /// A ServiceMonitor for the Prometheus operator.
    pub service_monitor: Option<Monitor>,
    /// A PodMonitor in place of the ServiceMonitor, for a Prometheus that selects only those.
    pub pod_monitor: Option<Monitor>,
    /// `prometheus.io/…` annotations on pods, for a Prometheus without its operator.
    pub scrape_annotations: Option<ScrapeAnnotations>,
    /// Alerts, as a PrometheusRule for the Prometheus operator.
    pub rules: Option<Rules>,
    /// Service level objectives: recorded error ratios, and alerts on how fast they use up the error budget.
    pub slo: Option<Slo>,
    /// Grafana dashboards, as ConfigMaps that its sidecar loads.
    pub dashboards: Option<Dashboards>,
}

/// `prometheus.io/scrape`, `port` and `path` on every pod. `podAnnotations` of the same names win. Beside a monitor every
/// pod is counted twice by a Prometheus that follows both (`ScrapedTwice`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ScrapeAnnotations {
    /// `false` takes the annotations away, which rolls the pods.
    pub enabled: Option<bool>,
}

/// Four dashboards: overview, business, performance, infrastructure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Dashboards {
    /// `false` removes the dashboards and keeps their settings.
    pub enabled: Option<bool>,
    /// Extra labels, for a sidecar that looks for another one than `grafana_dashboard: "1"`.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
}
