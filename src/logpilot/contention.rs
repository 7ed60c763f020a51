//! What resources compete for: namespaces, external hosts and paths, and storage locations. The
//! functions read it without decoding a whole resource, which may not be decodable. Pure.

mod places;

use kube::api::DynamicObject;
use serde_json::Value;

use super::{
    facts::{ExposureKind, RouteConflict},
    json::list,
};
pub use places::shared_places;

/// A host and path at the object that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Location<'a> {
    way: ExposureKind,
    /// The class of an Ingress (empty: the default class of the cluster), or namespace and name of a
    /// Gateway.
    at: (&'a str, &'a str),
    /// A listener of the Gateway; `None` means all of them.
    section: Option<&'a str>,
    host: &'a str,
    path: &'a str,
}

impl Location<'_> {
    fn competes(&self, other: &Self) -> bool {
        let sections = self.section.is_none() || other.section.is_none() || self.section == other.section;
        sections && Self { section: None, ..*self } == Self { section: None, ..*other }
    }
}

/// Returns the namespaces that a resource names: that of the servers, and the system namespace.
pub fn namespaces(object: &DynamicObject) -> impl Iterator<Item = &str> {
    std::iter::once(namespace(object)).chain(text(&object.data, "/spec/systemNamespace/name"))
}

/// Returns the keys of everything that another resource may use too.
pub fn contention_keys(object: &DynamicObject) -> Vec<String> {
    namespaces(object).map(str::to_owned).chain(route_keys(object)).chain(places::keys(object)).collect()
}

/// Returns the contention keys that the resource depends on: it is requeued when another resource
/// starts or stops using one of them. Includes a namespace only if it is deleted with the resource:
/// hundreds of resources may share one, and each would be requeued for every change of another.
#[must_use]
pub fn watched_keys(object: &DynamicObject) -> Vec<String> {
    let own = deletes(object).then(|| namespace(object).to_owned());
    own.into_iter().chain(route_keys(object)).chain(places::keys(object)).collect()
}

/// Returns whether another resource is in the namespace that would be deleted with this one. Does not
/// ask other resources if no namespace would be deleted.
pub fn namespace_is_shared<'a>(
    own: &DynamicObject,
    mut others: impl Iterator<Item = &'a DynamicObject>,
) -> bool {
    deletes(own) && others.any(|other| namespaces(other).any(|name| name == namespace(own)))
}

fn deletes(object: &DynamicObject) -> bool {
    text(&object.data, "/spec/namespace/deletionPolicy") == Some("Delete")
}

fn route_keys(object: &DynamicObject) -> impl Iterator<Item = String> {
    let words = |Location { way, at: (class, name), host, path, .. }: Location<'_>| {
        format!("{way:?} {class} {name} {host}{path}")
    };
    locations(object).into_iter().map(words)
}

/// Returns the locations that an older resource already uses; the younger one waits. Between resources
/// of the same age, the first by name wins. Does not ask other resources if this one wants no location.
pub fn route_conflicts<'a>(
    own: &DynamicObject,
    others: impl Iterator<Item = &'a DynamicObject>,
) -> Vec<RouteConflict> {
    let wanted = locations(own);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut older: Vec<_> = others.filter(|other| age(other) < age(own)).collect();
    older.sort_by_key(|other| age(other));
    let held: Vec<_> =
        older.into_iter().flat_map(|other| locations(other).into_iter().map(move |it| (it, other))).collect();
    let clash = |own: Location<'_>| {
        let (_, by) = held.iter().find(|(theirs, _)| theirs.competes(&own))?;
        let Location { way, host, path, .. } = own;
        Some(RouteConflict { way, host: host.to_owned(), path: path.to_owned(), by: name(by).to_owned() })
    };
    wanted.into_iter().filter_map(clash).collect()
}

