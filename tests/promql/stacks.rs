//! The bundled Prometheus of a stack: its configuration, its rules and the queries of its dashboards.

use std::fs;

use logpilot_operator::stack::{api::ServiceStack, resolve};
use serde_json::{Value, json};

use super::{Cases, directory, promtool, test_of, write};

/// A component with metrics, and one that is probed.
const SHOP: &str = "
apiVersion: logpilot.io/v1alpha1
kind: ServiceStack
metadata: { name: shop, namespace: team }
spec:
  components:
    api: { image: 'api:1', ports: [{ name: http, port: 80, targetPort: 8080 }], metrics: { path: '/a$b' } }
    web: { image: 'web:1', ports: [{ name: http, port: 80 }], probes: { path: /health } }
  monitoring: { prometheus: { scrapeInterval: 4m }, grafana: {} }
";

/// Names of stacks, and the files of their bundled components by the ends of their paths.
fn stacks() -> Vec<(&'static str, Vec<(String, String)>)> {
    let frequent = SHOP.replace("4m", "1s");
    let restaurant = include_str!("../../examples/stacks/restaurant.yaml").to_owned();
    [("shop", SHOP.to_owned()), ("frequent", frequent), ("restaurant", restaurant)]
        .map(|(name, text)| {
            let cr: ServiceStack = serde_yaml::from_str(&text).expect("a stack");
            let stack = resolve::resolve(&cr).expect("a valid one");
            let files = stack.components.into_values().filter_map(|it| it.files).flat_map(|it| it.data);
            let named = |(key, text): (String, String)| (key.split_at(3).1.to_owned(), text);
            (name, files.map(named).collect())
        })
        .into()
}

fn file<'a>(files: &'a [(String, String)], name: &str) -> &'a str {
    &files.iter().find(|(key, _)| key == name).expect("the file").1
}

#[test]
fn prometheus_accepts_the_files_of_every_stack() {
    for (name, files) in stacks() {
        let directory = directory(&format!("stack-{name}"));
        // The path in the container is that of the directory here.
        let config = file(&files, "prometheus.yml").replace("/etc/prometheus/", "");
        fs::write(directory.join("prometheus.yml"), config).expect("written");
        fs::write(directory.join("rules.yml"), file(&files, "rules.yml")).expect("written");
        for arguments in [["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"]] {
            let (subject, file) = (&arguments[..2], arguments[2]);
            let arguments: Vec<&str> = subject.iter().copied().chain(["--lint-fatal", file]).collect();
            let Some((good, text)) = promtool(&directory, &arguments) else { return };
            assert!(good, "{name}: {text}");
            println!("{name}: {text}");
        }
    }
}

#[test]
fn every_query_of_a_stacks_dashboards_parses() {
    let (_, files) = stacks().pop().expect("a stack");
    let directory = directory("stack-dashboards");
    let mut queries = Vec::new();
    for (key, text) in files.iter().filter(|(_, text)| text.starts_with('{')) {
        let model: Value = serde_json::from_str(text).expect("JSON");
        for panel in model["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let expr = target["expr"].as_str().expect("an expression").replace("$__rate_interval", "5m");
                queries.push(json!({ "record": format!("{key}:{}", queries.len()).replace(".json", ""), "expr": expr }));
            }
        }
    }
    assert!(queries.len() >= 24, "{}", queries.len());
    write(&directory.join("queries.yaml"), &json!({ "groups": [{ "name": "queries", "rules": queries }] }));
    let Some((good, text)) = promtool(&directory, &["check", "rules", "--lint-fatal", "queries.yaml"]) else {
        return;
    };
    assert!(good, "{text}");
}

#[test]
fn alerts_of_a_stack_fire_exactly_when_expected() {
    let directory = directory("stack-cases");
    let stacks = stacks();
    let rules = file(&stacks[1].1, "rules.yml");
    fs::write(directory.join("rules.yml"), rules).expect("written");
    let rules: Value = serde_yaml::from_str(rules).expect("YAML");
    let all: Vec<Cases> = serde_yaml::from_str(include_str!("stacks.yaml")).expect("stacks.yaml");
    let alerts: Vec<&str> = super::rules::of(&rules).iter().filter_map(|it| it["alert"].as_str()).collect();
    assert_eq!(alerts, all.iter().map(|it| it.alert.as_str()).collect::<Vec<_>>());
    for cases in all {
        let file = format!("{}.yaml", cases.alert);
        write(&directory.join(&file), &test_of(&cases, "rules.yml", "1m"));
        let Some((good, text)) = promtool(&directory, &["test", "rules", &file]) else { return };
        assert!(good, "{text}");
    }
}
