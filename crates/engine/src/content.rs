//! Compares the content of a live object with the plan, regardless of who wrote the object. An object
//! that was restored from a backup has lost what identifies its creator (managedFields, owner
//! references). The operator adopts it again if it contains everything that is planned: the write then
//! changes only the ownership of the fields. A client that copies the labels of such an object gains
//! nothing.

use serde_json::{Map, Value};

use super::{fingerprint::holds_quantity, quantity::nano};

/// Maps whose meaning changes with one more entry: selectors, and data that a program reads as a whole.
const WHOLE: [&str; 7] =
    ["matchLabels", "selector", "podSelector", "namespaceSelector", "nodeSelector", "data", "binaryData"];

/// Maps that define what runs and where requests are sent. An unplanned field in them, such as a
/// command, an init container or an external address, is a difference.
const CLOSED: [&str; 3] = ["spec", "containers", "initContainers"];

/// Fields of those maps that the API server or a controller fills in when they are not set.
const FILLED_IN: [&str; 37] = [
    "allocateLoadBalancerNodePorts",
    "backoffLimit",
    "behavior",
    "clusterIP",
    "clusterIPs",
    "completionMode",
    "completions",
    "concurrencyPolicy",
    "dnsPolicy",
    "enableServiceLinks",
    "externalTrafficPolicy",
    "failedJobsHistoryLimit",
    "healthCheckNodePort",
    "imagePullPolicy",
    "ingressClassName",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "minReplicas",
    "parallelism",
    "podReplacementPolicy",
    "policyTypes",
    "progressDeadlineSeconds",
    "replicas",
    "restartPolicy",
    "revisionHistoryLimit",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "sessionAffinity",
    "strategy",
    "successfulJobsHistoryLimit",
    "suspend",
    "terminationGracePeriodSeconds",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "type",
];

/// Returns where a live object first differs from a planned body, or `None` if it contains everything
/// in the body. Fields that the plan does not mention belong to the API server or to other managers, as
/// for every object of the operator. `own` is the prefix of the operator's own annotations.
#[must_use]
pub(super) fn difference(planned: &Value, live: &Value, own: &str) -> Option<String> {
    let fields = ["apiVersion", "kind"];
    let planned = planned.as_object()?;
    planned
        .iter()
        .filter(|(name, _)| !fields.contains(&name.as_str()))
        .find_map(|(name, value)| match (name.as_str(), value.as_object()) {
            ("metadata", Some(meta)) => of_metadata(meta, live.get("metadata"), own),
            _ => below(name, value, live.get(name), "", own),
        })
        .map(|path| path.trim_start_matches('.').to_owned())
}

/// Compares the metadata. Owner references are skipped because a restore drops them. The operator's
/// annotations are skipped too: they hold hashes that are salted with the resource's UID, and do not
/// change what the object does.
fn of_metadata(planned: &Map<String, Value>, live: Option<&Value>, own: &str) -> Option<String> {
    planned
        .iter()
        .filter(|(name, _)| *name != "ownerReferences")
        .find_map(|(name, value)| below(name, value, live.and_then(|live| live.get(name)), "metadata", own))
        .map(|path| format!(".metadata{path}"))
}

