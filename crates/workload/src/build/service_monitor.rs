//! ServiceMonitor of the Prometheus operator. The type has only the fields that the operator sets,
//! because the CRD may be absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use crate::{
    labels::{self, monitored_services},
    metadata,
    model::Monitor,
    scope::Scope,
};

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
    #[must_use]
    pub fn of(wanted: &Monitor) -> Self {
        Self {
            port: wanted.port.clone(),
            path: wanted.path.clone(),
            interval: wanted.interval.clone(),
            scrape_timeout: wanted.scrape_timeout.clone(),
        }
    }
}

/// Returns `None` unless requested. Scrapes only the ClusterIP Services; otherwise each pod would be
/// counted once for each Service.
#[must_use]
pub fn build(scope: &Scope, wanted: Option<&Monitor>) -> Option<ServiceMonitor> {
    let wanted = wanted?;
    let labels = labels::with(scope, &wanted.labels);
    Some(ServiceMonitor {
        metadata: metadata::owned(scope, &wanted.namespace, scope.prefix.service_monitor(), labels),
        spec: ServiceMonitorSpec {
            selector: monitored_services(scope),
            namespace_selector: NamespaceSelector { match_names: vec![scope.namespace.clone()] },
            endpoints: vec![Endpoint::of(wanted)],
        },
    })
}
