//! Describes what a user changed in the spec.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::{api::status::LastChange, engine::status_history::StatusHistory};

/// Returns the changes of the newest generation; `None` if the status already contains them.
#[must_use]
pub fn last_change(
    object: &DynamicObject,
    history: &StatusHistory,
    before: Option<&LastChange>,
    observed: Option<i64>,
    now: Timestamp,
) -> Option<LastChange> {
    let generation = object.metadata.generation?;
    let previous = history.previous_spec(object);
    if before.is_some_and(|change| change.generation == generation) {
        return None;
    }
    let changes = match (previous, observed) {
        (Some(old), _) => changes(&old, object.data.get("spec").unwrap_or(&Value::Null)),
        (None, None) => vec!["created".to_owned()],
        (None, Some(_)) => vec!["changed while the operator was not running".to_owned()],
    };
    Some(LastChange { generation, changes, time: Time(now) })
}

/// Returns the user's changes as `path: old → new`; at most 8 paths, and the number of further ones.
#[must_use]
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut all = Vec::new();
    differences("spec", old, new, &mut all);
    let more = all.len().saturating_sub(8);
    all.truncate(8);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

fn differences(path: &str, old: &Value, new: &Value, into: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &at(a), &at(b), into);
            }
        }
        _ => into.push(format!("{path}: {} → {}", short(old), short(new))),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_as_old_and_new_by_path() {
        let old = json!({ "image": "a:1", "components": { "all": { "replicas": 2 } } });
        let new = json!({ "image": "a:2", "components": { "all": { "replicas": 2 }, "rest": {} } });
        assert_eq!(changes(&old, &new), ["spec.components.rest: unset → {}", "spec.image: a:1 → a:2"]);
        assert!(changes(&old, &old).is_empty());
        let many: serde_json::Map<String, Value> = (0..12).map(|i| (i.to_string(), json!(i))).collect();
        let told = changes(&json!({}), &Value::Object(many));
        assert_eq!((told.len(), told[8].as_str()), (9, "and 4 more"));
    }
}
