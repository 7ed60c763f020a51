//! ServiceMonitor of the Prometheus operator. The type has only the fields that the operator sets,
//! because the CRD may be absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use crate::{
    labels::{self, monitored_service, monitored_services},
    metadata,
    model::{Component, Monitor},
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
    wanted.map(|wanted| monitor(scope, wanted, scope.prefix.service_monitor(), monitored_services(scope)))
}

/// Returns the monitor of one component, where components serve metrics at ports and paths of their own.
#[must_use]
pub fn of_component(scope: &Scope, component: &Component, wanted: &Monitor) -> ServiceMonitor {
    monitor(scope, wanted, component.name.clone(), monitored_service(scope, component))
}

fn monitor(scope: &Scope, wanted: &Monitor, name: String, selector: LabelSelector) -> ServiceMonitor {
    let labels = labels::with(scope, &wanted.labels);
    ServiceMonitor {
        metadata: metadata::owned(scope, &wanted.namespace, name, labels),
        spec: ServiceMonitorSpec {
            selector,
            namespace_selector: NamespaceSelector { match_names: vec![scope.namespace.clone()] },
            endpoints: vec![Endpoint::of(wanted)],
        },
    }
}
