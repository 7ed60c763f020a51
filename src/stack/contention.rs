//! Hosts of stacks, which belong to the namespace of the oldest resource that exposes them, across kinds.
//! Within a namespace, each path belongs to the oldest resource.

use kube::api::DynamicObject;

use crate::{
    engine::{
        contention::{Contention, ContentionKey},
        resource::ResourceRef,
    },
    workload::{
        contention::{self, Location, RouteConflict},
        json::field_at,
    },
};

/// Returns the keys of the hosts and paths that a stack exposes.
#[must_use]
pub fn keys(object: &DynamicObject) -> Vec<ContentionKey> {
    contention::keys(&locations(object)).collect()
}

/// Returns the hosts and paths that an older resource of any kind already uses.
#[must_use]
pub fn conflicts(
    resource: &ResourceRef,
    object: &DynamicObject,
    contention: &Contention,
) -> Vec<RouteConflict> {
    let created = object.metadata.creation_timestamp.as_ref().map(|created| created.0);
    let (locations, own) = (locations(object), (resource, created));
    let mut found = contention::host_conflicts(&locations, own, contention);
    let of_routes = contention::route_conflicts(&locations, own, contention);
    let is_told =
        |route: &RouteConflict| found.iter().any(|it| (it.way, &it.host) == (route.way, &route.host));
    let of_paths: Vec<_> = of_routes.into_iter().filter(|route| !is_told(route)).collect();
    found.extend(of_paths);
    found
}

fn locations(object: &DynamicObject) -> Vec<Location<'_>> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let exposure = field_at(&object.data, "/spec/exposure");
    exposure.map(|exposure| contention::locations(exposure, namespace)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        engine::{contention::Contender, resource::ResourceKind},
        kinds::{LOGPILOT_CLUSTER, SERVICE_STACK},
    };

    fn exposing(namespace: Option<&str>, second: i64, ingress: &Value) -> DynamicObject {
        let object = json!({
            "metadata": { "name": "a", "namespace": namespace },
            "spec": { "exposure": { "ingress": ingress } },
        });
        let mut object: DynamicObject = serde_json::from_value(object).unwrap();
        object.metadata.creation_timestamp = Some(Time(Timestamp::from_second(second).unwrap()));
        object
    }

    fn claim(contention: &Contention, kind: &'static ResourceKind, object: &DynamicObject) {
        let created = object.metadata.creation_timestamp.as_ref().map(|created| created.0);
        let contender = Contender { created, keys: keys(object), watched: Vec::new() };
        contention.update(&ResourceRef::of(kind, object), contender);
    }

    #[test]
    fn a_host_has_one_namespace_whatever_the_class_and_the_path() {
        let contention = Contention::default();
        let rule = json!({ "host": "a.example.com", "path": "/", "component": "web" });
        claim(
            &contention,
            &SERVICE_STACK,
            &exposing(Some("first"), 1, &json!({ "className": "nginx", "rules": [rule] })),
        );
        let asked = |namespace: &str, second: i64, ingress: &Value| {
            let object = exposing(Some(namespace), second, ingress);
            let found =
                conflicts(&ResourceRef::new(&SERVICE_STACK, Some(namespace), "b"), &object, &contention);
            found.into_iter().map(|it| format!("{}{} {}", it.host, it.path, it.by)).collect::<Vec<_>>()
        };
        let login = json!({ "rules": [{ "host": "a.example.com", "path": "/login", "component": "web" }] });
        assert_eq!(asked("second", 2, &login), ["a.example.com ServiceStack first/a"]);
        assert_eq!(asked("first", 2, &login), [""; 0], "one namespace may divide the paths of a host");
        assert_eq!(asked("second", 0, &login), [""; 0], "it is older");
        let same = json!({ "className": "nginx", "rules": [rule] });
        assert_eq!(asked("first", 2, &same), ["a.example.com/ ServiceStack first/a"]);
        let other = json!({ "rules": [{ "host": "b.example.com", "component": "web" }] });
        assert_eq!(asked("second", 2, &other), [""; 0]);
    }

    #[test]
    fn a_stack_takes_no_path_of_a_cluster() {
        let contention = Contention::default();
        let ingress =
            json!({ "className": "nginx", "rules": [{ "host": "logs.example.com", "component": "all" }] });
        claim(&contention, &LOGPILOT_CLUSTER, &exposing(None, 1, &ingress));
        let wanted =
            json!({ "rules": [{ "host": "logs.example.com", "path": "/login", "component": "web" }] });
        let found = conflicts(
            &ResourceRef::new(&SERVICE_STACK, Some("n"), "b"),
            &exposing(Some("n"), 2, &wanted),
            &contention,
        );
        assert_eq!(found.len(), 1);
    }
}
