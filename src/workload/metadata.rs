//! Metadata of a child: name, labels, annotations and who owns it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::{
    api::{self, common::StringMap},
    logpilot::model::{Cluster, Component},
    workload::labels,
};

/// Metadata of a namespaced object that belongs to the cluster as a whole.
#[must_use]
pub fn shared(cluster: &Cluster, name: String) -> ObjectMeta {
    owned(cluster, &cluster.namespace.name, name, labels::shared(cluster))
}

/// Metadata of an object that belongs to one component.
#[must_use]
pub fn of_component(cluster: &Cluster, component: &Component, name: String) -> ObjectMeta {
    owned(cluster, &cluster.namespace.name, name, labels::of_component(cluster, component))
}

/// Metadata of an object in a namespace of its own choice.
#[must_use]
pub fn owned(cluster: &Cluster, namespace: &str, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        owner_references: Some(vec![owner(cluster)]),
        ..unowned(cluster, name, labels)
    }
}

/// Where objects for the monitoring live: in the system namespace where one is named.
#[must_use]
pub fn monitoring(cluster: &Cluster) -> &str {
    cluster.system_namespace.as_ref().unwrap_or(&cluster.namespace.name)
}

/// Metadata of an object that outlives the cluster: no namespace and no owner yet.
#[must_use]
pub fn unowned(cluster: &Cluster, name: String, labels: StringMap) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels),
        annotations: non_empty(cluster.common_annotations.clone()),
        ..ObjectMeta::default()
    }
}

/// Deleting the cluster is then the garbage collector's work. No `blockOwnerDeletion`: setting it needs
/// a right on the owner's finalizers, and nothing waits for it.
#[must_use]
pub fn owner(cluster: &Cluster) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", api::GROUP, api::VERSION),
        kind: api::KIND.to_owned(),
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
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
