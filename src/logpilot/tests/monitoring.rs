//! Which metrics are collected, and by which monitoring.

use std::{collections::BTreeSet, fmt::Write};

use super::*;

const EVERYTHING: &str = "
components: { all: {}, rest: {}, grpc: {} }
monitoring: { serviceMonitor: {}, rules: {}, slo: {}, dashboards: { labels: { team: a } } }";

fn dashboards(spec: &str) -> Vec<(String, Value)> {
    let plan = planned(spec);
    let maps = plan.objects.iter().filter(|it| it.key.name.contains("-dashboard-"));
    maps.map(|it| {
        let data = it.body["data"].as_object().expect("data");
        let (file, text) = data.iter().next().expect("a file");
        (file.clone(), serde_json::from_str(text.as_str().expect("text")).expect("a model"))
    })
    .collect()
}

#[test]
fn objectives_have_recording_rules_and_budget_alerts() {
    let plan = planned(
        "{ monitoring: { slo: { rest: { availabilityPercent: 99.5 }, grpc: { latencyMilliseconds: 1000 } } } }",
    );
    let rule = object(&plan, "PrometheusRule", "logpilot");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(serde_yaml::to_string(&rule.body["spec"]).expect("YAML"));
    });
}

#[test]
fn dashboards_show_only_existing_components() {
    let mut text = String::new();
    for (file, model) in dashboards(EVERYTHING) {
        writeln!(text, "{file}: {} ({})", model["title"], model["uid"]).expect("to memory");
        for panel in model["panels"].as_array().expect("panels") {
            let at = &panel["gridPos"];
            writeln!(
                text,
                "  {} {} {} at {},{}",
                panel["title"], panel["type"], panel["fieldConfig"]["defaults"]["unit"], at["x"], at["y"]
            )
            .expect("to memory");
            for target in panel["targets"].as_array().expect("targets") {
                writeln!(text, "    {}: {}", target["legendFormat"], target["expr"].as_str().expect("text"))
                    .expect("to memory");
            }
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(text);
    });
}

