//! From a resource to its plan, without a Kubernetes cluster.

mod backups;
mod config;
mod config_check;
mod conflicts;
mod dependencies;
mod exposure;
mod fields;
mod fuzz;
mod gateway;
mod golden;
mod injection;
mod last_words;
mod leaves;
mod limits;
mod model;
mod monitoring;
mod network;
mod operation;
mod patch_rules;
mod patches;
mod places;
mod plans;
mod properties;
mod refusals;
mod remembered;
mod replicas;
mod requeue;
mod restore;
mod rules;
mod server_pods;
mod specs;
mod status_writes;
mod storage;
mod warnings;

use serde_json::{Value, json};

use super::{facts::Facts, model::Cluster, plan::plan, validate::validate};
use crate::{
    api::LogPilotCluster,
    engine::{
        plan::{Plan, Planned},
        resource::ResourceRef,
    },
    kinds::LOGPILOT_CLUSTER,
    workload::resolve::Violation,
};

/// The reference of the resource in all of these tests.
fn named() -> ResourceRef {
    ResourceRef::new(&LOGPILOT_CLUSTER, None, "logpilot")
}

/// A resource named `logpilot` with this spec, and with a default image if the spec has none.
fn resource(spec: &str) -> LogPilotCluster {
    let spec: Value = serde_yaml::from_str(spec).expect("the test's YAML");
    resource_of(spec)
}

fn resource_of(mut spec: Value) -> LogPilotCluster {
    if spec.is_null() {
        spec = json!({});
    }
    if spec.get("image").is_none() {
        spec["image"] = json!("danpung2/logpilot:1.2.0");
    }
    serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1",
        "kind": "LogPilotCluster",
        "metadata": { "name": "logpilot", "uid": "11111111-2222-3333-4444-555555555555" },
        "spec": spec,
    }))
    .expect("the test's spec")
}

#[track_caller]
fn cluster(spec: &str) -> Cluster {
    validate(&resource(spec)).expect("a valid spec")
}

#[track_caller]
fn violations(spec: &str) -> Vec<Violation> {
    validate(&resource(spec)).expect_err("an invalid spec")
}

#[track_caller]
fn planned(spec: &str) -> Plan {
    plan(&cluster(spec), &Facts::default())
}

/// Returns the object of a kind and name.
#[track_caller]
fn object<'a>(plan: &'a Plan, kind: &str, name: &str) -> &'a Planned {
    find(plan, kind, name).unwrap_or_else(|| panic!("no {kind} {name} in the plan"))
}

fn find<'a>(plan: &'a Plan, kind: &str, name: &str) -> Option<&'a Planned> {
    plan.objects.iter().find(|planned| planned.kind.kind == kind && planned.key.name == name)
}

/// Returns `Kind name` of every object of a kind.
fn names(plan: &Plan, kind: &str) -> Vec<String> {
    plan.objects
        .iter()
        .filter(|planned| planned.kind.kind == kind)
        .map(|planned| planned.key.name.clone())
        .collect()
}

/// Merges one JSON object over another.
fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
