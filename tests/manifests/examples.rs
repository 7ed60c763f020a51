//! The examples do what they promise.

use std::collections::BTreeMap;

use logpilot_operator::{
    api::{KIND, LogPilotCluster},
    engine::plan::Planned,
    logpilot::{facts::Facts, plan::plan, validate::validate},
};
use serde_json::{Value, json};

use super::{documents, offline::Judge, read, root, yaml_files};

#[test]
fn every_example_is_accepted_and_makes_a_deployment() {
    let judge = Judge::new();
    let mut seen = 0;
    for path in yaml_files("examples") {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let text = read(&file);
        assert!(text.starts_with("# "), "{file}: begins with what it is for");
        let clusters: Vec<_> = documents(&text).into_iter().filter(|it| it["kind"] == KIND).collect();
        assert!(!clusters.is_empty(), "{file}: there is no {KIND}");
        for object in clusters {
            let refusals = judge.refusals(&object, None);
            assert!(refusals.is_empty(), "{file}: the API server would refuse it: {refusals:#?}");
            let mut kinds = BTreeMap::<&str, usize>::new();
            for planned in &planned(&object, &file) {
                *kinds.entry(planned.kind.kind).or_default() += 1;
            }
            // Without components there is one.
            let components = object["spec"]["components"].as_object().map_or(1, serde_json::Map::len);
            assert_eq!(kinds.get("Deployment"), Some(&components), "{file}: {kinds:?}");
            assert!(kinds.get("Service") >= Some(&components), "{file}: {kinds:?}");
            seen += 1;
        }
    }
    println!("{seen} examples");
}

/// Returns everything that the operator creates for a resource.
pub fn planned(object: &Value, file: &str) -> Vec<Planned> {
    let cr: LogPilotCluster =
        serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{file}: {error}"));
    let cluster = validate(&cr).unwrap_or_else(|violations| {
        let told: Vec<_> = violations.iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
        panic!("{file}: {told:?}")
    });
    plan(&cluster, &Facts::default()).objects
}

/// The values of one planned object.
struct Values<'a>(&'a str, Vec<Planned>);

impl Values<'_> {
    fn of(example: &str) -> Values<'_> {
        let object = documents(&read(&format!("examples/{example}.yaml"))).remove(0);
        Values(example, planned(&object, example))
    }

    #[allow(clippy::needless_pass_by_value, reason = "every call makes its value")]
    fn is(&self, kind: &str, name: &str, pointer: &str, wanted: Value) {
        let found = self.1.iter().find(|it| it.kind.kind == kind && it.body["metadata"]["name"] == name);
        let body = &found.unwrap_or_else(|| panic!("{}: there is no {kind} {name}", self.0)).body;
        let seen = body.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(seen, &wanted, "{}: {kind} {name} {pointer}", self.0);
    }
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