/// Wrapped in `dashboard`, file provisioning says that the title is empty; a label of another type
/// or value is not found.
#[test]
fn grafana_loads_the_dashboards_unchanged() {
    let plan = planned(EVERYTHING);
    let maps: Vec<_> = plan.objects.iter().filter(|it| it.key.name.contains("-dashboard-")).collect();
    let names: Vec<_> = maps.iter().map(|it| it.key.name.as_str()).collect();
    let wanted = ["overview", "business", "performance", "infrastructure"];
    assert_eq!(names, wanted.map(|name| format!("logpilot-dashboard-{name}")));
    for map in maps {
        assert_eq!(map.body["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(map.body["metadata"]["labels"]["team"], "a");
    }
    let mut uids = BTreeSet::new();
    for (file, model) in dashboards(EVERYTHING) {
        assert!(file.starts_with("logpilot-logpilot-"), "{file}");
        assert_eq!(std::path::Path::new(&file).extension().and_then(|it| it.to_str()), Some("json"));
        assert!(model["title"].as_str().is_some_and(|title| title.starts_with("LogPilot ")), "{file}");
        let uid = model["uid"].as_str().expect("a uid").to_owned();
        assert!(uid.len() <= 40 && uids.insert(uid));
        let ids: BTreeSet<_> =
            model["panels"].as_array().expect("panels").iter().map(|it| it["id"].as_u64()).collect();
        assert_eq!(ids.len(), model["panels"].as_array().expect("panels").len());
        assert_eq!(model["templating"]["list"][0]["type"], "datasource");
        for panel in model["panels"].as_array().expect("panels") {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            let at = &panel["gridPos"];
            assert!(
                at["x"].as_u64() < Some(24) && at["x"].as_u64().unwrap() + at["w"].as_u64().unwrap() <= 24
            );
        }
    }
    let other = dashboards("{ nameOverride: other, monitoring: { dashboards: {} } }");
    for (file, model) in other {
        assert!(file.starts_with("logpilot-other-"), "{file}: one folder holds the files of all");
        assert!(uids.insert(model["uid"].as_str().expect("a uid").to_owned()), "{file}: a uid of its own");
    }
}

#[test]
fn only_served_components_are_monitored() {
    let text = |spec: &str| {
        let plan = planned(spec);
        plan.objects.iter().map(|it| it.body.to_string()).collect::<String>()
    };
    let watched = "monitoring: { rules: {}, slo: {}, dashboards: {} }";
    let rest = text(&format!("{{ components: {{ rest: {{}} }}, {watched} }}"));
    assert!(
        rest.contains("http_server_requests")
            && !rest.contains("grpc_server_call")
            && !rest.contains("grpc-latency")
    );
    let grpc = text(&format!("{{ components: {{ grpc: {{}} }}, {watched} }}"));
    assert!(!grpc.contains("http_server_requests") && grpc.contains("grpc_server_call"));
}

#[test]
fn missing_metrics_are_reported_only_where_requested() {
    let told = |spec: &str| {
        object(&planned(spec), "PrometheusRule", "logpilot")
            .body
            .to_string()
            .contains("LogPilotMetricsMissing")
    };
    assert!(told("{ monitoring: { rules: {}, serviceMonitor: {} } }"));
    assert!(told("{ monitoring: { rules: {}, podMonitor: {} } }"));
    assert!(told("{ monitoring: { rules: {}, scrapeAnnotations: {} } }"));
    assert!(!told("{ monitoring: { rules: {} } }"));
    assert!(!told("{ monitoring: { rules: {}, serviceMonitor: {} }, operation: { stopped: true } }"));
}

#[test]
fn user_pod_annotations_override_ours() {
    let spec = "{ components: { all: { podAnnotations: { prometheus.io/path: /mine } } }, monitoring: { scrapeAnnotations: {} } }";
    let plan = planned(spec);
    let annotations =
        &object(&plan, "Deployment", "logpilot-all").body["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/path"], "/mine");
    assert_eq!(annotations["prometheus.io/port"], "8081");
    assert_eq!(annotations["prometheus.io/scrape"], "true");
}

/// A monitor that reads a file, sends a credential or rewrites labels could read or forge another
/// tenant's data.
#[test]
fn monitors_have_a_fixed_shape() {
    for (block, kind, list) in [
        ("serviceMonitor", "ServiceMonitor", "endpoints"),
        ("podMonitor", "PodMonitor", "podMetricsEndpoints"),
    ] {
        let plan = planned(&format!("{{ monitoring: {{ {block}: {{ labels: {{ a: b }} }} }} }}"));
        let spec = &object(&plan, kind, "logpilot").body["spec"];
        let fields =
            |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(fields(spec), BTreeSet::from(["selector", "namespaceSelector", list].map(str::to_owned)));
        assert_eq!(
            fields(&spec[list][0]),
            BTreeSet::from(["port", "path", "interval", "scrapeTimeout"].map(str::to_owned))
        );
    }
}

#[test]
fn user_alert_texts_never_become_templates() {
    let of = |rules: &str| format!("{{ monitoring: {{ rules: {{ {rules} }} }} }}");
    for rules in [
        "alertLabels: { a: '{{ .External }}' }",
        "alertLabels: { a-b: c }",
        "alertAnnotations: { '': c }",
        "alertLabels: { 1a: c }",
    ] {
        assert_eq!(violations(&of(rules)).len(), 1, "{rules}");
    }
    let plan = planned(&of("alertLabels: { severity: none, team: a }"));
    let rule = &object(&plan, "PrometheusRule", "logpilot").body["spec"]["groups"][0]["rules"][0];
    assert_eq!(rule["labels"]["severity"], "warning");
    assert_eq!(rule["labels"]["team"], "a");
}
