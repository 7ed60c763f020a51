//! Checks of `metadata`, `apiVersion` and `kind`, whose schema is built into the API server.

use serde_json::{Value, json};

use super::{Layer, Refusal, structure};
use crate::{
    api::{GROUP, VERSION},
    workload::names::{is_label_value, is_qualified_name, is_subdomain},
};

/// The maximum size of all annotations together.
const ANNOTATION_BYTES: usize = 256 * 1024;

/// The types of the fields of `ObjectMeta`.
fn schema() -> Value {
    let (text, whole, flag) =
        (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "boolean" }));
    let map = json!({ "type": "object", "additionalProperties": text });
    let owner = json!({
        "type": "object",
        "properties": {
            "apiVersion": text, "kind": text, "name": text, "uid": text, "controller": flag,
            "blockOwnerDeletion": flag,
        },
    });
    json!({
        "type": "object",
        "properties": {
            "name": text, "generateName": text, "namespace": text, "labels": map, "annotations": map,
            "finalizers": { "type": "array", "items": text },
            "ownerReferences": { "type": "array", "items": owner },
            "managedFields": {
                "type": "array", "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            },
            "creationTimestamp": text, "deletionTimestamp": text, "deletionGracePeriodSeconds": whole,
            "generation": whole, "resourceVersion": text, "selfLink": text, "uid": text,
        },
    })
}

/// Drops `null` values, as the API server does.
pub fn prune_null(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata") {
        structure::prune_null(metadata, &schema());
    }
}

/// Returns the paths of the values that `prune_null` drops.
pub fn nulls(object: &Value, found: &mut Vec<String>) {
    structure::nulls(&object["metadata"], &schema(), "metadata", found);
}

/// Checks that the object is of the served kind. Other objects are validated by the definition of
/// their kind.
pub fn check_type(object: &Value, kind: &str, found: &mut Vec<Refusal>) {
    let expected = format!("{GROUP}/{VERSION}");
    for (field, expected) in [("apiVersion", expected.as_str()), ("kind", kind)] {
        if object[field] != *expected {
            let message = match &object[field] {
                Value::Null => format!("is required; write `{field}: {expected}`"),
                Value::String(given) => format!("'{given}' is not served; write `{field}: {expected}`"),
                _ => format!("must be text; write `{field}: {expected}`"),
            };
            found.push(Refusal::new(Layer::Schema, field, message).blocking());
        }
    }
}

/// Returns the violations that the API server reports for `metadata` when an object is created. The
/// API server ignores a namespace, which Kustomize adds to every kind that it does not know.
pub fn check(object: &Value, found: &mut Vec<Refusal>) {
    let schema = schema();
    let mut metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    if metadata.is_null() {
        metadata = json!({});
    }
    structure::prune_null(&mut metadata, &schema);
    let at = found.len();
    structure::check(&metadata, &schema, "metadata", found);
    if found.len() > at {
        return;
    }
    structure::unknown_fields(&metadata, &schema, "metadata", found);
    found.extend(
        [name, generation, labels, annotations, finalizers, owners].iter().flat_map(|of| of(&metadata)),
    );
}

fn refusal(field: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(Layer::Schema, &format!("metadata.{field}"), message)
}

fn name(metadata: &Value) -> Vec<Refusal> {
    match metadata["name"].as_str().unwrap_or_default() {
        "" => vec![refusal("name", "is required").blocking()],
        name if !is_subdomain(name) => vec![refusal(
            "name",
            format!(
                "'{name}' must be at most 253 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
            ),
        )],
        _ => Vec::new(),
    }
}

fn generation(metadata: &Value) -> Vec<Refusal> {
    let negative = metadata["generation"].as_i64().filter(|it| *it < 0);
    negative.into_iter().map(|_| refusal("generation", "must be greater than or equal to 0")).collect()
}

fn labels(metadata: &Value) -> Vec<Refusal> {
    let mut found = Vec::new();
    for (key, value) in pairs(&metadata["labels"]) {
        if !is_qualified_name(key) {
            found.push(refusal("labels", not_qualified(key)));
        }
        if !is_label_value(value) {
            found.push(refusal(
                "labels",
                format!(
                    "the value '{value}' of '{key}' must be at most 63 letters, digits, '-', '_' and '.', with a letter or \
                     digit at both ends"
                ),
            ));
        }
    }
    found
}

fn annotations(metadata: &Value) -> Vec<Refusal> {
    let annotations = &metadata["annotations"];
    let keys = pairs(annotations).map(|(key, _)| key).filter(|key| !is_qualified_name(&key.to_lowercase()));
    let mut found: Vec<_> = keys.map(|key| refusal("annotations", not_qualified(key))).collect();
    let size: usize = pairs(annotations).map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATION_BYTES {
        let message = format!("must have at most {ANNOTATION_BYTES} bytes in all, not {size}");
        found.push(refusal("annotations", message).blocking());
    }
    found
}

fn finalizers(metadata: &Value) -> Vec<Refusal> {
    let names = metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.filter(|it| !is_qualified_name(it)).map(|it| refusal("finalizers", not_qualified(it))).collect()
}

fn owners(metadata: &Value) -> Vec<Refusal> {
    let mut found = Vec::new();
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        let empty = |name: &&str| owner[*name].as_str().unwrap_or_default().is_empty();
        let fields = ["apiVersion", "kind", "name", "uid"].into_iter().filter(empty);
        found.extend(fields.map(|name| refusal(&format!("ownerReferences.{name}"), "must not be empty")));
    }
    found
}

fn pairs(map: &Value) -> impl Iterator<Item = (&str, &str)> {
    let fields = map.as_object().into_iter().flatten();
    fields.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn not_qualified(key: &str) -> String {
    format!(
        "'{key}' must be a name of at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, \
         after an optional DNS domain and '/'"
    )
}
