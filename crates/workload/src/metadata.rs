//! Metadata of an object: name, labels, annotations and owner.

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

/// Metadata of an object in a given namespace.
#[must_use]
pub fn owned(scope: &Scope, namespace: &str, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        owner_references: Some(vec![scope.owner.clone()]),
        ..unowned(scope, name, labels)
    }
}

/// Metadata of an object that outlives the resource. It has no namespace and no owner yet.
#[must_use]
pub fn unowned(scope: &Scope, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels),
        annotations: non_empty(scope.annotations.clone()),
        ..ObjectMeta::default()
    }
}

/// Sets the owner of an object that holds data: it is deleted with its resource only if that was
/// requested.
pub fn owned_or_kept(scope: &Scope, meta: &mut ObjectMeta, owned: bool) {
    if owned {
        meta.owner_references = Some(vec![scope.owner.clone()]);
    } else {
        annotate(meta, [keep_from_argo_cd()]);
    }
}

/// Adds annotations. The given ones take precedence.
pub fn annotate(meta: &mut ObjectMeta, annotations: impl IntoIterator<Item = (String, String)>) {
    let mut all = meta.annotations.take().unwrap_or_default();
    all.extend(annotations);
    meta.annotations = non_empty(all);
}

/// Returns `None` for an empty map: an empty map in an apply is a field that the operator owns, while
/// an absent one has no meaning.
#[must_use]
pub fn non_empty(map: StringMap) -> Option<StringMap> {
    (!map.is_empty()).then_some(map)
}

/// Returns `None` for an empty text: the API server does not store it, so it would be permanent drift.
#[must_use]
pub fn non_blank(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// Returns the annotation that keeps Argo CD from pruning the object. Argo CD tracks objects by label
/// and would prune one without an owner reference, and the data must survive that too.
#[must_use]
pub fn keep_from_argo_cd() -> (String, String) {
    ("argocd.argoproj.io/sync-options".into(), "Prune=false,Delete=false".into())
}
