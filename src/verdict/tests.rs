use regex::Regex;

use super::*;

fn base() -> Value {
    json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "logpilot" },
        "spec": { "image": "danpung2/logpilot:1.2.0" },
    })
}

/// A good object with one value replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut object = base();
    let mut at = &mut object;
    for name in pointer.split('/').skip(1) {
        if at.is_null() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = value;
    object
}

fn said(object: &Value) -> Vec<String> {
    match Judge::new().judge(object) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|it| format!("{}: {}", it.path, it.message)).collect(),
    }
}

#[test]
fn a_good_object_is_accepted() {
    assert_eq!(said(&base()), Vec::<String>::new());
    assert_eq!(said(&with("/metadata/namespace", json!("of-kustomize"))), Vec::<String>::new());
}

#[test]
fn every_pattern_of_the_definition_compiles() {
    fn patterns<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(fields) => {
                found.extend(fields.get("pattern").and_then(Value::as_str));
                fields.values().for_each(|it| patterns(it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| patterns(it, found)),
            _ => {}
        }
    }
    let schemas = [schema(&api::crd()), schema(&stack::api::crd())];
    let mut found = Vec::new();
    for schema in &schemas {
        patterns(schema, &mut found);
    }
    assert!(found.len() > 5, "{found:?}");
    for pattern in found {
        assert!(Regex::new(pattern).is_ok(), "{pattern}");
    }
}

/// Each kind of fault, with its path and words.
#[test]
fn each_fault_is_named_with_its_path() {
    for (pointer, value, expected) in [
        ("/apiVersion", json!("logpilot.io/v1"), "apiVersion: 'logpilot.io/v1' is not served"),
        ("/kind", json!("LogpilotCluster"), "kind: 'LogpilotCluster' is not served"),
        ("/spec/replica", json!(3), "spec.replica: unknown field \"spec.replica\""),
        (
            "/spec/replicas",
            json!(3),
            "spec.replicas: unknown field \"spec.replicas\"; it is a field of each entry of `components`",
        ),
        ("/spec/imagee", json!("x"), "spec.imagee: unknown field \"spec.imagee\"; did you mean `image`?"),
        (
            "/spec/components/all/livenessProbe",
            json!({}),
            "spec.components.all.livenessProbe: unknown field \"spec.components.all.livenessProbe\"",
        ),
        (
            "/spec/components/all/replicas",
            json!("3"),
            "spec.components.all.replicas: must be an integer, not the text '3'",
        ),
        (
            "/spec/components/all/replicas",
            json!(1e30),
            "spec.components.all.replicas: must be an integer, not 1e",
        ),
        (
            "/spec/components/all/replicas",
            json!(-1),
            "spec.components.all.replicas: must be greater than or equal to 0, not -1",
        ),
        (
            "/spec/components/all/replicas",
            json!(1.5),
            "spec.components.all.replicas: must be an integer, not 1.5",
        ),
        (
            "/spec/components/all/resources/requests/cpu",
            json!(0.5),
            "spec.components.all.resources.requests.cpu: must be an integer or text, not 0.5; quote it, as in '0.5'",
        ),
        ("/spec/commonLabels/team", json!(true), "spec.commonLabels.team: must be text, not true; quote it"),
        ("/spec/environment", json!("Productoin"), "spec.environment: 'Productoin' is not supported"),
        ("/spec", Value::Null, "spec: is required"),
        ("/metadata/name", Value::Null, "metadata.name: is required"),
        ("/metadata/name", json!("A"), "metadata.name: must be a lower-case DNS label"),
        ("/metadata/name", json!("a..b"), "metadata.name: must be a lower-case DNS label"),
        (
            "/spec/exposure",
            json!({ "ingress": { "className": "", "rules": [{ "host": "a.b" }] } }),
            "spec.exposure.ingress.className: must",
        ),
        ("/metadata/nam", json!("a"), "metadata.nam: unknown field \"metadata.nam\"; did you mean `name`?"),
        ("/metadata/labels", json!({ "a b": "c" }), "metadata.labels: 'a b' must be a name"),
        ("/metadata/labels", json!({ "a": 1 }), "metadata.labels.a: must be text, not 1; quote it"),
        (
            "/metadata/annotations",
            json!({ "a": "x".repeat(262_144) }),
            "metadata.annotations: must have at most",
        ),
        ("/status/nothing", json!(1), "status.nothing: unknown field"),
    ] {
        let found = said(&with(pointer, value));
        assert!(
            found.iter().any(|it| it.starts_with(expected)),
            "{pointer}: want {expected:?}, said {found:#?}"
        );
    }
}

#[test]
fn what_is_no_mapping_is_refused_once() {
    for value in [json!([1]), json!("text"), json!(1)] {
        assert_eq!(said(&value), [": must be a mapping with apiVersion, kind, metadata and spec"]);
    }
}

#[test]
fn everything_is_said_at_once() {
    let mut object = with("/spec/replica", json!(1));
    object["spec"]["components"] = json!({ "all": { "replicas": -1 } });
    object["metadata"]["labels"] = json!({ "a b": "c" });
    assert_eq!(said(&object).len(), 3, "{:#?}", said(&object));
}

#[test]
fn a_mapping_for_a_text_is_one_mistake() {
    let object = with("/spec/image", json!({ "repository": "a", "tag": "b" }));
    assert_eq!(said(&object), ["spec.image: must be text, not a mapping"]);
    assert_eq!(Judge::new().refusals(&object, None).len(), 3);
    assert_eq!(said(&with("/spec/nothing", Value::Null)).len(), 1);
}

/// Rules skip a value of a wrong type, as on the server.
#[test]
fn rules_wait_for_the_right_types() {
    let object = json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "a.b" },
        "spec": { "image": 1 },
    });
    assert_eq!(said(&object).len(), 1, "{:#?}", said(&object));
}

/// Input that only the operator rejects is rejected too, once.
#[test]
fn the_operators_own_violations_are_refused() {
    let object = with(
        "/spec/patches",
        json!([{
            "target": { "kind": "Deployment", "name": "logpilot-all" }, "patch": { "spec": { "replicas": 3 } },
        }]),
    );
    let found = Judge::new().judge(&object).unwrap_err();
    assert!(found.iter().all(|it| it.layer == Layer::Operator), "{found:#?}");
    assert!(Judge::new().refusals(&object, None).is_empty());
}

#[test]
fn null_means_not_given() {
    assert_eq!(said(&with("/spec/storage", Value::Null)), Vec::<String>::new());
    assert_eq!(said(&with("/spec/commonLabels", json!({ "a": null }))), Vec::<String>::new());
    let object = with("/spec/imagePullSecrets", json!([null]));
    assert_eq!(said(&object).len(), 1, "{:#?}", said(&object));
}
