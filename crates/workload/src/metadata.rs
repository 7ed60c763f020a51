//! Metadata of a child: name, labels, annotations and who owns it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{StringMap, labels, model::Component, scope::Scope};

/// Metadata of a namespaced object that belongs to the resource as a whole.
#[must_use]
pub fn shared(scope: &Scope, name: String) -> ObjectMeta {
    owned(scope, &scope.namespace, name, labels::shared(scope))
}

/// Metadata of an object that belongs to one component.
#[must_use]
pub fn of_component(scope: &Scope, component: &Component, name: String) -> ObjectMeta {
    let labels = labels::of_component(scope, &component.kind, &component.name);
    owned(scope, &scope.namespace, name, labels)
}

/// Metadata of an object in a namespace of its own choice.
#[must_use]
pub fn owned(scope: &Scope, namespace: &str, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        owner_references: Some(vec![scope.owner.clone()]),
        ..unowned(scope, name, labels)
    }
}

/// Metadata of an object that outlives the resource: no namespace and no owner yet.
#[must_use]
pub fn unowned(scope: &Scope, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels),
        annotations: non_empty(scope.annotations.clone()),
        ..ObjectMeta::default()
    }
}

/// What holds data goes with its resource only where that was asked for.
pub fn owned_or_kept(scope: &Scope, meta: &mut ObjectMeta, owned: bool) {
    if owned {
        meta.owner_references = Some(vec![scope.owner.clone()]);
    } else {
        annotate(meta, [keep_from_argo_cd()]);
    }
}

/// Adds annotations; the given ones win.
pub fn annotate(meta: &mut ObjectMeta, annotations: impl IntoIterator<Item = (String, String)>) {
    let mut all = meta.annotations.take().unwrap_or_default();
    all.extend(annotations);
    meta.annotations = non_empty(all);
}

/// An empty map would be owned by us as an empty map; absent means nothing.
#[must_use]
pub fn non_empty(map: StringMap) -> Option<StringMap> {
    (!map.is_empty()).then_some(map)
}

/// The API server does not store an empty text: written, it would be drift for ever.
#[must_use]
pub fn non_blank(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// Argo CD tracks by label and would prune what has lost its owner reference: data must survive that too.
#[must_use]
pub fn keep_from_argo_cd() -> (String, String) {
    ("argocd.argoproj.io/sync-options".into(), "Prune=false,Delete=false".into())
}