/// The values of the hand-written manifests, as far as the operator keeps them.
#[test]
fn the_three_modes_match_the_hand_written_manifests() {
    for (example, name, image, replicas, cpu, memory, ports) in [
        (
            "manifests-all",
            "logpilot-all",
            "logpilot:latest",
            2,
            ("100m", "500m"),
            ("256Mi", "512Mi"),
            vec![("http", 8080), ("grpc", 50051), ("management", 8081)],
        ),
        (
            "manifests-rest",
            "logpilot-rest",
            "logpilot-rest:latest",
            3,
            ("50m", "300m"),
            ("128Mi", "256Mi"),
            vec![("http", 8080), ("management", 8081)],
        ),
        (
            "manifests-grpc",
            "logpilot-grpc",
            "logpilot-grpc:latest",
            2,
            ("50m", "300m"),
            ("128Mi", "256Mi"),
            vec![("grpc", 50051), ("management", 8081)],
        ),
    ] {
        let made = Values::of(example);
        let container = |pointer: &str, wanted: Value| {
            made.is("Deployment", name, &format!("{CONTAINER}{pointer}"), wanted);
        };
        made.is("Deployment", name, "/metadata/namespace", json!("logpilot"));
        made.is("Deployment", name, "/spec/replicas", json!(replicas));
        made.is(
            "Deployment",
            name,
            "/spec/strategy/rollingUpdate",
            json!({ "maxSurge": "25%", "maxUnavailable": "25%" }),
        );
        container("/image", json!(image));
        container("/resources/requests", json!({ "cpu": cpu.0, "memory": memory.0 }));
        container("/resources/limits", json!({ "cpu": cpu.1, "memory": memory.1 }));
        for (number, (port, value)) in ports.iter().enumerate() {
            container(&format!("/ports/{number}/name"), json!(port));
            container(&format!("/ports/{number}/containerPort"), json!(value));
            made.is("Service", name, &format!("/spec/ports/{number}/port"), json!(value));
        }
        container("/livenessProbe/initialDelaySeconds", json!(30));
        container("/livenessProbe/periodSeconds", json!(10));
        container("/readinessProbe/initialDelaySeconds", json!(10));
        container("/readinessProbe/periodSeconds", json!(5));
        container("/startupProbe/initialDelaySeconds", json!(10));
        container("/startupProbe/failureThreshold", json!(10));
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if example == "manifests-grpc" {
                container(&format!("/{probe}/exec/command/0"), json!("/bin/sh"));
            } else {
                container(
                    &format!("/{probe}/httpGet"),
                    json!({ "path": "/actuator/health", "port": "management" }),
                );
            }
        }
    }
    let made = Values::of("manifests-all");
    made.is("Namespace", "logpilot", "/metadata/labels/app", json!("logpilot"));
    made.is("Namespace", "logpilot", "/metadata/labels/name", json!("logpilot"));
    made.is("Namespace", "logpilot-system", "/kind", json!("Namespace"));
    let balancer = "logpilot-all-loadbalancer";
    made.is("Service", balancer, "/spec/type", json!("LoadBalancer"));
    made.is("Service", balancer, "/spec/ports/0/port", json!(80));
    let annotation = "/metadata/annotations/service.beta.kubernetes.io~1aws-load-balancer-type";
    made.is("Service", balancer, annotation, json!("nlb"));
    made.is("Service", "logpilot-all-nodeport", "/spec/ports/0/nodePort", json!(30080));
    let rule = "/spec/rules/0";
    made.is("Ingress", "logpilot", &format!("{rule}/host"), json!("logpilot.local"));
    made.is("Ingress", "logpilot", &format!("{rule}/http/paths/0/path"), json!("/"));
    made.is(
        "Ingress",
        "logpilot",
        &format!("{rule}/http/paths/0/backend/service/name"),
        json!("logpilot-all"),
    );
    let nginx = "/metadata/annotations/nginx.ingress.kubernetes.io~1";
    made.is("Ingress", "logpilot", &format!("{nginx}enable-cors"), json!("true"));
    made.is("Ingress", "logpilot", &format!("{nginx}limit-rps"), json!("100"));
    made.is("ServiceMonitor", "logpilot", "/spec/endpoints/0/interval", json!("30s"));
    made.is("ServiceMonitor", "logpilot", "/spec/endpoints/0/path", json!("/actuator/prometheus"));
}

/// A canary is a Deployment with an `app` label of its own that the Service also selects.
#[test]
fn production_is_ready_for_a_canary() {
    let made = Values::of("production");
    let selected =
        json!({ "app.kubernetes.io/instance": "production", "app.kubernetes.io/component": "all" });
    made.is("Service", "production-all", "/spec/selector", selected);
    made.is("Deployment", "production-all", "/spec/selector/matchLabels", json!({ "app": "production-all" }));
    made.is("HorizontalPodAutoscaler", "production-all", "/spec/minReplicas", json!(2));
    made.is("HorizontalPodAutoscaler", "production-all", "/spec/maxReplicas", json!(10));
    made.is(
        "HorizontalPodAutoscaler",
        "production-all",
        "/spec/metrics/0/resource/target/averageUtilization",
        json!(70),
    );
}

/// The table of examples names every file, so that readers find the one for their purpose.
#[test]
fn the_table_of_examples_names_each() {
    let table = read("examples/README.md");
    for path in yaml_files("examples") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(table.contains(&format!("]({name})")), "examples/README.md does not name {name}");
    }
}

/// yamllint's default: two spaces before a comment that follows other text.
#[test]
fn comments_have_two_spaces_before_them() {
    let mut near = Vec::new();
    for file in files_below(&["examples", "config"]) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let before = comment(line).map(|at| &line[..at]);
            if before.is_some_and(|before| !before.trim().is_empty() && !before.ends_with("  ")) {
                near.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(near.is_empty(), "{}", near.join("\n"));
    assert_eq!(comment("a: 'b # c' # d"), Some(11));
}

/// Returns the position of a line's comment.
fn comment(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut last = ' ';
    for (at, char) in line.char_indices() {
        match (char, quote) {
            ('#', None) if last == ' ' => return Some(at),
            ('\'' | '"', None) => quote = Some(char),
            (_, Some(open)) if char == open => quote = None,
            _ => {}
        }
        last = char;
    }
    None
}

fn files_below(directories: &[&str]) -> Vec<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<_> = directories.iter().map(|name| root.join(name)).collect();
    let mut found = Vec::new();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 40, "{}", found.len());
    found
}
