//! The objects that a workload leaves, and the differences between two of its runs.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ListParams;
use logpilot_operator::{engine::kind::Management, kinds::KINDS};
use serde_json::Value;

use super::{
    cluster::{case::Case, kinds},
    monitor::{MONITORING, system_namespace},
};

/// Every leaf of every object, by its path.
pub type EndState = BTreeMap<String, Value>;

/// Reads the resource's objects; the name of its namespace is replaced with `L` everywhere, so that runs
/// in different namespaces can be compared.
pub async fn read(case: &Case) -> EndState {
    let mut leaves = EndState::new();
    let selected = ListParams::default().labels(&format!("{}={}", case.of.label, case.name));
    for kind in KINDS.iter().filter(|kind| kind.management != Management::ReadOnly) {
        let beside = MONITORING.contains(&kind.plural).then(|| system_namespace(case.ns()));
        let mut items = Vec::new();
        for namespace in [case.ns().to_owned()].into_iter().chain(beside) {
            match kinds::api(&case.client, kind, &namespace).list(&selected).await {
                Ok(list) => items.extend(list.items),
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => panic!("list {}: {error}", kind.plural),
            }
        }
        for object in items {
            let mut value = serde_json::to_value(&object).unwrap();
            let fields = value.as_object_mut().unwrap();
            fields.remove("status");
            let meta = fields.get_mut("metadata").unwrap().as_object_mut().unwrap();
            // Fields that count writes instead of holding written values.
            for counter in ["managedFields", "resourceVersion", "generation"] {
                meta.remove(counter);
            }
            let text = value.to_string().replace(case.ns(), "L");
            let value: Value = serde_json::from_str(&text).unwrap();
            let place =
                format!("{} {}", kind.kind, value.pointer("/metadata/name").unwrap().as_str().unwrap());
            flatten(&place, &value, &mut leaves);
        }
    }
    leaves
}

fn flatten(place: &str, value: &Value, leaves: &mut EndState) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                flatten(&format!("{place}/{field}"), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{place}/{index}"), value, leaves);
            }
        }
        leaf => {
            leaves.insert(place.to_owned(), leaf.clone());
        }
    }
}

/// Returns the paths in which two runs without a fault differ: UIDs, times, random keys, allocated
/// addresses.
pub fn mask(one: &EndState, other: &EndState) -> BTreeSet<String> {
    let places: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    places.into_iter().filter(|place| one.get(*place) != other.get(*place)).cloned().collect()
}

/// Returns the differences between a run and one without a fault.
pub fn differences(expected: &EndState, seen: &EndState, mask: &BTreeSet<String>) -> Vec<String> {
    let places: BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
    places
        .into_iter()
        .filter(|place| !mask.contains(*place))
        .filter_map(|place| match (expected.get(place), seen.get(place)) {
            (Some(expected), None) => Some(format!("{place}: missing, should be {expected}")),
            (None, Some(seen)) => Some(format!("{place}: should not be there, is {seen}")),
            (expected, seen) if expected != seen => {
                Some(format!("{place}: is {}, should be {}", seen.unwrap(), expected.unwrap()))
            }
            _ => None,
        })
        .collect()
}

mod tests {
    use serde_json::json;

    use super::*;

    fn state(value: &Value) -> EndState {
        let mut leaves = EndState::new();
        flatten("Kind x", value, &mut leaves);
        leaves
    }

    #[test]
    fn only_state_common_to_two_runs_is_compared() {
        let one = state(&json!({ "uid": "1", "spec": { "a": [1, 2], "b": {} } }));
        let other = state(&json!({ "uid": "2", "spec": { "a": [1, 2], "b": {} } }));
        let mask = mask(&one, &other);
        assert_eq!(mask.iter().collect::<Vec<_>>(), ["Kind x/uid"]);
        let third = state(&json!({ "uid": "3", "spec": { "a": [1, 3] , "c": true } }));
        assert_eq!(
            differences(&one, &third, &mask),
            [
                "Kind x/spec/a/1: is 3, should be 2",
                "Kind x/spec/b: missing, should be {}",
                "Kind x/spec/c: should not be there, is true",
            ]
        );
        assert!(differences(&one, &other, &mask).is_empty());
    }
}
