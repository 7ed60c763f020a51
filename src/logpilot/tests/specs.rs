//! Random specs: valid ones from [`super::leaves`], and hostile ones along the schema.

use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use proptest::prelude::*;

use super::{leaves::LEAVES, *};
use crate::api::crd::crd;

/// A leaf, and which of its two specs.
pub(super) type Choice = (usize, bool);

pub(super) fn choices(most: usize) -> impl Strategy<Value = Vec<Choice>> {
    prop::collection::vec((0..LEAVES.len(), any::<bool>()), 0..most)
}

/// Returns the spec with the leaves merged over it, valid or not.
pub(super) fn laid(mut spec: Value, choices: &[Choice]) -> Value {
    for (index, second) in choices {
        let leaf = LEAVES[*index];
        let given = if *second { leaf.2 } else { leaf.1 };
        lay_over(&mut spec, &serde_yaml::from_str(given).expect("YAML"));
    }
    spec
}

/// The schema of the CRD.
pub(super) fn schema() -> Value {
    let crd = serde_json::to_value(crd()).expect("JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The answer of the API server and the operator to a spec, and to a change of it.
pub(super) struct Judge(CompiledSchema);

impl Judge {
    pub(super) fn new() -> Self {
        Self(compile_schema(&schema()))
    }

    /// Returns whether `spec` is accepted, as an update of `before` if that is given.
    pub(super) fn accepts(&self, spec: &Value, before: Option<&Value>) -> bool {
        let object = |spec: &Value| {
            let mut spec = spec.clone();
            spec.as_object_mut().expect("a spec").entry("image").or_insert_with(|| json!("a:1"));
            json!({
                "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "logpilot" },
                "spec": spec,
            })
        };
        let before = before.map(object);
        Validator::new().validate_compiled(&self.0, &object(spec), before.as_ref()).is_ok()
            && validate(&resource_of(spec.clone())).is_ok()
    }

    /// Returns `before` with as many of the leaves merged over it as are accepted, one after the other.
    pub(super) fn change(&self, before: &Value, choices: &[Choice]) -> Value {
        let mut spec = before.clone();
        for choice in choices {
            let next = laid(spec.clone(), &[*choice]);
            if self.accepts(&next, Some(before)) {
                spec = next;
            }
        }
        spec
    }
}

/// Returns the spec with every list reversed whose order has no meaning.
pub(super) fn turned(schema: &Value, spec: &Value) -> Value {
    match spec {
        Value::Object(fields) => {
            let below =
                |name: &String| schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
            fields.iter().map(|(name, value)| (name.clone(), turned(below(name), value))).collect()
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| turned(&schema["items"], item));
            let unordered = matches!(schema["x-kubernetes-list-type"].as_str(), Some("map" | "set"));
            Value::Array(if unordered { items.rev().collect() } else { items.collect() })
        }
        other => other.clone(),
    }
}

/// Texts that some field accepts, and texts that no field should accept.
const TEXTS: &[&str] = &[
    "a",
    "a.b",
    "all",
    "rest",
    "grpc",
    "1Gi",
    "300Mi",
    "250m",
    "0",
    "-1Gi",
    "1e99",
    "50%",
    "200%",
    "10.0.0.0/8",
    "::/0",
    "999.0.0.0/8",
    "https://a.b",
    "http://169.254.169.254/latest",
    "0 3 * * *",
    "* * * * 7",
    "0 0 31 2 *",
    "Europe/Berlin",
    "Mars/Base",
    "1m",
    "5s",
    "logpilot-20260102T030001.000Z.db",
    "danpung2/logpilot:1.2.0",
    "a@sha256:0",
    "Deployment",
    "Service",
    "logpilot-all",
    "metadata.name",
    "nginx",
    "*.a.b",
    "/",
    "/a/../b",
    "kube-system",
    "app.kubernetes.io/name",
    "LOGPILOT_SERVER_API_KEY",
    "a\nb: c",
    "{{ .x }}",
    "$(id)",
    "\u{0}",
    "\u{feff}",
    "é",
    "",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(TEXTS).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => "[a-z0-9./:%-]{0,12}",
        1 => (0_usize..400).prop_map(|length| "x".repeat(length)),
    ]
}

/// Arbitrary values, for fields without a schema and for fields that are to get a wrong type.
pub(super) fn anything() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Values that are mostly of the schema's types, at its bounds and beyond them, and occasionally of
/// another type.
pub(super) fn near(schema: &Value) -> BoxedStrategy<Value> {
    prop_oneof![60 => right(schema), 1 => anything()].boxed()
}

fn right(schema: &Value) -> BoxedStrategy<Value> {
    if schema.get("x-kubernetes-int-or-string").is_some() {
        return prop_oneof![any::<i32>().prop_map(Value::from), text().prop_map(Value::from)].boxed();
    }
    if let Some(values) = schema["enum"].as_array() {
        return prop_oneof![9 => prop::sample::select(values.clone()), 1 => text().prop_map(Value::from)]
            .boxed();
    }
    match schema["type"].as_str() {
        Some("object") if schema["properties"].is_object() => object(schema),
        Some("object") if schema["additionalProperties"].is_object() => {
            let below = near(&schema["additionalProperties"]);
            prop::collection::btree_map(text(), below, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
                .boxed()
        }
        Some("array") => prop::collection::vec(near(&schema["items"]), 0..3).prop_map(Value::from).boxed(),
        Some("string") => text().prop_map(Value::from).boxed(),
        Some("boolean") => any::<bool>().prop_map(Value::from).boxed(),
        Some("integer") => {
            let bound = |name: &str, or: i64| schema[name].as_i64().unwrap_or(or);
            let (least, most) = (bound("minimum", -2), bound("maximum", 9));
            prop_oneof![
                6 => least..=most,
                3 => prop::sample::select(vec![0, 1, least, most, least - 1, most.saturating_add(1), i64::from(i32::MAX), i64::from(i32::MIN)]),
            ]
            .prop_map(Value::from)
            .boxed()
        }
        Some("number") => any::<f64>().prop_map(Value::from).boxed(),
        _ => anything(),
    }
}

fn object(schema: &Value) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().expect("properties");
    let chance = if properties.len() > 12 { 0.25 } else { 0.4 };
    let fields: Vec<_> = properties
        .iter()
        .map(|(name, below)| {
            let chance = if required.contains(&Value::from(name.as_str())) { 0.97 } else { chance };
            let name = name.clone();
            prop::option::weighted(chance, near(below))
                .prop_map(move |value| value.map(|it| (name.clone(), it)))
        })
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().flatten().collect())).boxed()
}
