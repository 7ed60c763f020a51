//! Reading a live object never panics, whatever the object contains: one malformed object must not
//! terminate the operator.

use engine::{child::Child, fingerprint, quantity::nano};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use test_support::proptest_config;

use crate::test_kinds::{DOMAIN, KINDS};

/// Names of fields that are read, and of some that are not.
const NAMES: &[&str] = &[
    "metadata",
    "managedFields",
    "fieldsV1",
    "manager",
    "operation",
    "subresource",
    "ownerReferences",
    "labels",
    "annotations",
    "finalizers",
    "deletionTimestamp",
    "creationTimestamp",
    "resourceVersion",
    "uid",
    "name",
    "namespace",
    "apiVersion",
    "kind",
    "controller",
    "spec",
    "status",
    "conditions",
    "type",
    "reason",
    "message",
    "lastTransitionTime",
    "containerStatuses",
    "initContainerStatuses",
    "state",
    "lastState",
    "waiting",
    "terminated",
    "exitCode",
    "started",
    "restartCount",
    "phase",
    "replicas",
    "observedGeneration",
    "generation",
    "template",
    "volumes",
    "configMap",
    "loadBalancer",
    "ingress",
    "hostname",
    "ip",
    "endpoints",
    "ready",
    "parents",
    "parentRef",
    "listeners",
    "capacity",
    "storage",
    "completionTime",
    "f:metadata",
    "f:spec",
    "f:replicas",
    "f:containers",
    ".",
    "k:{\"name\":\"a\"}",
    "k:{",
    "v:\"a\"",
    "v:",
    "f:",
    "containers",
    "a",
    "",
];

/// Texts that occur in such fields, and some that should not.
const TEXTS: &[&str] = &[
    "toy-operator",
    "Apply",
    "Update",
    "scale",
    "",
    "True",
    "False",
    "Unknown",
    "Ready",
    "PodScheduled",
    "Unschedulable",
    "ContainerCreating",
    "Pending",
    "Failed",
    "Complete",
    "Accepted",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "-1",
    "18446744073709551616",
    "a",
    "1Gi",
    "\u{0}",
    "\u{1f600}",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(TEXTS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 96, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((prop::sample::select(NAMES), inner), 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

/// An object that passes the first checks: it has a name, a UID, and an entry of the operator in
/// `managedFields`.
fn object() -> impl Strategy<Value = Value> {
    (value(), value(), value(), value()).prop_map(|(meta, fields, spec, status)| {
        let mut meta = meta.as_object().cloned().unwrap_or_default();
        meta.insert("name".into(), "a".into());
        meta.insert("uid".into(), "u".into());
        meta.entry("managedFields").or_insert_with(
            || json!([{ "manager": DOMAIN.field_manager, "operation": "Apply", "fieldsV1": fields }]),
        );
        json!({ "metadata": meta, "spec": spec, "status": status })
    })
}

proptest! {
    #![proptest_config(proptest_config(400))]

    #[test]
    fn any_object_is_read(object in object(), odd in value()) {
        for kind in KINDS {
            let child = Child::read(kind, &object);
            prop_assert_eq!(&child, &Child::read(kind, &object));
            prop_assert!(child.is_some());
            let _ = Child::read(kind, &odd);
        }
    }

    #[test]
    fn the_digest_depends_on_meaning_only(object in value(), fields in value()) {
        let live = |object: &Value| {
            let mut live = object.as_object().cloned().unwrap_or_default();
            live.insert("metadata".into(), json!({ "managedFields": [
                { "manager": DOMAIN.field_manager, "operation": "Apply", "fieldsV1": fields },
            ] }));
            Value::Object(live)
        };
        prop_assert_eq!(fingerprint::of_owned_fields(&live(&object), DOMAIN.field_manager), fingerprint::of_owned_fields(&live(&object), DOMAIN.field_manager));
        // A field that is null has no meaning, as on the server.
        let mut more = object.as_object().cloned().unwrap_or_else(Map::new);
        let before = fingerprint::of_desired(&Value::Object(more.clone()));
        more.entry("absent").or_insert(Value::Null);
        prop_assert_eq!(fingerprint::of_desired(&Value::Object(more)), before);
    }

    #[test]
    fn any_text_is_a_quantity_or_none(text in any::<String>(), odd in "[-+]?[0-9.]{0,40}[a-zA-Z]{0,3}[-+]?[0-9]{0,12}") {
        let _ = nano(&text);
        if let Some(number) = nano(&odd) {
            // A sign inverts the value, and leading zeros change nothing.
            let bare = odd.trim_start_matches(['+', '-']);
            prop_assert_eq!(nano(&format!("-{bare}")), nano(bare).map(|it| -it));
            prop_assert_eq!(nano(&format!("000{bare}")), nano(bare));
            prop_assert_eq!(number.abs(), nano(bare).unwrap());
        }
    }

    #[test]
    fn suffixes_scale_quantities(number in 0..1_000_000_i128, point in 0..1_000_u32) {
        let thousandth = 10_i128.pow(6);
        prop_assert_eq!(nano(&format!("{number}.{point:03}")), Some((number * 1000 + i128::from(point)) * thousandth));
        prop_assert_eq!(nano(&format!("{number}m")), Some(number * thousandth));
        prop_assert_eq!(nano(&format!("{number}e-3")), Some(number * thousandth));
        for (power, suffix) in (1_u32..).zip(["Ki", "Mi", "Gi", "Ti"]) {
            prop_assert_eq!(nano(&format!("{number}{suffix}")), Some(number * 1024_i128.pow(power) * 10_i128.pow(9)));
        }
        for (power, suffix) in (1_u32..).zip(["k", "M", "G", "T"]) {
            prop_assert_eq!(nano(&format!("{number}{suffix}")), Some(number * 1000_i128.pow(power) * 10_i128.pow(9)));
        }
        for odd in [format!("{number} Mi"), format!("{number}MB")] {
            prop_assert_eq!(nano(&odd), None);
        }
    }
}