/// Returns the path of the first difference under a field. The path begins with the field's name.
fn below(name: &str, planned: &Value, live: Option<&Value>, parent: &str, own: &str) -> Option<String> {
    let here = || Some(format!(".{name}"));
    match (planned, live) {
        (Value::Null, _) => None,
        // The API server does not store what is empty.
        (planned, None | Some(Value::Null)) => {
            if is_empty(planned) {
                None
            } else {
                here()
            }
        }
        (Value::Object(planned), Some(Value::Object(live))) => {
            if WHOLE.contains(&name) && planned.len() != live.len() {
                return here();
            }
            planned
                .iter()
                .filter(|(key, _)| !(name == "annotations" && is_ours(key, own)))
                .find_map(|(key, value)| below(key, value, live.get(key), name, own))
                .or_else(|| if CLOSED.contains(&name) { unplanned(planned, live) } else { None })
                .map(|path| format!(".{name}{path}"))
        }
        (Value::Array(planned), Some(Value::Array(live))) => {
            if planned.len() != live.len() {
                return here();
            }
            planned.iter().zip(live).enumerate().find_map(|(at, (planned, live))| {
                let path = below(name, planned, Some(live), parent, own)?;
                Some(format!(".{name}[{at}]{}", path.strip_prefix(&format!(".{name}")).unwrap_or_default()))
            })
        }
        (planned, Some(live)) if planned == live => None,
        (planned, Some(live)) if holds_quantity(parent, name) => {
            let number =
                |value: &Value| nano(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            if number(planned).is_some() && number(planned) == number(live) { None } else { here() }
        }
        _ => here(),
    }
}

/// Returns the first field that is neither planned nor filled in by the API server or a controller.
fn unplanned(planned: &Map<String, Value>, live: &Map<String, Value>) -> Option<String> {
    let extra = |(key, value): &(&String, &Value)| {
        let nothing = is_empty(value) || value.as_object().is_some_and(Map::is_empty);
        !planned.contains_key(key.as_str()) && !FILLED_IN.contains(&key.as_str()) && !nothing
    };
    live.iter().find(extra).map(|(key, _)| format!(".{key}"))
}

fn is_ours(annotation: &str, own: &str) -> bool {
    annotation.split_once('/').is_some_and(|(prefix, _)| prefix == own)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) | Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kinds::DOMAIN;

    fn difference(planned: &Value, live: &Value) -> Option<String> {
        super::difference(planned, live, DOMAIN.owner_group)
    }

    fn planned() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "d", "labels": { "app": "d", "ours": "x" }, "ownerReferences": [{ "uid": "new" }],
                "annotations": { "a": "b", "toys.example.com/hash": "new" },
            },
            "spec": { "selector": { "matchLabels": { "app": "d" } }, "template": {
                "metadata": { "annotations": { "toys.example.com/hash": "new" } },
                "spec": {
                    "containers": [{ "name": "c", "image": "i", "periodSeconds": 0,
                        "resources": { "requests": { "memory": "1024Mi" } },
                        "ports": [{ "containerPort": 80 }] }],
                    "volumes": [{ "name": "t", "emptyDir": {} }],
                },
            } },
        })
    }

    fn restored() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "d", "uid": "u", "labels": { "app": "d", "ours": "x", "velero.io/restore-name": "r" },
                "annotations": { "a": "b", "toys.example.com/hash": "old" },
            },
            "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "d" } }, "template": {
                "metadata": { "annotations": { "toys.example.com/hash": "old" } },
                "spec": {
                    "dnsPolicy": "ClusterFirst",
                    "containers": [{ "name": "c", "image": "i", "imagePullPolicy": "Always",
                        "resources": { "requests": { "memory": "1Gi" } },
                        "ports": [{ "containerPort": 80, "protocol": "TCP" }] }],
                    "volumes": [{ "name": "t", "emptyDir": {} }],
                },
            } },
        })
    }

    #[test]
    fn a_restored_object_matches_the_plan() {
        assert_eq!(difference(&planned(), &restored()), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        let pod = "/spec/template/spec";
        for (pointer, value, path) in [
            ("/metadata/labels/ours".to_owned(), json!("y"), "metadata.labels.ours"),
            ("/metadata/annotations/a".to_owned(), json!("c"), "metadata.annotations.a"),
            (
                "/spec/selector/matchLabels".to_owned(),
                json!({ "app": "d", "b": "c" }),
                "spec.selector.matchLabels",
            ),
            (format!("{pod}/containers/0/image"), json!("other"), "spec.template.spec.containers[0].image"),
            (
                format!("{pod}/containers/0/resources/requests/memory"),
                json!("2Gi"),
                "spec.template.spec.containers[0].resources.requests.memory",
            ),
            (format!("{pod}/containers/0/ports"), json!([]), "spec.template.spec.containers[0].ports"),
            (format!("{pod}/volumes"), Value::Null, "spec.template.spec.volumes"),
            (format!("{pod}/volumes/0/emptyDir"), Value::Null, "spec.template.spec.volumes[0].emptyDir"),
        ] {
            let mut live = restored();
            *live.pointer_mut(&pointer).unwrap() = value;
            assert_eq!(difference(&planned(), &live).as_deref(), Some(path));
        }
        for (pointer, key, path) in [
            (format!("{pod}/containers/0"), "command", "spec.template.spec.containers[0].command"),
            (format!("{pod}/containers/0"), "envFrom", "spec.template.spec.containers[0].envFrom"),
            (pod.to_owned(), "initContainers", "spec.template.spec.initContainers"),
            (pod.to_owned(), "nodeName", "spec.template.spec.nodeName"),
            ("/spec".to_owned(), "externalIPs", "spec.externalIPs"),
        ] {
            let mut live = restored();
            live.pointer_mut(&pointer).unwrap()[key] = json!(["x"]);
            assert_eq!(difference(&planned(), &live).as_deref(), Some(path));
        }
        let mut sidecar = restored();
        let containers = sidecar.pointer_mut("/spec/template/spec/containers").unwrap();
        containers.as_array_mut().unwrap().push(json!({ "name": "sidecar" }));
        assert_eq!(difference(&planned(), &sidecar).as_deref(), Some("spec.template.spec.containers"));
    }

    #[test]
    fn data_has_to_be_equal_as_a_whole() {
        let planned = json!({ "metadata": { "name": "c" }, "data": { "a": "1" } });
        let more = json!({ "metadata": { "name": "c" }, "data": { "a": "1", "b": "2" } });
        assert_eq!(difference(&planned, &planned), None);
        assert_eq!(difference(&planned, &more).as_deref(), Some("data"));
    }
}
