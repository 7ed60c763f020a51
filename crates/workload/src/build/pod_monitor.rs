//! PodMonitor of the Prometheus operator. The type has only the fields that the operator sets, because
//! the CRD may be absent. No field names a file, a credential or a relabelling, so a monitor cannot be
//! used to read or rename foreign data.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use super::service_monitor::{Endpoint, NamespaceSelector};
use crate::{
    labels::{self, monitored_pods},
    metadata,
    model::Monitor,
    scope::Scope,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PodMonitor {
    pub metadata: ObjectMeta,
    pub spec: PodMonitorSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodMonitorSpec {
    pub selector: LabelSelector,
    pub namespace_selector: NamespaceSelector,
    pub pod_metrics_endpoints: Vec<Endpoint>,
}

/// Returns `None` unless requested in place of the ServiceMonitor: a PodMonitor also finds pods that no
/// Service selects.
#[must_use]
pub fn build(scope: &Scope, wanted: Option<&Monitor>) -> Option<PodMonitor> {
    let wanted = wanted?;
    let labels = labels::with(scope, &wanted.labels);
    Some(PodMonitor {
        metadata: metadata::owned(scope, &wanted.namespace, scope.prefix.pod_monitor(), labels),
        spec: PodMonitorSpec {
            selector: monitored_pods(scope),
            namespace_selector: NamespaceSelector { match_names: vec![scope.namespace.clone()] },
            pod_metrics_endpoints: vec![Endpoint::of(wanted)],
        },
    })
}