fn locations(object: &DynamicObject) -> Vec<Location<'_>> {
    let block = |pointer: &str| {
        let block = field_at(&object.data, pointer)?;
        (block.get("enabled").and_then(Value::as_bool) != Some(false)).then_some(block)
    };
    let ingress = block("/spec/exposure/ingress").into_iter().flat_map(|ingress| {
        let class = text(ingress, "/className").unwrap_or_default();
        rules(ingress, ExposureKind::Ingress, (class, ""), None)
    });
    // A Gateway that the operator creates has its own address.
    let gateway = block("/spec/exposure/gateway").into_iter().flat_map(move |gateway| {
        list(gateway, "parentRefs").flat_map(move |parent| {
            let at = text(parent, "/namespace").unwrap_or_else(|| namespace(object));
            let at = (at, text(parent, "/name").unwrap_or_default());
            rules(gateway, ExposureKind::Gateway, at, text(parent, "/sectionName"))
        })
    });
    ingress.chain(gateway).collect()
}

fn rules<'a>(
    block: &'a Value,
    way: ExposureKind,
    at: (&'a str, &'a str),
    section: Option<&'a str>,
) -> impl Iterator<Item = Location<'a>> {
    list(block, "rules").map(move |rule| {
        let path = text(rule, "/path").unwrap_or("/");
        // A prefix ends at a segment: `/a/` means the same as `/a`.
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        // Without a host, a rule serves every host that no rule names: it competes only with another
        // rule without a host.
        Location { way, at, section, host: text(rule, "/host").unwrap_or_default(), path }
    })
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

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    field_at(value, pointer)?.as_str()
}

