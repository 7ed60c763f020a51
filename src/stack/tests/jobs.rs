//! When a Job that completed runs again.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    engine::{cache::Snapshot, deadlines::DeadlineTracker, outcome::Outcome, plan::Plan},
    stack::{
        api::{ServiceStack, ServiceStackStatus, status::ComponentStatus},
        facts::Facts,
        gates,
        model::Stack,
        plan,
        resolve::resolve,
        retention, status,
    },
};

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// A stack with a Job, after a merge of its spec.
fn stack(change: &Value) -> Stack {
    let mut spec = json!({
        "components": { "migrate": { "kind": "Job", "image": "a:1", "env": { "A": "1" } } },
    });
    merge(&mut spec, change);
    let cr: ServiceStack = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "h", "namespace": "n", "uid": "u" }, "spec": spec,
    }))
    .unwrap();
    resolve(&cr).unwrap()
}

fn job_name(stack: &Stack) -> String {
    let job = &stack.components["migrate"];
    plan::job_name(stack, job, job.workload.as_ref().unwrap())
}

#[rstest]
#[case::common_labels(json!({ "commonLabels": { "team": "a" } }), false)]
#[case::pull_policy(json!({ "imagePullPolicy": "Always" }), false)]
#[case::pull_secrets(json!({ "imagePullSecrets": [{ "name": "p" }] }), false)]
#[case::timeout(json!({ "components": { "migrate": { "job": { "timeoutSeconds": 77 } } } }), false)]
#[case::retries(json!({ "components": { "migrate": { "job": { "retries": 5 } } } }), false)]
#[case::resources(
    json!({ "components": { "migrate": { "resources": { "limits": { "memory": "1Gi" } } } } }),
    false
)]
#[case::image(json!({ "components": { "migrate": { "image": "a:2" } } }), true)]
#[case::command(json!({ "components": { "migrate": { "command": ["x"] } } }), true)]
#[case::args(json!({ "components": { "migrate": { "args": ["x"] } } }), true)]
#[case::env(json!({ "components": { "migrate": { "env": { "A": "2" } } } }), true)]
#[case::env_from(json!({ "components": { "migrate": { "envFrom": [{ "configMap": "m" }] } } }), true)]
#[case::files(json!({ "components": { "migrate": { "files": { "/etc/x": "y" } } } }), true)]
#[case::volumes(
    json!({ "components": { "migrate": { "volumes": { "d": { "path": "/d", "existingClaim": "c" } } } } }),
    true
)]
fn a_job_runs_again_for_what_it_does(#[case] change: Value, #[case] again: bool) {
    assert_eq!(job_name(&stack(&change)) != job_name(&stack(&json!({}))), again);
}

#[test]
fn a_job_that_was_switched_off_does_not_run_again() {
    let enabled = stack(&json!({}));
    let disabled = stack(&json!({ "components": { "migrate": { "enabled": false } } }));
    let reached = plan::wanted(&enabled)["migrate"].template.clone();
    let done = ComponentStatus {
        name: "migrate".into(),
        started: true,
        reached: Some(reached),
        restart: Some("r".into()),
        ..ComponentStatus::default()
    };
    let before = ServiceStackStatus { components: vec![done], ..ServiceStackStatus::default() };
    let status = status::build(&status::View {
        stack: &disabled,
        before: &before,
        generation: Some(1),
        facts: &Facts::default(),
        observed: &BTreeMap::new(),
        plan: &Plan::default(),
        snapshot: &Snapshot::default(),
        outcome: &Outcome::default(),
        change: None,
        clock: &DeadlineTracker::at(Timestamp::from_second(1_800_000_000).unwrap()),
    });
    assert_eq!(status.components[0].restart.as_deref(), Some("r"));
    let observed = BTreeMap::new();
    let gates = gates::decide(&plan::wanted(&enabled), &observed, &status.components);
    assert_eq!(retention::completed(&enabled, &gates, &observed), [job_name(&enabled)].into());
}
