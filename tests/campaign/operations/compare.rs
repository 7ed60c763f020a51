//! Compares two states, except for what differs between any two runs and what a resource's past
//! legitimately leaves.

use std::collections::BTreeSet;

use logpilot_operator::engine::quantity;
use serde_json::Value;

use super::super::end_state::{self, EndState};

/// Permitted differences from a resource that was created with the spec, with the reason.
const LEFT: &[(&str, &str)] = &[
    ("Deployment/metadata/annotations/deployment.kubernetes.io/revision", "counts the rollouts"),
    ("Deployment/spec/template/metadata/annotations/logpilot.io/references-hash", "salted with the UID"),
    ("PersistentVolumeClaim/spec/resources/requests/storage", "a PVC cannot shrink"),
    (
        "PersistentVolumeClaim/metadata/annotations/logpilot.io/restores",
        "no restore runs twice on the same data",
    ),
];

/// Fields that are written once, and never again.
const ONCE: &[(&str, &str)] = &[
    ("Secret L-api-key/metadata/labels/", "the key's Secret is not watched"),
    ("Secret L-api-key/metadata/annotations/", "the key's Secret is not watched"),
];

/// Kinds of which some objects outlive the spec that created them, with the reason.
const KEPT: &[(&str, &str, &str)] = &[
    ("PersistentVolumeClaim", "", "data is never deleted"),
    ("ConfigMap", "-config-", "ReplicaSets of a rollback name it"),
    ("Secret", "-api-key", "clients have it"),
];
/// A completed Job is never run again, and it is deleted after its time.
const RAN: &str = "Job ";

/// Returns the path of a leaf in any object of its kind; for fields common to every object, in any
/// object.
fn anywhere(place: &str) -> String {
    let (kind, rest) = place.split_once(' ').unwrap_or((place, ""));
    let of_all = ["/metadata/uid", "/metadata/creationTimestamp", "/metadata/ownerReferences/"];
    let kind = if of_all.iter().any(|part| rest.contains(part)) { "*" } else { kind };
    let parts = rest.split('/').skip(1).map(|part| if part.parse::<usize>().is_ok() { "#" } else { part });
    parts.fold(kind.to_owned(), |all, part| format!("{all}/{part}"))
}

/// Returns the paths that differ between any two equal runs, for any object of the kind.
pub fn mask(one: &EndState, other: &EndState) -> BTreeSet<String> {
    end_state::mask(one, other).iter().map(|place| anywhere(place)).collect()
}

/// Returns the differences between a state with a past and one without.
pub fn differences(fresh: &EndState, seen: &EndState, mask: &BTreeSet<String>) -> Vec<String> {
    let scaled = |place: &str| {
        let object = place.split('/').next().unwrap_or_default();
        let autoscaler = object.replace("Deployment ", "HorizontalPodAutoscaler ");
        place == format!("{object}/spec/replicas")
            && seen.contains_key(&format!("{autoscaler}/metadata/name"))
    };
    // The same quantity in another notation is no reason to restart a pod.
    let same_quantity = |place: &str| {
        let amount = |state: &EndState| state.get(place).and_then(Value::as_str).and_then(quantity::nano);
        place.contains("/resources/") && amount(fresh).is_some() && amount(fresh) == amount(seen)
    };
    let leaves = fresh.keys().chain(seen.keys());
    let passed: BTreeSet<String> = leaves
        .filter(|place| {
            let general = anywhere(place);
            let object = place.split('/').next().unwrap_or_default();
            let kept = KEPT.iter().any(|(kind, part, _)| {
                object.strip_prefix(kind).is_some_and(|name| name.starts_with(' ') && name.contains(part))
            });
            let past =
                place.starts_with(RAN) || kept && !fresh.contains_key(&format!("{object}/metadata/name"));
            let once = ONCE.iter().any(|(part, _)| place.starts_with(part));
            once || mask.contains(&general)
                || LEFT.iter().any(|(left, _)| *left == general)
                || past
                || scaled(place)
                || same_quantity(place)
        })
        .cloned()
        .collect();
    let found = end_state::differences(fresh, seen, &passed);
    // A missing or superfluous object is reported by one leaf.
    let alone = |place: &str| {
        let object = place.split('/').next().unwrap_or_default();
        let name = format!("{object}/metadata/name");
        let whole = fresh.contains_key(&name) != seen.contains_key(&name);
        !whole || place.starts_with(&name)
    };
    found.into_iter().filter(|found| alone(found)).collect()
}

mod tests {
    use serde_json::json;

    use super::*;

    fn state(leaves: &[(&str, i64)]) -> EndState {
        leaves.iter().map(|(place, value)| ((*place).to_owned(), json!(value))).collect()
    }

    #[test]
    fn equal_quantities_compare_equal() {
        let limit =
            |text: &str| EndState::from([("Deployment a/x/resources/limits/cpu".to_owned(), json!(text))]);
        assert!(differences(&limit("1"), &limit("1000m"), &BTreeSet::new()).is_empty());
        assert_eq!(differences(&limit("1"), &limit("1001m"), &BTreeSet::new()).len(), 1);
    }

    #[test]
    fn only_expected_history_differences_are_ignored() {
        let of = |uid| {
            state(&[
                ("Service a/metadata/uid", uid),
                ("Deployment a/spec/replicas", 1),
                ("ConfigMap L-all-config-2/metadata/name", 1),
                ("ConfigMap L-all-config-2/data", 1),
            ])
        };
        let fresh = of(1);
        let mask = mask(&fresh, &of(2));
        assert_eq!(mask.iter().collect::<Vec<_>>(), ["*/metadata/uid"]);
        let told = |seen: &EndState| differences(&fresh, seen, &mask).len();

        let mut seen = fresh.clone();
        seen.extend(state(&[
            ("Service a/metadata/uid", 9),
            ("Job x/kind", 1),
            ("PersistentVolumeClaim x/kind", 1),
        ]));
        seen.extend(state(&[("ConfigMap L-all-config-1/data", 1)]));
        assert_eq!(told(&seen), 0);
        seen.extend(state(&[("ConfigMap L-dashboard/data", 1), ("ConfigMap L-dashboard/metadata/name", 1)]));
        assert_eq!(told(&seen), 1);
        seen.insert("ConfigMap L-all-config-2/data".to_owned(), json!(2));
        assert_eq!(told(&seen), 2, "one that both have");
        seen.insert("ConfigMap L-all-config-2/data".to_owned(), json!(1));
        seen.insert("Deployment a/spec/replicas".to_owned(), json!(2));
        assert_eq!(told(&seen), 2);
        seen.insert("HorizontalPodAutoscaler a/metadata/name".to_owned(), json!(1));
        assert_eq!(told(&seen), 2, "the autoscaler is superfluous, the replicas are its own");
    }
}
