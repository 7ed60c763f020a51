//! All rules and queries, as the operator and its manifests contain them.

use logpilot_operator::{
    api::LogPilotCluster,
    logpilot::{facts::Facts, plan::plan, validate::validate},
};
use serde_json::{Value, json};

/// Everything enabled. `note` looks like a template and is none.
pub const EVERYTHING: &str = "
components: { all: {}, rest: {}, grpc: {} }
monitoring:
  serviceMonitor: {}
  rules: { alertLabels: { team: logs }, alertAnnotations: { note: by $labels.pod } }
  slo: {}
  dashboards: {}";

/// The alerts alone, and the objectives alone.
pub const ALERTS: &str = "
components: { all: {}, rest: {}, grpc: {} }
monitoring: { serviceMonitor: {}, rules: { alertLabels: { team: logs } } }";
pub const OBJECTIVES: &str = "
components: { all: {}, rest: {}, grpc: {} }
monitoring: { slo: {} }";

/// Both, with the longest scrape interval that alerts permit.
pub const RARELY: &str = "
components: { all: {}, rest: {}, grpc: {} }
monitoring: { serviceMonitor: { interval: 4m }, rules: { thresholds: { ingestStoppedMinutes: 5 } }, slo: {} }";

/// Other shapes: one interface, separate PVCs, other numbers, a page for runbooks.
const OTHERS: &[(&str, &str)] = &[
    ("rest", "{ components: { rest: { replicas: 1 } }, monitoring: { rules: {}, slo: {}, dashboards: {} } }"),
    (
        "grpc",
        "{ components: { grpc: { replicas: 1 } }, monitoring: { podMonitor: {}, rules: {}, slo: { grpc: { latencyMilliseconds: 1000, availabilityPercent: 99.99 } }, dashboards: {} } }",
    ),
    (
        "claims",
        "{ components: { all: { replicas: 1 }, rest: { replicas: 1 } }, storage: { sharing: PerComponent }, monitoring: { rules: { runbookUrl: 'https://a.example/b', thresholds: { memoryPercent: 100, latencyMilliseconds: 1, ingestStoppedMinutes: 1440 } } } }",
    ),
    (
        "dotted",
        "{ components: { all: { replicas: 1 } }, storage: { volume: { existingClaim: my.old.claim } }, monitoring: { rules: {}, dashboards: {} } }",
    ),
    ("objectives", "{ monitoring: { slo: { rest: { latencyMilliseconds: 1 } } } }"),
];

fn objects(spec: &str) -> Vec<Value> {
    let mut spec: Value = serde_yaml::from_str(spec).expect("YAML");
    spec["image"] = json!("danpung2/logpilot:1.2.0");
    let cr: LogPilotCluster = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "logpilot" }, "spec": spec,
    }))
    .expect("a resource");
    let cluster = validate(&cr).expect("a valid one");
    plan(&cluster, &Facts::default()).objects.into_iter().map(|planned| planned.body).collect()
}

/// The groups of a resource's PrometheusRule, as a rules file contains them.
pub fn of_cluster(spec: &str) -> Value {
    let rule = objects(spec).into_iter().find(|object| object["kind"] == "PrometheusRule");
    rule.expect("a PrometheusRule")["spec"].clone()
}

/// Groups of the rules about the operator.
pub fn of_operator() -> Value {
    let text = include_str!("../../config/monitoring/rules.yaml");
    serde_yaml::from_str::<Value>(text).expect("YAML")["spec"].clone()
}

/// Every rules file, by a name.
pub fn everything() -> Vec<(String, Value)> {
    let mut all =
        vec![("everything".to_owned(), of_cluster(EVERYTHING)), ("operator".to_owned(), of_operator())];
    all.push(("rarely".to_owned(), of_cluster(RARELY)));
    all.extend(OTHERS.iter().map(|(name, spec)| ((*name).to_owned(), of_cluster(spec))));
    all
}

/// The rules of a file.
pub fn of(groups: &Value) -> Vec<&Value> {
    let groups = groups["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect()
}

/// Queries of the dashboards, with an interval in place of Grafana's.
pub fn dashboards() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for spec in [EVERYTHING, OTHERS[0].1, OTHERS[1].1, OTHERS[3].1] {
        for object in
            objects(spec).iter().filter(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1")
        {
            for (file, text) in object["data"].as_object().expect("data") {
                let model: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
                for panel in model["panels"].as_array().expect("panels") {
                    for target in panel["targets"].as_array().expect("targets") {
                        let expr =
                            target["expr"].as_str().expect("an expression").replace("$__rate_interval", "5m");
                        found.push((format!("{file} {}", panel["title"]), expr));
                    }
                }
            }
        }
    }
    found
}

/// Every expression, with its source.
pub fn expressions() -> Vec<(String, String)> {
    let all = everything();
    let rules = all.iter().flat_map(|(name, groups)| {
        of(groups).into_iter().map(move |rule| {
            let named = rule.get("alert").or(rule.get("record")).cloned().unwrap_or_default();
            (format!("{name} {named}"), rule["expr"].as_str().expect("an expression").to_owned())
        })
    });
    rules.chain(dashboards()).collect()
}
