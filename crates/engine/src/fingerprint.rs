//! Reduces the desired state of an object to one number, so that drift is detected without keeping the
//! objects.
//!
//! The API server records which fields the operator owns (`managedFields`). The operator's part of a
//! live object and the object that the operator would write have the same hash exactly when there is
//! nothing to write.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::quantity::nano;

/// Digest of a desired object: of the fields that an apply of `body` would make the operator's own.
#[must_use]
pub fn of_desired(body: &Value) -> u64 {
    let mut body = body.clone();
    strip_identity(&mut body);
    digest(&body)
}

/// Digest of the part of a live object that `manager` applied. `None` if it applied nothing.
#[must_use]
pub fn of_owned_fields(live: &Value, manager: &str) -> Option<u64> {
    let fields = applied_fields(live, manager)?;
    let mut ours = extract(live, fields).unwrap_or_else(|| Value::Object(Map::new()));
    strip_identity(&mut ours);
    Some(digest(&ours))
}

/// The `managedFields` entry of the fields that `manager` applied, without subresources.
#[must_use]
pub fn applied_fields<'a>(live: &'a Value, manager: &str) -> Option<&'a Value> {
    live.pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .find(|entry| {
            text(entry, "manager") == Some(manager)
                && text(entry, "operation") == Some("Apply")
                && text(entry, "subresource").unwrap_or_default().is_empty()
        })?
        .get("fieldsV1")
}

/// One entry of `managedFields`, without its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldOwner<'a> {
    pub manager: &'a str,
    pub operation: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// When the manager last changed its fields, as RFC 3339.
    pub time: &'a str,
}

impl FieldOwner<'_> {
    /// Returns whether the field was applied by `manager`, not through a subresource.
    #[must_use]
    pub fn applies_as(&self, manager: &str) -> bool {
        self.manager == manager && self.operation == "Apply" && self.subresource.is_empty()
    }
}

/// Returns every owner of a field. The field is given as a pointer into `FieldsV1`, such as
/// `/f:spec/f:replicas`.
pub fn field_owners<'a>(live: &'a Value, field: &'a str) -> impl Iterator<Item = FieldOwner<'a>> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let owners = entries.into_iter().flatten();
    owners.filter(move |entry| entry.get("fieldsV1").and_then(|fields| fields.pointer(field)).is_some()).map(
        |entry| {
            let part = |name| text(entry, name).unwrap_or_default();
            FieldOwner {
                manager: part("manager"),
                operation: part("operation"),
                subresource: part("subresource"),
                time: part("time"),
            }
        },
    )
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// Removes the type and the name: they identify the object and are not part of its desired state.
fn strip_identity(body: &mut Value) {
    if let Some(object) = body.as_object_mut() {
        object.remove("apiVersion");
        object.remove("kind");
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("name");
            meta.remove("namespace");
        }
    }
}

/// Returns the part of `live` that `fields` (the `FieldsV1` format of managedFields) covers.
fn extract(live: &Value, fields: &Value) -> Option<Value> {
    let fields = fields.as_object()?;
    let children = || fields.iter().filter(|(key, _)| *key != ".");
    if children().next().is_none() {
        // A leaf, or an atomic value, which is owned as a whole. A single `.` means that only the
        // existence of the field is owned.
        return Some(match (fields.is_empty(), live) {
            (false, Value::Object(_)) => Value::Object(Map::new()),
            (false, Value::Array(_)) => Value::Array(Vec::new()),
            _ => live.clone(),
        });
    }
    match live {
        Value::Object(object) => {
            let mut ours = Map::new();
            for (key, below) in children() {
                if let Some(name) = key.strip_prefix("f:")
                    && let Some(value) = object.get(name)
                    && let Some(part) = extract(value, below)
                {
                    ours.insert(name.to_owned(), part);
                }
            }
            Some(Value::Object(ours))
        }
        // The items are in the order of the live object: only the order among the operator's own items
        // can be the operator's.
        Value::Array(items) => Some(Value::Array(
            items
                .iter()
                .filter_map(|item| {
                    let (_, below) = children().find(|(key, _)| selects(key, item))?;
                    extract(item, below)
                })
                .collect(),
        )),
        _ => None,
    }
}

/// Returns whether a list key (`k:{…}` for list-maps, `v:…` for sets) selects this item.
fn selects(key: &str, item: &Value) -> bool {
    let parse = |json: &str| serde_json::from_str::<Value>(json).ok();
    if let Some(keys) = key.strip_prefix("k:").and_then(parse) {
        keys.as_object().is_some_and(|keys| keys.iter().all(|(name, value)| item.get(name) == Some(value)))
    } else if let Some(value) = key.strip_prefix("v:").and_then(parse) {
        *item == value
    } else {
        false
    }
}

fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(value, "", false, &mut hasher);
    hasher.finish()
}

/// Hashes by type, so that `"1"` and `1` differ, and quantities by value, so that `1024Mi` and `1Gi` do
/// not. A flag passed to each value says whether it is a quantity. When the names of two fields were
/// passed down instead, optimised builds of Rust 1.95 lost the outer name.
fn hash(value: &Value, name: &str, quantity: bool, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(truth) => (1_u8, truth).hash(hasher),
        Value::Number(_) | Value::String(_) if quantity => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match nano(&text) {
                Some(number) => (2_u8, number).hash(hasher),
                None => (3_u8, text).hash(hasher),
            }
        }
        Value::Number(number) => (4_u8, number.to_string()).hash(hasher),
        Value::String(text) => (3_u8, text).hash(hasher),
        Value::Array(items) => {
            (5_u8, items.len()).hash(hasher);
            for item in items {
                hash(item, name, quantity, hasher);
            }
        }
        Value::Object(object) => {
            let fields = || object.iter().filter(|(_, value)| !value.is_null());
            (6_u8, fields().count()).hash(hasher);
            for (key, field) in fields() {
                key.hash(hasher);
                hash(field, key, holds_quantity(name, key), hasher);
            }
        }
    }
}

