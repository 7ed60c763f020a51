//! Every leaf of the spec's schema, with two specs that differ only in it, and its position in the
//! second.

use std::sync::LazyLock;

use logpilot_operator::api;
use serde_json::{Value, json};

use crate::leaf_table::LEAVES;

const IMAGE: &str = "danpung2/logpilot:1.2.0";

/// A field that contains no other fields.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub path: String,
    pub schema: Value,
    pub one: Value,
    pub other: Value,
    /// The position of the leaf in `other`.
    pub at: Vec<String>,
}

/// The schema of the spec.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(api::crd::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
});

/// Returns all leaves, in the schema's order. A leaf without a row in the table is returned as its
/// path alone.
pub fn leaves() -> (Vec<Leaf>, Vec<String>) {
    let mut found = Vec::new();
    collect(&SCHEMA, "", &mut found);
    // They change nothing in a plan, so the table of the plan's tests omits them.
    let silent = [
        ("operation.paused", "{ operation: { paused: false } }", "{ operation: { paused: true } }"),
        (
            "components.*.env[].valueFrom.fieldRef.apiVersion",
            "{ components: { all: { env: [{ name: A, valueFrom: { fieldRef: { fieldPath: metadata.name } } }] } } }",
            "{ components: { all: { env: [{ name: A, valueFrom: { fieldRef: { apiVersion: v1, fieldPath: metadata.name } } }] } } }",
        ),
    ];
    let (mut leaves, mut without) = (Vec::new(), Vec::new());
    for (path, schema) in found {
        let Some((_, one, other)) = LEAVES.iter().chain(&silent).find(|leaf| leaf.0 == path) else {
            without.push(path);
            continue;
        };
        let (one, other) = (spec(one), spec(other));
        let parts: Vec<&str> = path.split('.').collect();
        let differs = |at: &Vec<String>| one.pointer(&pointer(at)) != other.pointer(&pointer(at));
        match places(&other, &parts).into_iter().find(differs) {
            Some(at) => leaves.push(Leaf { path, schema, one, other, at }),
            None => without.push(path),
        }
    }
    (leaves, without)
}

/// Parses a spec of the table, or one written in the same way.
pub fn spec(text: &str) -> Value {
    let mut spec: Value = serde_yaml::from_str(text).unwrap();
    if spec.get("image").is_none() {
        spec["image"] = json!(IMAGE);
    }
    spec
}

fn collect(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(properties) = schema["properties"].as_object() {
        properties.iter().for_each(|(name, schema)| collect(schema, &below(name), found));
    } else if schema["items"]["properties"].is_object() {
        collect(&schema["items"], &format!("{path}[]"), found);
    } else if schema["additionalProperties"]["properties"].is_object() {
        collect(&schema["additionalProperties"], &below("*"), found);
    } else {
        found.push((path.to_owned(), schema.clone()));
    }
}

/// Returns every position at which a value has this path.
fn places(value: &Value, path: &[&str]) -> Vec<Vec<String>> {
    let Some((part, rest)) = path.split_first() else { return vec![Vec::new()] };
    let below: Vec<(Vec<String>, &Value)> = match (part.strip_suffix("[]"), value) {
        (Some(name), _) => {
            let items = value.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
            items.map(|(index, item)| (vec![name.to_owned(), index.to_string()], item)).collect()
        }
        (None, Value::Object(fields)) if *part == "*" => {
            fields.iter().map(|(key, value)| (vec![key.clone()], value)).collect()
        }
        (None, _) => value.get(part).map(|value| (vec![(*part).to_owned()], value)).into_iter().collect(),
    };
    let through = |(at, value): (Vec<String>, &Value)| {
        places(value, rest).into_iter().map(move |rest| [at.clone(), rest].concat()).collect::<Vec<_>>()
    };
    below.into_iter().flat_map(through).collect()
}

pub fn pointer(at: &[String]) -> String {
    at.iter().flat_map(|part| ["/".to_owned(), part.replace('~', "~0").replace('/', "~1")]).collect()
}

/// Returns the spec with another value at an existing position.
pub fn with(spec: &Value, at: &[String], value: Value) -> Value {
    let mut spec = spec.clone();
    *spec.pointer_mut(&pointer(at)).unwrap() = value;
    spec
}

/// Returns the spec without the value at a position.
pub fn without(spec: &Value, at: &[String]) -> Value {
    let mut spec = spec.clone();
    let (last, parents) = at.split_last().unwrap();
    match spec.pointer_mut(&pointer(parents)).unwrap() {
        Value::Object(fields) => drop(fields.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        _ => {}
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_is_in_the_table() {
        let (leaves, without) = leaves();
        assert_eq!(without, [""; 0], "leaves without an operation");
        for leaf in &leaves {
            let (one, other) = (leaf.one.pointer(&pointer(&leaf.at)), leaf.other.pointer(&pointer(&leaf.at)));
            assert!(other.is_some() && one != other, "{}: {:?}", leaf.path, leaf.at);
        }
    }

    #[test]
    fn a_leaf_is_changed_and_removed_in_place() {
        let spec = json!({ "a": [{ "b": { "x/y": 1 } }] });
        let at = places(&spec, &["a[]", "b", "*"]).remove(0);
        assert_eq!(at, ["a", "0", "b", "x/y"]);
        assert_eq!(with(&spec, &at, json!(2)), json!({ "a": [{ "b": { "x/y": 2 } }] }));
        assert_eq!(without(&spec, &at), json!({ "a": [{ "b": {} }] }));
        assert_eq!(without(&spec, &at[..2]), json!({ "a": [] }));
    }
}
