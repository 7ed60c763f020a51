//! Remarks about parts of a resource that have no effect: the API server or kubectl drops them
//! silently.

use serde_json::Value;

use super::metadata;
use crate::{
    stack,
    workload::{
        json::{child, item},
        patch::structure,
    },
};

/// A part of a resource that is accepted and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub path: String,
    pub message: String,
}

/// Returns all remarks about an accepted object.
pub fn remarks(object: &Value, kind: &str, structure: &Value) -> Vec<Remark> {
    let mut nulls = Vec::new();
    structure::nulls(object, structure, "", &mut nulls);
    metadata::nulls(object, &mut nulls);
    let remark = |message: &'static str| move |path| Remark { path, message: message.to_owned() };
    let mut found: Vec<Remark> = nulls
        .into_iter()
        .map(remark(
            "has no value: the API server drops it, as if it were absent; write a value, or `{}` \
             for a block with its defaults",
        ))
        .collect();
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    if kind == stack::api::KIND {
        if namespace.is_empty() {
            found.push(remark(
                "is absent: kubectl uses the namespace of its context, and the output shows `default`; write the \
                 namespace of the stack",
            )("metadata.namespace".to_owned()));
        }
    } else if !namespace.is_empty() {
        found.push(remark(
            "is dropped: the resource is cluster-scoped; use `spec.namespace.name` for the namespace of the servers",
        )("metadata.namespace".to_owned()));
    }
    let mut kept = Vec::new();
    // If the whole field is null it is dropped, which is reported above.
    if let Some(overlay) = object.pointer("/spec/config/overlay").filter(|it| it.is_object()) {
        empty(overlay, "spec.config.overlay", &mut kept);
    }
    found.extend(kept.drain(..).map(remark(
        "is null, which `kubectl apply` drops without `--server-side`; write `''` for an empty value",
    )));
    let patches = object.pointer("/spec/patches").and_then(Value::as_array);
    for (index, patch) in patches.into_iter().flatten().enumerate() {
        if let Some(patch) = patch.get("patch") {
            empty(patch, &format!("{}.patch", item("spec.patches", index)), &mut kept);
        }
    }
    found.extend(kept.into_iter().map(remark(
        "is null, which `kubectl apply` drops without `--server-side`; use `type: Strategic` with `$patch: delete` in \
         the object to remove",
    )));
    found
}

/// Returns the paths of every `null` in free-form fields.
fn empty(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(path.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| empty(value, &item(path, index), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| empty(value, &child(path, name), found));
        }
        _ => {}
    }
}
