//! ServiceMonitor of the Prometheus operator, with only the fields we write: its CRD may be absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use crate::{
    logpilot::{defaults::MANAGEMENT, model::Cluster, monitoring::Monitor},
    workload::{
        labels::{self, monitored_services},
        metadata,
    },
};

/// Where the servers show their metrics, on the management port.
pub const METRICS_PATH: &str = "/actuator/prometheus";

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceMonitor {
    pub metadata: ObjectMeta,
    pub spec: ServiceMonitorSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    pub selector: LabelSelector,
    pub namespace_selector: NamespaceSelector,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    pub match_names: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    pub port: String,
    pub path: String,
    pub interval: String,
    pub scrape_timeout: String,
}

impl Endpoint {
    pub fn of(wanted: &Monitor) -> Self {
        Self {
            port: MANAGEMENT.name.into(),
            path: METRICS_PATH.into(),
            interval: wanted.interval.clone(),
            scrape_timeout: wanted.scrape_timeout.clone(),
        }
    }
}

/// None unless asked for. Scrapes the ClusterIP Services only, or each pod would be counted once per Service.
#[must_use]
pub fn build(cluster: &Cluster) -> Option<ServiceMonitor> {
    let wanted = cluster.monitoring.service_monitor.as_ref()?;
    let labels = labels::with(cluster, &wanted.labels);
    Some(ServiceMonitor {
        metadata: metadata::owned(
            cluster,
            metadata::monitoring(cluster),
            cluster.prefix.service_monitor(),
            labels,
        ),
        spec: ServiceMonitorSpec {
            selector: monitored_services(cluster),
            namespace_selector: NamespaceSelector { match_names: vec![cluster.namespace.name.clone()] },
            endpoints: vec![Endpoint::of(wanted)],
        },
    })
}
