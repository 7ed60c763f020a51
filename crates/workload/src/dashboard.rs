//! Grafana dashboards: the bare model, which file provisioning and the sidecar accept unchanged.

use serde::Serialize;

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
    list: Vec<Variable>,
}

/// A value that the user chooses above the panels.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    name: &'static str,
    label: &'static str,
    r#type: &'static str,
    query: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    datasource: Option<Source>,
    /// Time at which the values are queried: 2 is whenever the time range changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi: Option<bool>,
}

impl Variable {
    /// The data source itself.
    fn source() -> Self {
        Self {
            name: "datasource",
            label: "Data source",
            r#type: "datasource",
            query: "prometheus",
            datasource: None,
            refresh: None,
            include_all: None,
            multi: None,
        }
    }

    /// One, several or all results of a query to the data source.
    #[must_use]
    pub fn queried(name: &'static str, label: &'static str, query: &'static str) -> Self {
        Self {
            name,
            label,
            r#type: "query",
            query,
            datasource: Some(SOURCE),
            refresh: Some(2),
            include_all: Some(true),
            multi: Some(true),
        }
    }
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

/// How a panel shows its queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Number,
    Lines,
}

/// A panel of one or more queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    pub title: &'static str,
    pub description: &'static str,
    pub shape: Shape,
    /// The unit, by its name in Grafana.
    pub unit: &'static str,
    /// Legend and expression.
    pub queries: Vec<(&'static str, String)>,
}

/// A panel with one number.
#[must_use]
pub fn number(title: &'static str, unit: &'static str, expr: String) -> Panel {
    Panel { title, description: "", shape: Shape::Number, unit, queries: vec![(title, expr)] }
}

/// A panel with one line for each series.
#[must_use]
pub fn lines(title: &'static str, unit: &'static str, queries: Vec<(&'static str, String)>) -> Panel {
    Panel { title, description: "", shape: Shape::Lines, unit, queries }
}

impl Panel {
    #[must_use]
    pub fn explained(self, description: &'static str) -> Self {
        Self { description, ..self }
    }
}

/// Returns the JSON of a dashboard. Users can choose the data source, and the values of `variables`.
#[must_use]
pub fn model(
    uid: String,
    title: String,
    tag: &'static str,
    variables: Vec<Variable>,
    panels: Vec<Panel>,
) -> String {
    let dashboard = Dashboard {
        uid,
        title,
        tags: vec![tag],
        schema_version: SCHEMA_VERSION,
        editable: true,
        graph_tooltip: 1,
        refresh: "1m",
        time: Time { from: "now-6h", to: "now" },
        templating: Templating { list: std::iter::once(Variable::source()).chain(variables).collect() },
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
