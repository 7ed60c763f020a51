//! PodMonitor of the Prometheus operator, with only the fields we write: its CRD may be absent. No field names a file,
//! a credential or a relabelling, so that nobody reads or renames with it what is not theirs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Serialize;

use crate::{
    logpilot::model::Cluster,
    workload::{
        build::service_monitor::{Endpoint, NamespaceSelector},
        labels::{self, monitored_pods},
        metadata,
    },
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

/// None unless asked for, in place of the ServiceMonitor: it also finds pods that no Service selects.
#[must_use]
pub fn build(cluster: &Cluster) -> Option<PodMonitor> {
    let wanted = cluster.monitoring.pod_monitor.as_ref()?;
    let labels = labels::with(cluster, &wanted.labels);
    Some(PodMonitor {
        metadata: metadata::owned(
            cluster,
            metadata::monitoring(cluster),
            cluster.prefix.pod_monitor(),
            labels,
        ),
        spec: PodMonitorSpec {
            selector: monitored_pods(cluster),
            namespace_selector: NamespaceSelector { match_names: vec![cluster.namespace.name.clone()] },
            pod_metrics_endpoints: vec![Endpoint::of(wanted)],
        },
    })
}
