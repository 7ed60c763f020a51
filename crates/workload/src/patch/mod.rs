//! Applies users' patches to planned objects, and validates the result against the fields of the kind,
//! the protected fields, and the rules of pods. Pure; no client here.

pub mod identity;
pub mod pod_security;
pub mod pods;
pub mod protected;
pub mod schemas;
pub mod structure;

use engine::{kind::Management, plan::Planned};
use json_patch::PatchOperation;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{json::text, names};

/// A violation in an object: the path below it, and the reason.
pub type Found = Vec<(String, String)>;

/// The directive in an object of a strategic patch: `delete` or `replace`, as in kubectl.
pub const DIRECTIVE: &str = "$patch";

/// Keeps the violations that the original object did not have.
#[must_use]
pub fn new_ones(before: &[(String, String)], mut after: Found) -> Found {
    after.retain(|found| !before.contains(found));
    after
}

/// Returns whether a patch of this kind and name is for this object. Objects that are only created and
/// never repaired hold a secret.
#[must_use]
pub fn targets((kind, target): (&str, &str), planned: &Planned) -> bool {
    let name = &planned.key.name;
    let named = match planned.kind.management {
        Management::CreateOnly => false,
        // Applies to every config check: its hash is not known when the patch is written.
        Management::RunToCompletion => name == target || names::without_hash(name) == Some(target),
        _ => name == target,
    };
    named && planned.kind.kind == kind
}

/// The directives in a patch, by path.
#[must_use]
pub fn directives(value: &Value, at: &str) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                let path = format!("{at}.{name}");
                if name == DIRECTIVE { vec![(path, field.clone())] } else { directives(field, &path) }
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| directives(item, &format!("{at}[{index}]")))
            .collect(),
        _ => Vec::new(),
    }
}

/// The error of a patch that cannot be applied to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the operation that failed.
    pub operation: usize,
    pub why: String,
}

/// Applies RFC 6902. An object without labels or annotations gets them with the first one that is
/// added: the user cannot know whether the operator wrote any.
///
/// # Errors
/// The operation that fails; the body is then as it was.
pub fn operate(body: &mut Value, operations: &[Value]) -> Result<(), Failure> {
    let mut patched = body.clone();
    for (index, operation) in operations.iter().enumerate() {
        let failed = |why: String| Failure { operation: index, why };
        let known = PatchOperation::deserialize(operation);
        let known = known.map_err(|error| failed(format!("is incomplete: {error}")))?;
        let path = text(operation, "/path").unwrap_or_default();
        let parent = path.rsplit_once('/').map(|(parent, _)| parent);
        if let (PatchOperation::Add(_), Some(parent)) = (&known, parent) {
            make_pairs(&mut patched, parent);
        }
        json_patch::patch(&mut patched, std::slice::from_ref(&known))
            .map_err(|error| failed(format!("cannot be applied at '{path}': {}", error.kind)))?;
    }
    *body = patched;
    Ok(())
}

/// Creates labels or annotations if the object has none.
fn make_pairs(body: &mut Value, parent: &str) {
    let Some((metadata, pairs)) = parent.rsplit_once('/') else { return };
    if !metadata.ends_with("/metadata") || !["labels", "annotations"].contains(&pairs) {
        return;
    }
    if let Some(fields) = body.pointer_mut(metadata).and_then(Value::as_object_mut) {
        fields.entry(pairs).or_insert_with(|| Value::Object(Map::new()));
    }
}

/// Applies RFC 7386; a strategic patch also merges lists by key and supports directives.
pub fn merge(base: &mut Value, patch: &Map<String, Value>, strategic: bool) {
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    let Some(fields) = base.as_object_mut() else { return };
    for (name, change) in patch.iter().filter(|(name, _)| !(strategic && *name == DIRECTIVE)) {
        match change {
            Value::Null => {
                fields.remove(name);
            }
            Value::Object(change) if strategic && directive(change) == Some("delete") => {
                fields.remove(name);
            }
            Value::Object(change) => {
                let below = fields.entry(name.clone()).or_insert(Value::Null);
                if strategic && directive(change) == Some("replace") {
                    *below = Value::Null;
                }
                merge(below, change, strategic);
                // An object that the patch empties would be applied as an empty map; `emptyDir: {}` is
                // specified as an empty one.
                if !change.is_empty() && below.as_object().is_some_and(Map::is_empty) {
                    fields.remove(name);
                }
            }
            Value::Array(items) if strategic => {
                let below = fields.entry(name.clone()).or_insert(Value::Null);
                merge_list(below, name, items);
                if !items.is_empty() && below.as_array().is_some_and(Vec::is_empty) {
                    fields.remove(name);
                }
            }
            other => {
                fields.insert(name.clone(), other.clone());
            }
        }
    }
}