/// Every reconcile reads every resource, so this avoids `Value::pointer`, which copies each name.
fn field_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, field| value.get(field))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    fn resource(name: &str, second: u8, exposure: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z") },
            "spec": { "exposure": exposure },
        }))
        .unwrap()
    }

    /// Returns the conflicts of the younger of two resources.
    fn by(older: &Value, younger: &Value) -> Vec<String> {
        let (older, younger) = (resource("b", 1, older), resource("a", 2, younger));
        assert!(route_conflicts(&older, [&younger].into_iter()).is_empty(), "the older one is not touched");
        // A resource that releases a key must trigger each resource that waits for it.
        let found = route_conflicts(&younger, [&older].into_iter());
        let shared = contention_keys(&older).iter().any(|claim| watched_keys(&younger).contains(claim));
        assert!(found.is_empty() || shared, "{:?} {:?}", contention_keys(&older), watched_keys(&younger));
        found.iter().map(|it| format!("{:?} {}{} {}", it.way, it.host, it.path, it.by)).collect()
    }

    /// With a thousand resources in one namespace, each change of one would requeue all others.
    #[test]
    fn only_who_deletes_a_namespace_heeds_who_else_is_in_it() {
        let within = |policy: &str| {
            let mut made = resource("a", 1, &json!({}));
            made.data["spec"]["namespace"] = json!({ "name": "shared", "deletionPolicy": policy });
            made
        };
        let own = "PersistentVolumeClaim shared/a-data";
        assert_eq!(contention_keys(&within("Retain")), ["shared", own]);
        assert_eq!(watched_keys(&within("Retain")), [own]);
        assert_eq!(watched_keys(&within("Delete")), ["shared", own]);
    }

    #[test]
    fn others_are_asked_only_by_who_deletes_a_namespace_or_wants_a_host() {
        let asked = |policy: &str, exposure: &Value| {
            let of = |name, second| {
                let mut made = resource(name, second, exposure);
                made.data["spec"]["namespace"] = json!({ "name": "shared", "deletionPolicy": policy });
                made
            };
            let (own, other, asked) = (of("a", 2), of("b", 1), Cell::new(0));
            let others = || std::iter::once(&other).inspect(|_| asked.set(asked.get() + 1));
            (namespace_is_shared(&own, others()), route_conflicts(&own, others()).len(), asked.get())
        };
        let wanting = ingress("nginx", &json!([{ "host": "x" }]));
        assert_eq!(asked("Retain", &json!({})), (false, 0, 0));
        assert_eq!(asked("Delete", &json!({})), (true, 0, 1));
        assert_eq!(asked("Retain", &wanting), (false, 1, 1));
        let mut alone = resource("a", 1, &json!({}));
        alone.data["spec"]["namespace"] = json!({ "deletionPolicy": "Delete" });
        assert!(!namespace_is_shared(&alone, [&resource("b", 2, &json!({}))].into_iter()));
    }

    fn ingress(class: &str, rules: &Value) -> Value {
        json!({ "ingress": { "className": class, "rules": rules } })
    }

    fn on(gateway: &str, section: Option<&str>, rules: &Value) -> Value {
        let mut parent = json!({ "name": gateway, "namespace": "infra" });
        if let Some(section) = section {
            parent["sectionName"] = section.into();
        }
        json!({ "gateway": { "parentRefs": [parent], "rules": rules } })
    }

    #[test]
    fn the_younger_of_two_waits_for_a_host_and_path_of_one_class() {
        let x = json!([{ "host": "x" }]);
        let rooted = json!([{ "host": "free" }, { "host": "x", "path": "/", "protocol": "Grpc" }]);
        assert_eq!(by(&ingress("nginx", &x), &ingress("nginx", &rooted)), ["Ingress x/ b"]);
        let [slash, bare] = ["/a/", "/a"].map(|path| json!([{ "host": "x", "path": path }]));
        assert_eq!(by(&ingress("nginx", &slash), &ingress("nginx", &bare)), ["Ingress x/a b"]);
        for (older, younger) in [
            (ingress("nginx", &x), ingress("haproxy", &x)),
            (ingress("nginx", &x), ingress("nginx", &bare)),
            (ingress("nginx", &x), ingress("nginx", &json!([{ "host": "y" }]))),
            (ingress("nginx", &x), on("nginx", None, &x)),
            (
                json!({ "ingress": { "enabled": false, "className": "nginx", "rules": x } }),
                ingress("nginx", &x),
            ),
            (ingress("nginx", &x), json!(null)),
            (ingress("nginx", &x), ingress("nginx", &json!([{}]))),
        ] {
            assert!(by(&older, &younger).is_empty(), "{older} {younger}");
        }
        let any = json!([{ "path": "/a" }]);
        assert_eq!(
            by(&ingress("nginx", &any), &ingress("nginx", &any)),
            ["Ingress /a b"],
            "every other host"
        );
        assert_eq!(by(&on("g", None, &any), &on("g", None, &any)), ["Gateway /a b"]);
        let default = json!({ "ingress": { "rules": x } });
        assert_eq!(by(&default, &default), ["Ingress x/ b"]);
    }

    #[test]
    fn routes_compete_on_one_gateway_and_one_listener_of_it() {
        let x = json!([{ "host": "x", "path": "/s" }]);
        let taken = ["Gateway x/s b"];
        assert_eq!(by(&on("g", None, &x), &on("g", Some("https"), &x)), taken);
        assert_eq!(by(&on("g", Some("https"), &x), &on("g", Some("https"), &x)), taken);
        assert!(by(&on("g", Some("http"), &x), &on("g", Some("https"), &x)).is_empty());
        assert!(by(&on("g", None, &x), &on("h", None, &x)).is_empty());
        // Each has its own address.
        let own = json!({ "gateway": { "className": "envoy", "rules": x } });
        assert!(by(&own, &own).is_empty());
        // Without a namespace, the Gateway is in the resource's own namespace, so these are two Gateways.
        let near = json!({ "gateway": { "parentRefs": [{ "name": "g" }], "rules": x } });
        assert!(by(&near, &near).is_empty());
    }

    #[test]
    fn of_one_age_the_first_by_name_has_it_and_the_oldest_is_named() {
        let want = ingress("nginx", &json!([{ "host": "x" }]));
        let [a, b, c] = [("a", 5), ("b", 5), ("c", 1)].map(|(name, second)| resource(name, second, &want));
        let who = |own, others: [&DynamicObject; 2]| {
            route_conflicts(own, others.into_iter()).first().map(|it| it.by.clone())
        };
        assert_eq!(who(&b, [&a, &c]).as_deref(), Some("c"));
        assert_eq!(who(&b, [&a, &b]).as_deref(), Some("a"), "oneself is no other");
        assert_eq!(who(&c, [&a, &b]), None);
    }
}
