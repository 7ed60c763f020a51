//! Grafana dashboards as ConfigMaps: the bare model, which file provisioning and the sidecar accept
//! unchanged. With the wrapper `{"dashboard": …}` of the HTTP API they report that the title is
//! empty.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{
    logpilot::{model::Cluster, names, objects::dashboard_panels},
    workload::{
        dashboard::{self, Panel},
        labels, metadata,
        names::short_hash,
    },
};

/// The label that the Grafana sidecar selects by. Its value is compared as text.
const LABEL: (&str, &str) = ("grafana_dashboard", "1");
/// Empty unless requested. A dashboard without panels, because no component has the interface, is
/// omitted.
pub fn build(cluster: &Cluster) -> impl Iterator<Item = ConfigMap> {
    let wanted = cluster.monitoring.dashboards.as_ref();
    wanted.into_iter().flat_map(|extra| {
        dashboard_panels::all(cluster).into_iter().filter(|(_, _, panels)| !panels.is_empty()).map(
            |(name, title, panels)| {
                let mut own = extra.clone();
                own.entry(LABEL.0.into()).or_insert_with(|| LABEL.1.into());
                let labels = labels::with(&cluster.scope, &own);
                // The sidecar writes the files of all ConfigMaps into one directory.
                let file = format!("{}-{}-{name}.json", cluster.namespace.name, cluster.scope.prefix);
                let name = names::dashboard(&cluster.scope.prefix, name);
                let text = model(cluster, &name, title, panels);
                ConfigMap {
                    metadata: metadata::owned(&cluster.scope, cluster.monitoring_namespace(), name, labels),
                    data: Some(BTreeMap::from([(file, text)])),
                    ..ConfigMap::default()
                }
            },
        )
    })
}

fn model(cluster: &Cluster, name: &str, title: &str, panels: Vec<Panel>) -> String {
    let whose = format!("{}/{}", cluster.namespace.name, cluster.scope.prefix);
    // Links and favourites refer to it. Grafana allows 40 characters.
    let uid = format!("logpilot-{}", short_hash(format!("{whose}/{name}").as_bytes()));
    // Titles within one folder must be unique.
    dashboard::model(uid, format!("LogPilot {title}: {whose}"), "logpilot", Vec::new(), panels)
}