/// The fields that hold quantities, which the API server rewrites to a canonical form.
pub(super) fn holds_quantity(parent: &str, name: &str) -> bool {
    const MAPS: [&str; 7] = ["requests", "limits", "default", "defaultRequest", "min", "max", "hard"];
    const FIELDS: [&str; 3] = ["sizeLimit", "averageValue", "divisor"];
    FIELDS.contains(&name) || MAPS.contains(&parent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const US: &str = "us";

    /// A Deployment as the API server returns it after an apply of the operator: with defaults, and
    /// with fields of other managers.
    fn live() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "labels": { "app": "d", "theirs": "x" },
                "annotations": { "kubectl.kubernetes.io/restartedAt": "now" },
                "managedFields": [
                    { "manager": US, "operation": "Apply", "fieldsV1": {
                        "f:metadata": { "f:labels": { "f:app": {} } },
                        "f:spec": {
                            "f:selector": {},
                            "f:template": { "f:spec": { "f:containers": {
                                "k:{\"name\":\"c\"}": {
                                    ".": {}, "f:name": {}, "f:image": {},
                                    "f:resources": { "f:requests": { "f:memory": {} } },
                                    "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {}, "f:protocol": {} } },
                                },
                            }, "f:volumes": { "k:{\"name\":\"t\"}": { ".": {}, "f:name": {}, "f:emptyDir": {} } } } },
                        },
                    }},
                    { "manager": "kubectl", "operation": "Apply", "subresource": "status", "fieldsV1": { "f:metadata": { "f:labels": { "f:theirs": {} } } } },
                ],
            },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": "d" } },
                "template": { "spec": {
                    "containers": [
                        { "name": "sidecar", "image": "s" },
                        { "name": "c", "image": "i", "imagePullPolicy": "Always",
                          "resources": { "requests": { "memory": "1Gi" } },
                          "ports": [{ "containerPort": 80, "protocol": "TCP" }, { "containerPort": 81, "protocol": "TCP" }] },
                    ],
                    "volumes": [{ "name": "t", "emptyDir": {} }],
                } },
            },
        })
    }

    fn planned() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "d", "namespace": "n", "labels": { "app": "d" } },
            "spec": {
                "selector": { "matchLabels": { "app": "d" } },
                "template": { "spec": {
                    "containers": [{ "name": "c", "image": "i",
                        "resources": { "requests": { "memory": "1024Mi" } },
                        "ports": [{ "containerPort": 80, "protocol": "TCP" }] }],
                    "volumes": [{ "name": "t", "emptyDir": {} }],
                } },
            },
        })
    }

    #[test]
    fn fields_of_other_managers_are_no_drift() {
        assert_eq!(of_owned_fields(&live(), US), Some(of_desired(&planned())));
    }

    #[test]
    fn a_changed_value_is_drift() {
        let mut live = live();
        // The update of another manager takes over the field, as the API server records it.
        *live.pointer_mut("/spec/template/spec/containers/1/image").unwrap() = "other".into();
        assert_ne!(of_owned_fields(&live, US), Some(of_desired(&planned())));
    }

    #[test]
    fn a_field_dropped_from_the_plan_is_drift() {
        let mut planned = planned();
        planned
            .pointer_mut("/spec/template/spec/containers/0")
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove("image");
        assert_ne!(of_owned_fields(&live(), US), Some(of_desired(&planned)));
    }

    #[test]
    fn an_object_we_never_applied_has_no_digest() {
        let mut live = live();
        live.pointer_mut("/metadata").unwrap().as_object_mut().unwrap().remove("managedFields");
        assert_eq!(of_owned_fields(&live, US), None);
    }

    #[test]
    fn quantities_are_compared_by_value() {
        for (a, b) in [
            ("1024Mi", "1Gi"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("0", "0Gi"),
        ] {
            assert_eq!(nano(a), nano(b), "{a} {b}");
            assert!(nano(a).is_some());
        }
        assert_ne!(nano("1M"), nano("1Mi"));
        for bad in ["", "Gi", "1 Gi", "1GB", "x", "1.2.3", "--1"] {
            assert_eq!(nano(bad), None, "{bad}");
        }
    }

    #[test]
    fn field_owners_are_read_from_managed_fields() {
        let scaled = json!({ "f:spec": { "f:replicas": {} } });
        let live = json!({ "metadata": { "managedFields": [
            { "manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
                "time": "2026-11-30T10:00:00Z", "fieldsV1": scaled },
            { "manager": US, "operation": "Apply", "fieldsV1": { "f:spec": { "f:selector": {} } } },
        ] } });
        let owners: Vec<_> = field_owners(&live, "/f:spec/f:replicas").collect();
        let [owner] = owners.as_slice() else { panic!("one owner: {owners:?}") };
        assert_eq!((owner.manager, owner.subresource), ("kube-controller-manager", "scale"));
        assert_eq!(owner.time, "2026-11-30T10:00:00Z");
        assert!(!owner.applies_as("kube-controller-manager"));
        assert!(field_owners(&live, "/f:spec/f:selector").all(|owner| owner.applies_as(US)));
        assert_eq!(field_owners(&json!({}), "/f:spec").count(), 0);
    }
}
