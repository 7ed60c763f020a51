//! Reads and writes objects of any kind, as the administrator.

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use logpilot_operator::{engine::kind::Kind, kinds::KINDS};
use serde_json::Value;

/// Returns the row of the kind table with this name.
pub fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.kind == name).unwrap_or_else(|| panic!("no kind {name}"))
}

pub fn resource(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, kind.plural)
}

pub fn api(client: &Client, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let resource = resource(kind);
    if kind.namespaced {
        Api::namespaced_with(client.clone(), namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

pub async fn get(client: &Client, kind: &Kind, namespace: &str, name: &str) -> Option<DynamicObject> {
    match api(client, kind, namespace).get(name).await {
        Ok(object) => Some(object),
        // Also if the kind itself is not served.
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => panic!("{} {namespace}/{name}: {error}", kind.kind),
    }
}

pub async fn delete(client: &Client, kind: &Kind, namespace: &str, name: &str) {
    api(client, kind, namespace).delete(name, &DeleteParams::background()).await.unwrap();
}

/// Changes an object by hand, as a user with an editor would.
pub async fn edit(client: &Client, kind: &Kind, namespace: &str, name: &str, patch: &Value) -> DynamicObject {
    let parameters = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
    api(client, kind, namespace).patch(name, &parameters, &Patch::Merge(patch)).await.unwrap()
}

/// Returns the desired state of an object: without what the API server counts, allocates or reports.
pub fn meant(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    let meta = value["metadata"].as_object_mut().unwrap();
    for field in ["resourceVersion", "generation", "managedFields", "uid", "creationTimestamp"] {
        meta.remove(field);
    }
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
    // The items of a list carry no type.
    value
        .as_object_mut()
        .unwrap()
        .retain(|field, _| !["apiVersion", "kind", "status"].contains(&field.as_str()));
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
        for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            spec.remove(field);
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    value
}

/// Returns the text of an object for a failing test.
pub fn show(object: &DynamicObject) -> String {
    let mut value = serde_json::to_value(object).unwrap();
    value["metadata"].as_object_mut().unwrap().remove("managedFields");
    serde_json::to_string_pretty(&value).unwrap()
}

/// Fails with the paths that differ.
pub fn assert_same(now: &DynamicObject, before: &DynamicObject) {
    let differences = logpilot_operator::last_change::changes(&meant(before), &meant(now));
    assert!(differences.is_empty(), "{:?}: {differences:#?}", now.metadata.name);
}
