//! `logpilot-operator plan` as users run it: what it rejects and where, its output, and its exit code.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::{documents, root};

fn plan(text: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_logpilot-operator"))
        .args(["plan", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns a resource with these lines in its `spec`, which begins at line 5.
fn resource(spec: &str) -> String {
    format!(
        "apiVersion: logpilot.io/v1alpha1\nkind: LogPilotCluster\nmetadata: {{name: logs}}\nspec:\n  image: danpung2/logpilot:1.2.0\n{spec}"
    )
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the one object of a kind.
fn made(output: &Output, kind: &str) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
    let found =
        documents(std::str::from_utf8(&output.stdout).unwrap()).into_iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

/// Each input with the position, the path and the message of its rejection.
#[test]
fn every_rejection_has_line_path_and_message() {
    for (spec, expected) in [
        ("  replica: 3\n", "stdin:6:3: spec.replica: unknown field \"spec.replica\""),
        ("  imagee: x\n", "stdin:6:3: spec.imagee: unknown field \"spec.imagee\"; did you mean `image`?"),
        (
            "  components:\n    all:\n      livenessProbe: {}\n",
            "stdin:8:7: spec.components.all.livenessProbe: unknown field",
        ),
        (
            "  components:\n    all:\n      resources:\n        requests:\n          cpu: 0.5\n",
            "stdin:10:11: spec.components.all.resources.requests.cpu: must be an integer or text, not 0.5; quote it",
        ),
        (
            "  components:\n    all:\n      priorityClassName: system-node-critical\n",
            "stdin:8:7: spec.components.all.priorityClassName: ",
        ),
        ("  nameOverride: a.b\n", "stdin:6:3: spec.nameOverride: "),
        (
            "  exposure:\n    ingress:\n      rules:\n      - host: a.b:8080\n",
            "stdin:9:9: spec.exposure.ingress.rules[0].host: ",
        ),
        (
            "  exposure:\n    ingress:\n      className: ''\n      rules: [{host: a.b}]\n",
            "stdin:8:7: spec.exposure.ingress.className: ",
        ),
        ("  backup:\n    schedule: every day\n", "stdin:7:5: spec.backup.schedule: "),
        (
            "  components:\n    all:\n      env:\n      - {name: A, value: x}\n      - {name: A, value: y}\n",
            "stdin:10:9: spec.components.all.env[1]: `name` \"A\" is already in the list",
        ),
        ("  paused: yes\n", "stdin:6:3: spec.paused: unknown field"),
        (
            "  commonLabels:\n    team: yes\n",
            "stdin:7:5: spec.commonLabels.team: must be text, not true; quote it: words such as yes, no, on and off",
        ),
        ("  commonLabels:\n    team: 0777\n", "stdin:7:5: spec.commonLabels.team: must be text, not 511"),
        ("  image: other:1\n", "stdin:6:3: spec.image: is given twice"),
        ("  environment: [\n", "stdin:7:1: "),
        ("\tenvironment: x\n", "stdin:6:1: "),
        (
            "  patches:\n  - target: {kind: Deployment, name: logs-all}\n    patch: {spec: {replicas: 3}}\n",
            "stdin:8:20: spec.patches[0].patch.spec.replicas: may not be patched",
        ),
    ] {
        let output = plan(resource(spec).as_bytes());
        let said = told(&output);
        assert_eq!(output.status.code(), Some(2), "{spec}: {said}");
        assert!(output.stdout.is_empty(), "{spec}");
        assert!(said.contains(&format!("error: {expected}")), "{spec}: want {expected:?}, said {said}");
        assert!(said.lines().all(|line| line.starts_with("error: ")), "{spec}: {said}");
    }
}

#[test]
fn all_rejections_are_reported_in_order() {
    let output = plan(resource("  replica: 3\n  environment: Prod\n  commonLabels: {a b: c}\n").as_bytes());
    let said = told(&output);
    let lines: Vec<&str> = said.lines().filter_map(|line| line.split(": ").nth(2)).collect();
    assert_eq!(lines, ["spec.replica", "spec.environment"], "{said}");
    // Rules are evaluated only when the values are valid.
    let output = plan(resource("  replica: 3\n  commonLabels: {a b: c}\n").as_bytes());
    assert_eq!(told(&output).lines().count(), 2, "{}", told(&output));
}

#[test]
fn foreign_resources_are_rejected() {
    let of = |version: &str, kind: &str| {
        resource("").replace("logpilot.io/v1alpha1", version).replace("LogPilotCluster", kind)
    };
    for (text, expected) in [
        (of("logpilot.io/v1", "LogPilotCluster"), "stdin:1:1: apiVersion: 'logpilot.io/v1' is not served"),
        (of("example.com/v1", "LogPilotCluster"), "stdin:1:1: apiVersion: 'example.com/v1' is not served"),
        (of("logpilot.io/v1alpha1", "LogpilotCluster"), "stdin:2:1: kind: 'LogpilotCluster' is not served"),
        (of("v1", "ConfigMap"), "stdin: contains no LogPilotCluster"),
        (String::new(), "stdin: contains no LogPilotCluster"),
        ("# nothing\n---\n".to_owned(), "stdin: contains no LogPilotCluster"),
        ("spec: {}\n".to_owned(), "stdin:1:1: apiVersion: is required"),
    ] {
        let output = plan(text.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(told(&output).contains(expected), "{text}: want {expected:?}, said {}", told(&output));
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_logpilot-operator"))
        .args(["plan", "-f", "/nowhere.yaml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(told(&missing).contains("/nowhere.yaml: No such file"), "{}", told(&missing));
}

/// Manifests are read as by kubectl.
#[test]
fn anchors_lists_marks_and_octals_are_read() {
    let replicas = |text: &[u8]| made(&plan(text), "Deployment")["spec"]["replicas"].clone();
    let octal = resource("  components:\n    all: {replicas: 02}\n  storage: {backend: Sqlite}\n");
    assert_eq!(replicas(octal.as_bytes()), 2);
    assert_eq!(replicas(&[b"\xEF\xBB\xBF", octal.as_bytes()].concat()), 2);
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", octal.replace('\n', "\n  "));
    assert_eq!(replicas(list.as_bytes()), 2);
    let merged = resource("  components:\n    all: &all {replicas: 0x2}\n    rest:\n      <<: *all\n");
    let output = plan(merged.as_bytes());
    let rest = documents(std::str::from_utf8(&output.stdout).unwrap())
        .into_iter()
        .find(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == "logs-rest")
        .unwrap_or_else(|| panic!("{}", told(&output)));
    assert_eq!(rest["spec"]["replicas"], 2);
    let json = serde_json::to_string(&documents(&resource(""))[0]).unwrap();
    made(&plan(json.as_bytes()), "Deployment");
}

#[test]
fn null_means_unset_as_on_the_server() {
    let output = plan(resource("  storage:\n  commonLabels: {a: null}\n").as_bytes());
    made(&output, "Deployment");
}

#[test]
fn dropped_fields_cause_warnings() {
    let patch = "{target: {kind: Deployment, name: logs-all}, patch: {metadata: {annotations: {a: null}}}}";
    let text = resource(&format!(
        "  storage:\n  patches: [{patch}]\n  config: {{overlay: {{spring: {{mail: null}}}}}}\n"
    ))
    .replace("{name: logs}", "{name: logs, namespace: x, labels: {team: }}");
    let output = plan(text.as_bytes());
    made(&output, "Deployment");
    for expected in [
        "warning: stdin:3:24: metadata.namespace: is dropped",
        "warning: stdin:3:47: metadata.labels.team: has no value",
        "warning: stdin:6:3: spec.storage: has no value",
        "spec.patches[0].patch.metadata.annotations.a: is null, which `kubectl apply` drops",
        "use `type: Strategic` with `$patch: delete`",
        "spec.config.overlay.spring.mail: is null",
    ] {
        assert!(told(&output).contains(expected), "{expected}: {}", told(&output));
    }
    assert!(!told(&plan(resource("").as_bytes())).contains("dropped"));
}

#[test]
fn one_mistake_is_rejected_once() {
    for name in ["SERVER_PORT", "SPRING_PROFILES_ACTIVE"] {
        let output = plan(
            resource(&format!("  components: {{all: {{env: [{{name: {name}, value: a}}]}}}}\n")).as_bytes(),
        );
        assert_eq!(told(&output).matches("error: ").count(), 1, "{}", told(&output));
    }
}

/// The placeholder is a valid value of the Secret, but useless to anyone: a header cannot contain its
/// line break.
#[test]
fn the_generated_key_is_redacted_in_the_output() {
    let output = plan(resource("").as_bytes());
    let secret = made(&output, "Secret");
    assert_eq!(secret["data"]["api-key"], "KGhpZGRlbikK", "{secret:#}");
    serde_json::from_value::<k8s_openapi::api::core::v1::Secret>(secret).unwrap();
    let pod = &made(&output, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert!(pod.to_string().contains("(hidden)"), "{pod}");
}

#[test]
fn a_named_secret_means_no_generated_key() {
    let output = plan(resource("  auth: {apiKeySecret: {name: mine}}\n").as_bytes());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(!text.contains("kind: Secret") && !text.contains("generated"), "{text}");
}

#[test]
fn warnings_go_to_standard_error() {
    let text = resource("").replace("logpilot:1.2.0", "logpilot:latest");
    let output = plan(text.as_bytes());
    made(&output, "Deployment");
    assert!(told(&output).starts_with("warning: stdin:1:1: "), "{}", told(&output));
    assert!(told(&output).contains("ImageTagLatest: Deployment logs/logs-all: "), "{}", told(&output));
}

#[test]
fn several_files_and_directories_are_planned() {
    let examples = root().join("examples");
    let count = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_logpilot-operator"))
            .arg("plan")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        documents(std::str::from_utf8(&output.stdout).unwrap()).len()
    };
    let path = |name: &str| examples.join(name).display().to_string();
    let (one, other) = (path("quickstart.yaml"), path("rest-only.yaml"));
    assert_eq!(count(&["-f", &one, "-f", &other]), count(&["-f", &one]) + count(&["-f", &other]));
    assert!(count(&["-f", examples.to_str().unwrap()]) > 100);
}

#[test]
fn the_help_names_the_exit_codes() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_logpilot-operator")).args(["plan", "--help"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in
        ["Exit codes:", "0  all resources are valid", "2  a resource is invalid", "1  any other failure"]
    {
        assert!(text.contains(words), "{text}");
    }
}
