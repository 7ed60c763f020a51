//! Grafana dashboards as ConfigMaps: the bare model, which file provisioning and the sidecar accept
//! unchanged. With the wrapper `{"dashboard": …}` of the HTTP API they report that the title is
//! empty.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;

use crate::{
    logpilot::{
        model::Cluster,
        names,
        objects::dashboard_panels::{self, Panel, Shape},
    },
    workload::{labels, metadata, names::short_hash},
};

/// The label that the Grafana sidecar selects by. Its value is compared as text.
const LABEL: (&str, &str) = ("grafana_dashboard", "1");
/// The schema version of the fields below. Newer versions of Grafana migrate the model when they
/// load it.
const SCHEMA_VERSION: u32 = 39;
/// The number of columns of the Grafana grid.
const COLUMNS: u32 = 24;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dashboard {
    uid: String,
    title: String,
    tags: Vec<&'static str>,
    schema_version: u32,
    editable: bool,
    /// All panels show the same time under the cursor.
    graph_tooltip: u32,
    refresh: &'static str,
    time: Time,
    templating: Templating,
    panels: Vec<Placed>,
}

#[derive(Serialize)]
struct Time {
    from: &'static str,
    to: &'static str,
}

#[derive(Serialize)]
struct Templating {
    list: [Variable; 1],
}

#[derive(Serialize)]
struct Variable {
    name: &'static str,
    label: &'static str,
    r#type: &'static str,
    query: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    id: u32,
    title: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
    r#type: &'static str,
    grid_pos: Position,
    datasource: Source,
    field_config: FieldConfig,
    targets: Vec<Query>,
}

#[derive(Serialize)]
struct Position {
    h: u32,
    w: u32,
    x: u32,
    y: u32,
}

/// The variable for the data source, so that one dashboard works with every Prometheus that Grafana
/// knows.
#[derive(Serialize)]
struct Source {
    r#type: &'static str,
    uid: &'static str,
}

const SOURCE: Source = Source { r#type: "prometheus", uid: "${datasource}" };

#[derive(Serialize)]
struct FieldConfig {
    defaults: Defaults,
    overrides: [(); 0],
}

#[derive(Serialize)]
struct Defaults {
    unit: &'static str,
    min: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    ref_id: String,
    datasource: Source,
    expr: String,
    legend_format: String,
}

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
    let dashboard = Dashboard {
        // Links and favourites refer to it. Grafana allows 40 characters.
        uid: format!("logpilot-{}", short_hash(format!("{whose}/{name}").as_bytes())),
        // Titles within one folder must be unique.
        title: format!("LogPilot {title}: {whose}"),
        tags: vec!["logpilot"],
        schema_version: SCHEMA_VERSION,
        editable: true,
        graph_tooltip: 1,
        refresh: "1m",
        time: Time { from: "now-6h", to: "now" },
        templating: Templating {
            list: [Variable {
                name: "datasource",
                label: "Data source",
                r#type: "datasource",
                query: "prometheus",
            }],
        },
        panels: place(panels),
    };
    // The model contains only strings and numbers, so this cannot fail.
    serde_json::to_string_pretty(&dashboard).unwrap_or_default()
}

/// Places panels from left to right, then in the next row.
fn place(panels: Vec<Panel>) -> Vec<Placed> {
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut placed = Vec::new();
    for (id, panel) in (1_u32..).zip(panels) {
        let (kind, w, h) = match panel.shape {
            Shape::Number => ("stat", 6, 4),
            Shape::Lines => ("timeseries", 12, 8),
        };
        if x + w > COLUMNS {
            (x, y, row) = (0, y + row, 0);
        }
        placed.push(Placed {
            id,
            title: panel.title,
            description: panel.description,
            r#type: kind,
            grid_pos: Position { h, w, x, y },
            datasource: SOURCE,
            field_config: FieldConfig { defaults: Defaults { unit: panel.unit, min: 0 }, overrides: [] },
            targets: ('A'..)
                .zip(panel.queries)
                .map(|(id, (legend, expr))| Query {
                    ref_id: id.into(),
                    datasource: SOURCE,
                    expr,
                    legend_format: legend.into(),
                })
                .collect(),
        });
        x += w;
        row = row.max(h);
    }
    placed
}
