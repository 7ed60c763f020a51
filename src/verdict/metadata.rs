//! `metadata`, `apiVersion` and `kind`, whose schema is the API server's own.

use serde_json::{Value, json};

use super::{Layer, Refusal, structure};
use crate::{
    api::{GROUP, KIND, VERSION},
    manifest::places::child,
    objects::names::{is_label_value, is_qualified_name, is_subdomain},
};

/// All of them together.
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

/// Whether the object is of the kind that is served here; everything else is judged by the definition of that kind.
pub fn check_type(object: &Value, found: &mut Vec<Refusal>) {
    let expected = format!("{GROUP}/{VERSION}");
    for (field, expected) in [("apiVersion", expected.as_str()), ("kind", KIND)] {
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

/// What the API server says of `metadata` when an object is created. It drops a namespace, which Kustomize gives to
/// every kind that it does not know.
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
    let mut refuse = |path: &str, message: String| found.push(Refusal::new(Layer::Schema, path, message));
    match metadata["name"].as_str().unwrap_or_default() {
        "" => refuse("metadata.name", "is required".to_owned()),
        name if !is_subdomain(name) => refuse(
            "metadata.name",
            format!(
                "'{name}' must be lower-case letters, digits, '-' and '.', at most 253, with a letter or digit at both ends"
            ),
        ),
        _ => {}
    }
    if metadata["generation"].as_i64().is_some_and(|it| it < 0) {
        refuse("metadata.generation", "must be greater than or equal to 0".to_owned());
    }
    let pairs = |field: &str| {
        let fields = metadata[field].as_object().into_iter().flatten();
        fields
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    for (key, value) in pairs("labels") {
        if !is_qualified_name(&key) {
            refuse("metadata.labels", not_qualified(&key));
        }
        if !is_label_value(&value) {
            refuse(
                "metadata.labels",
                format!(
                    "the value of '{key}' must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends: '{value}'"
                ),
            );
        }
    }
    let annotations = pairs("annotations");
    for (key, _) in &annotations {
        if !is_qualified_name(&key.to_lowercase()) {
            refuse("metadata.annotations", not_qualified(key));
        }
    }
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATION_BYTES {
        refuse(
            "metadata.annotations",
            format!("must have at most {ANNOTATION_BYTES} bytes in all, not {size}"),
        );
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !is_qualified_name(finalizer) {
            refuse("metadata.finalizers", not_qualified(finalizer));
        }
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                refuse(&child("metadata.ownerReferences", field), "must not be empty".to_owned());
            }
        }
    }
}

fn not_qualified(key: &str) -> String {
    format!(
        "'{key}' must be a name of at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends, \
         after an optional DNS domain and '/'"
    )
}
