//! Every field of the spec changes something that a user can see: an object or a warning.

use std::collections::BTreeSet;

pub(super) use harness::leaf_table::LEAVES;

use super::*;
use crate::{
    api::crd::crd,
    logpilot::{config_check, effective, warnings::warnings},
};

/// Fields that change nothing in the plan by design.
const ELSEWHERE: &[&str] = &["operation.paused", "components.*.env[].valueFrom.fieldRef.apiVersion"];

/// Returns everything that a user can see of a spec before it runs.
fn seen(spec: &str) -> String {
    let cluster = cluster(spec);
    let plan =
        plan(&cluster, &Facts { config_checks: config_check::all_pending(&cluster), ..Facts::default() });
    // Bodies are printed one by one, because a plan itself prints only names.
    let bodies: Vec<_> =
        plan.objects.iter().map(|it| (it.to_string(), &it.body, it.replicas, it.held)).collect();
    format!("{bodies:?} {:?} {:?}", warnings(&cluster), effective::of(&cluster, &plan).environment)
}

#[test]
fn each_changes_something() {
    for (path, one, other) in LEAVES {
        assert_ne!(seen(one), seen(other), "{path} changes nothing");
    }
}

#[test]
fn none_is_missing() {
    let crd = serde_json::to_value(crd()).expect("JSON");
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut schema = BTreeSet::new();
    collect(spec, "", &mut schema);
    let listed: BTreeSet<_> = LEAVES
        .iter()
        .map(|leaf| leaf.0.to_owned())
        .chain(ELSEWHERE.iter().map(|path| (*path).to_owned()))
        .collect();
    assert_eq!(schema.difference(&listed).collect::<Vec<_>>(), [""; 0], "in the schema only");
    assert_eq!(listed.difference(&schema).collect::<Vec<_>>(), [""; 0], "in the table only");
}

fn collect(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, schema) in properties {
            collect(schema, &below(name), into);
        }
    } else if schema.pointer("/items/properties").is_some() {
        collect(&schema["items"], &format!("{path}[]"), into);
    } else if schema.pointer("/additionalProperties/properties").is_some() {
        collect(&schema["additionalProperties"], &below("*"), into);
    } else {
        into.insert(path.to_owned());
    }
}
