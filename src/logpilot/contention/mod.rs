//! Things that a `LogPilotCluster` may have to share with another resource, or leave to it:
//! namespaces, hosts and paths, and the locations of data. A resource is not decoded as a whole,
//! because it may be one that cannot be decoded. Pure.

mod places;

use kube::api::DynamicObject;

use crate::{
    engine::{
        contention::{Contention, ContentionKey},
        resource::ResourceRef,
    },
    workload::{
        contention::{self, Location, RouteConflict, namespace_key},
        json::{field_at, text},
    },
};
pub use places::shared_places;

/// Returns the namespaces that a resource names: that of the servers, and the system namespace.
pub fn namespaces(object: &DynamicObject) -> impl Iterator<Item = &str> {
    std::iter::once(namespace(object)).chain(text(&object.data, "/spec/systemNamespace/name"))
}

/// Returns the keys of everything that another resource may use too.
#[must_use]
pub fn contention_keys(object: &DynamicObject) -> Vec<ContentionKey> {
    let locations = locations(object);
    let exposed = contention::keys(&locations);
    namespaces(object).map(namespace_key).chain(exposed).chain(places::keys(object)).collect()
}

/// Returns the contention keys that the resource depends on: it is requeued when another resource
/// starts or stops using one of them. Includes a namespace only if it is deleted with the resource:
/// hundreds of resources may share one, and each would be requeued for every change of another.
#[must_use]
pub fn watched_keys(object: &DynamicObject) -> Vec<ContentionKey> {
    let own = deletes(object).then(|| namespace_key(namespace(object)));
    own.into_iter().chain(route_keys(object)).chain(places::keys(object)).collect()
}

/// Whether another resource is in the namespace that would be deleted with this one.
#[must_use]
pub fn namespace_is_shared(resource: &ResourceRef, object: &DynamicObject, contention: &Contention) -> bool {
    deletes(object) && contention.is_shared(resource, &namespace_key(namespace(object)))
}

/// Returns the locations that an older resource of any kind already has; this one waits.
#[must_use]
pub fn route_conflicts(
    resource: &ResourceRef,
    object: &DynamicObject,
    contention: &Contention,
) -> Vec<RouteConflict> {
    let created = object.metadata.creation_timestamp.as_ref().map(|made| made.0);
    contention::route_conflicts(&locations(object), (resource, created), contention)
}

fn deletes(object: &DynamicObject) -> bool {
    text(&object.data, "/spec/namespace/deletionPolicy") == Some("Delete")
}

fn route_keys(object: &DynamicObject) -> impl Iterator<Item = ContentionKey> {
    locations(object).into_iter().map(|location| location.key())
}

fn locations(object: &DynamicObject) -> Vec<Location<'_>> {
    let exposure = field_at(&object.data, "/spec/exposure");
    exposure.map(|exposure| contention::locations(exposure, namespace(object))).unwrap_or_default()
}

fn age(object: &DynamicObject) -> impl Ord {
    (object.metadata.creation_timestamp.as_ref().map(|made| made.0), name(object).to_owned())
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn namespace(object: &DynamicObject) -> &str {
    text(&object.data, "/spec/namespace/name").unwrap_or_else(|| name(object))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{engine::contention::Contender, kinds::LOGPILOT_CLUSTER};

    fn resource(name: &str, second: u8, namespace: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z") },
            "spec": { "namespace": namespace },
        }))
        .unwrap()
    }

    fn words(keys: &[ContentionKey]) -> Vec<String> {
        keys.iter().map(|key| format!("{} {}", key.sort, key.name)).collect()
    }

    /// With a thousand resources in one namespace, each change of one would requeue all others.
    #[test]
    fn only_who_deletes_a_namespace_heeds_who_else_is_in_it() {
        let within = |policy: &str| resource("a", 1, &json!({ "name": "shared", "deletionPolicy": policy }));
        let own = "place PersistentVolumeClaim shared/a-data";
        assert_eq!(words(&contention_keys(&within("Retain"))), ["namespace shared", own]);
        assert_eq!(words(&watched_keys(&within("Retain"))), [own]);
        assert_eq!(words(&watched_keys(&within("Delete"))), ["namespace shared", own]);
    }

    /// The index of the engine names the resources that have a key; without a key none is asked.
    #[test]
    fn others_are_asked_only_by_who_deletes_a_namespace_or_wants_a_host() {
        let asked = |policy: &str, exposure: &Value, other: &str| {
            let contention = Contention::default();
            let of = |object: &DynamicObject| ResourceRef::of(&LOGPILOT_CLUSTER, object);
            let made = |name: &str, second: u8, namespace: &str| {
                let mut made =
                    resource(name, second, &json!({ "name": namespace, "deletionPolicy": policy }));
                made.data["spec"]["exposure"] = exposure.clone();
                made
            };
            let own = made("a", 2, "shared");
            for object in [&own, &made("b", 1, other)] {
                let created = object.metadata.creation_timestamp.as_ref().map(|made| made.0);
                let (keys, watched) = (contention_keys(object), watched_keys(object));
                contention.update(&of(object), Contender { created, keys, watched });
            }
            let keys = watched_keys(&own).into_iter().filter(|key| key.sort != "place").count();
            let shared = namespace_is_shared(&of(&own), &own, &contention);
            (shared, route_conflicts(&of(&own), &own, &contention).len(), keys)
        };
        let (none, wanting) = (json!({}), json!({ "ingress": { "rules": [{ "host": "x" }] } }));
        assert_eq!(asked("Retain", &none, "shared"), (false, 0, 0));
        assert_eq!(asked("Delete", &none, "shared"), (true, 0, 1));
        assert_eq!(asked("Retain", &wanting, "shared"), (false, 1, 1));
        assert_eq!(asked("Delete", &none, "elsewhere"), (false, 0, 1));
    }

    #[test]
    fn a_cluster_waits_for_a_host_that_an_older_one_has() {
        let wanting = |name: &str, second| {
            let mut object = resource(name, second, &json!({}));
            let gateway = |namespace: &str| json!({ "name": "g", "namespace": namespace });
            object.data["spec"]["exposure"] = json!({
                "ingress": { "rules": [{ "host": "x" }] },
                "gateway": { "parentRefs": [gateway("infra")], "rules": [{ "host": "y", "path": "/s/" }] },
            });
            object
        };
        let (older, younger, contention) = (wanting("b", 1), wanting("a", 2), Contention::default());
        let of = |object: &DynamicObject| ResourceRef::of(&LOGPILOT_CLUSTER, object);
        let update = |object: &DynamicObject| {
            let created = object.metadata.creation_timestamp.as_ref().map(|made| made.0);
            let (keys, watched) = (contention_keys(object), watched_keys(object));
            contention.update(&of(object), Contender { created, keys, watched })
        };
        update(&younger);
        assert_eq!(update(&older), [of(&younger)].into());
        let found = route_conflicts(&of(&younger), &younger, &contention);
        let told: Vec<_> =
            found.iter().map(|it| format!("{:?} {}{} {}", it.way, it.host, it.path, it.by)).collect();
        assert_eq!(told, ["Ingress x/ LogPilotCluster b", "Gateway y/s LogPilotCluster b"]);
        assert_eq!(route_conflicts(&of(&older), &older, &contention), []);
    }
}