/// Merges items with the same key and appends others; a list without keys is replaced.
fn merge_list(base: &mut Value, name: &str, items: &[Value]) {
    let Some(key) = items.iter().find_map(|item| list_key(name, item)) else {
        *base = Value::Array(items.to_vec());
        return;
    };
    let mut merged = base.as_array().cloned().unwrap_or_default();
    for item in items {
        let Some(change) = item.as_object() else { continue };
        let at = merged.iter().position(|known| known.get(key).is_some() && known.get(key) == item.get(key));
        match (directive(change), at) {
            (Some("delete"), Some(at)) => {
                merged.remove(at);
            }
            (Some("delete"), None) => {}
            (how, Some(at)) => {
                if let Some(known) = merged.get_mut(at) {
                    if how == Some("replace") {
                        *known = Value::Null;
                    }
                    merge(known, change, true);
                }
            }
            (_, None) => {
                let mut added = Value::Null;
                merge(&mut added, change, true);
                merged.push(added);
            }
        }
    }
    *base = Value::Array(merged);
}

/// Returns the merge keys of a list, for the built-in kinds that the operator generates.
fn list_key(list: &str, item: &Value) -> Option<&'static str> {
    let keys: &[&'static str] = match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "listeners" => &["name"],
        "volumeMounts" => &["mountPath"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        "ports" => &["containerPort", "port"],
        _ => &[],
    };
    keys.iter().copied().find(|key| item.get(*key).is_some())
}

fn directive(change: &Map<String, Value>) -> Option<&str> {
    change.get(DIRECTIVE).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const MERGE: bool = false;
    const STRATEGIC: bool = true;

    fn patched(mut body: Value, strategic: bool, changes: Value) -> Value {
        let Value::Object(patch) = changes else { panic!("a patch is an object") };
        merge(&mut body, &patch, strategic);
        body
    }

    /// The cases of RFC 7386, appendix A, whose patch is an object.
    #[rstest]
    #[case(json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"}))]
    #[case(json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"}))]
    #[case(json!({"a":"b"}), json!({"a":null}), json!({}))]
    #[case(json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"}))]
    #[case(json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"}))]
    #[case(json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]}))]
    #[case(json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}}))]
    #[case(json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]}))]
    #[case(json!({"e":1}), json!({"a":1}), json!({"e":1,"a":1}))]
    #[case(json!([1,2]), json!({"a":"b","c":null}), json!({"a":"b"}))]
    fn a_merge_patch_is_what_the_rfc_says(#[case] body: Value, #[case] patch: Value, #[case] wanted: Value) {
        assert_eq!(patched(body, MERGE, patch), wanted);
    }

    fn pod() -> Value {
        json!({ "containers": [
            { "name": "a", "image": "i", "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }],
              "ports": [{ "containerPort": 80 }], "args": ["one"] },
        ] })
    }

    #[test]
    fn a_strategic_patch_merges_lists_by_their_keys() {
        let patch = json!({ "containers": [
            { "name": "a", "env": [{ "name": "X", "value": "3" }, { "name": "Y", "$patch": "delete" }, { "name": "Z", "value": "4" }],
              "ports": [{ "containerPort": 81 }], "args": ["two"] },
            { "name": "sidecar", "image": "s" },
        ] });
        assert_eq!(
            patched(pod(), STRATEGIC, patch),
            json!({ "containers": [
                { "name": "a", "image": "i", "env": [{ "name": "X", "value": "3" }, { "name": "Z", "value": "4" }],
                  "ports": [{ "containerPort": 80 }, { "containerPort": 81 }], "args": ["two"] },
                { "name": "sidecar", "image": "s" },
            ] })
        );
    }

    #[test]
    fn directives_remove_and_replace() {
        let body = json!({ "a": { "b": 1, "c": 2 }, "d": 3, "e": { "f": 1 } });
        let patch = json!({ "a": { "$patch": "replace", "x": 1 }, "d": { "$patch": "delete" }, "e": { "$patch": "delete" } });
        assert_eq!(patched(body.clone(), STRATEGIC, patch.clone()), json!({ "a": { "x": 1 } }));
        // A merge patch has no directives.
        assert_eq!(patched(body, MERGE, json!({ "d": { "$patch": "x" } }))["d"], json!({ "$patch": "x" }));
    }

    #[test]
    fn what_a_patch_empties_is_not_owned_as_an_empty_map() {
        let body = json!({ "m": { "a": 1 }, "v": [{ "emptyDir": {} }] });
        assert_eq!(patched(body, MERGE, json!({ "m": { "a": null } })), json!({ "v": [{ "emptyDir": {} }] }));
    }
}
