//! What a resource says to no effect: the API server or kubectl drops it without a word.

use serde_json::Value;

use super::metadata;
use crate::workload::{
    json::{child, item},
    patch::structure,
};

/// Something that is accepted and means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub path: String,
    pub message: String,
}

/// All of an object that is accepted.
pub fn remarks(object: &Value, structure: &Value) -> Vec<Remark> {
    let mut nulls = Vec::new();
    structure::nulls(object, structure, "", &mut nulls);
    metadata::nulls(object, &mut nulls);
    let remark = |message: &'static str| move |path| Remark { path, message: message.to_owned() };
    let mut found: Vec<Remark> = nulls
        .into_iter()
        .map(remark(
            "has nothing behind it, so that the API server drops it: it means the same as left out; write a value, or `{}` \
             for a block with its defaults",
        ))
        .collect();
    if object.pointer("/metadata/namespace").and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
        found.push(remark(
            "is dropped: the resource itself is in no namespace; `spec.namespace.name` says where the servers run",
        )("metadata.namespace".to_owned()));
    }
    let mut kept = Vec::new();
    // Where the whole field is null it is dropped, which is said above.
    if let Some(overlay) = object.pointer("/spec/config/overlay").filter(|it| it.is_object()) {
        empty(overlay, "spec.config.overlay", &mut kept);
    }
    found.extend(kept.drain(..).map(remark(
        "is null, which `kubectl apply` drops unless it is `--server-side`; write `''` for an empty value",
    )));
    let patches = object.pointer("/spec/patches").and_then(Value::as_array);
    for (index, patch) in patches.into_iter().flatten().enumerate() {
        if let Some(patch) = patch.get("patch") {
            empty(patch, &format!("{}.patch", item("spec.patches", index)), &mut kept);
        }
    }
    found.extend(kept.into_iter().map(remark(
        "is null, which `kubectl apply` drops unless it is `--server-side`; use `type: Strategic` with `$patch: delete` in \
         the object that is to go",
    )));
    found
}

/// The paths of every `null` in free form.
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
