//! Things that resources of all kinds compete for: namespaces, and hosts and paths for external
//! clients. The first resource to have something keeps it, regardless of kind and namespace. A
//! resource is not decoded as a whole, because it may be one that cannot be decoded. Pure.

use engine::{
    contention::{Contention, ContentionKey},
    resource::ResourceRef,
};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::json::{field_at, list, text};

/// The kind of access for external clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposureKind {
    Ingress,
    Gateway,
}

/// A requested host and path that an older resource already uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    pub way: ExposureKind,
    pub host: String,
    /// Empty if another resource has the host with all its paths.
    pub path: String,
    /// The resource that has it.
    pub by: ResourceRef,
}

/// A host and path at the object that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
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
    #[must_use]
    pub fn key(&self) -> ContentionKey {
        let Self { way, at: (class, name), section, host, path } = self;
        let name = format!("{way:?} {class} {name} {host}{path}");
        ContentionKey { part: section.map(str::to_owned), ..ContentionKey::new("route", name) }
    }

    fn host_key(&self) -> Option<ContentionKey> {
        (!self.host.is_empty()).then(|| ContentionKey::new("host", self.host))
    }
}

/// A namespace that a resource uses.
#[must_use]
pub fn namespace_key(name: &str) -> ContentionKey {
    ContentionKey::new("namespace", name)
}

/// Returns the keys of what locations take: each of them, and its host.
pub fn keys(locations: &[Location<'_>]) -> impl Iterator<Item = ContentionKey> {
    locations.iter().flat_map(|it| [Some(it.key()), it.host_key()]).flatten()
}

/// Returns the hosts of locations that an older resource outside of the namespace of this one already has,
/// whatever the class and the path. The other resource may be of a kind without a namespace.
#[must_use]
pub fn host_conflicts(
    wanted: &[Location<'_>],
    (own, created): (&ResourceRef, Option<Timestamp>),
    contention: &Contention,
) -> Vec<RouteConflict> {
    let is_outside = |other: &ResourceRef| other.key().namespace != own.key().namespace;
    let clash = |location: &Location<'_>| {
        let by = contention.older_among(own, created, &location.host_key()?, is_outside)?;
        let (way, host) = (location.way, location.host.to_owned());
        Some(RouteConflict { way, host, path: String::new(), by })
    };
    let mut found: Vec<RouteConflict> = wanted.iter().filter_map(clash).collect();
    found.dedup();
    found
}

/// Returns the locations that an older resource already has; the younger one waits.
#[must_use]
pub fn route_conflicts(
    wanted: &[Location<'_>],
    (own, created): (&ResourceRef, Option<Timestamp>),
    contention: &Contention,
) -> Vec<RouteConflict> {
    let clash = |location: &Location<'_>| {
        let by = contention.older(own, created, &location.key())?;
        let Location { way, host, path, .. } = *location;
        Some(RouteConflict { way, host: host.to_owned(), path: path.to_owned(), by })
    };
    wanted.iter().filter_map(clash).collect()
}

/// Returns the locations that the `exposure` block of a resource wants. Its objects are in this
/// namespace.
#[must_use]
pub fn locations<'a>(exposure: &'a Value, namespace: &'a str) -> Vec<Location<'a>> {
    let block = |pointer: &str| {
        let block = field_at(exposure, pointer)?;
        (block.get("enabled").and_then(Value::as_bool) != Some(false)).then_some(block)
    };
    let ingress = block("/ingress").into_iter().flat_map(|ingress| {
        let class = text(ingress, "/className").unwrap_or_default();
        rules(ingress, ExposureKind::Ingress, (class, ""), None)
    });
    // A Gateway that the operator creates has its own address.
    let gateway = block("/gateway").into_iter().flat_map(move |gateway| {
        list(gateway, "parentRefs").flat_map(move |parent| {
            let at = text(parent, "/namespace").unwrap_or(namespace);
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

#[cfg(test)]
mod tests {
    use engine::{contention::Contender, resource::ResourceKind};
    use serde_json::json;

    use super::*;

    const fn kind(kind: &'static str, plural: &'static str, namespaced: bool) -> ResourceKind {
        let (group, version, label, watch) = ("toys.example.com", "v1", plural, plural);
        ResourceKind { group, version, kind, plural, namespaced, label, watch, field_manager: "toy-operator" }
    }

    static FLEET: ResourceKind = kind("Fleet", "fleets", false);
    static TOY: ResourceKind = kind("Toy", "toys", true);

    /// A resource created at this second that has this `exposure`. Its objects are in its own
    /// namespace, or in the namespace of its name.
    struct Claimant {
        resource: ResourceRef,
        created: Option<Timestamp>,
        exposure: Value,
    }

    impl Claimant {
        fn new(resource: ResourceRef, second: i64, exposure: &Value) -> Self {
            let created = Some(Timestamp::from_second(second).unwrap());
            Self { resource, created, exposure: exposure.clone() }
        }

        fn locations(&self) -> Vec<Location<'_>> {
            let namespace = self.resource.key().namespace.as_deref();
            locations(&self.exposure, namespace.unwrap_or(self.resource.name()))
        }

        fn conflicts(&self, contention: &Contention) -> Vec<RouteConflict> {
            route_conflicts(&self.locations(), (&self.resource, self.created), contention)
        }
    }

    fn all(claimants: &[&Claimant]) -> Contention {
        let contention = Contention::default();
        for Claimant { resource, created, .. } in claimants {
            let keys: Vec<_> = claimants
                .iter()
                .filter(|it| it.resource == *resource)
                .flat_map(|it| it.locations().iter().map(Location::key).collect::<Vec<_>>())
                .collect();
            contention.update(resource, Contender { created: *created, watched: keys.clone(), keys });
        }
        contention
    }

    /// Returns the holders of what the younger of two wants. The older one is of the other kind first,
    /// then of the same kind.
    fn by(older: &Value, younger: &Value) -> Vec<String> {
        let fleet = |name: &str| ResourceRef::new(&FLEET, None, name);
        let told = |of_older: ResourceRef| {
            let older = Claimant::new(of_older, 1, older);
            let younger = Claimant::new(fleet("a"), 2, younger);
            let contention = all(&[&older, &younger]);
            assert!(older.conflicts(&contention).is_empty(), "the older one is not touched");
            let found = younger.conflicts(&contention);
            assert!(found.iter().all(|it| it.by == older.resource));
            // A resource that releases a key must trigger each resource that waits for it.
            let woken = contention.remove(&older.resource);
            assert!(found.is_empty() || woken.contains(&younger.resource));
            found.iter().map(|it| format!("{:?} {}{}", it.way, it.host, it.path)).collect::<Vec<_>>()
        };
        let found = told(fleet("b"));
        assert_eq!(told(ResourceRef::new(&TOY, Some("b"), "a")), found, "kinds make no difference");
        found
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
        assert_eq!(by(&ingress("nginx", &x), &ingress("nginx", &rooted)), ["Ingress x/"]);
        let [slash, bare] = ["/a/", "/a"].map(|path| json!([{ "host": "x", "path": path }]));
        assert_eq!(by(&ingress("nginx", &slash), &ingress("nginx", &bare)), ["Ingress x/a"]);
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
        assert_eq!(by(&ingress("nginx", &any), &ingress("nginx", &any)), ["Ingress /a"], "every other host");
        assert_eq!(by(&on("g", None, &any), &on("g", None, &any)), ["Gateway /a"]);
        let default = json!({ "ingress": { "rules": x } });
        assert_eq!(by(&default, &default), ["Ingress x/"]);
    }

    #[test]
    fn routes_compete_on_one_gateway_and_one_listener_of_it() {
        let x = json!([{ "host": "x", "path": "/s" }]);
        let taken = ["Gateway x/s"];
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
    fn of_several_the_oldest_is_named() {
        let want = ingress("nginx", &json!([{ "host": "x" }]));
        let toy = |namespace| ResourceRef::new(&TOY, Some(namespace), "erp");
        let [a, b, c] =
            [("a", 5), ("b", 5), ("c", 1)].map(|(name, second)| Claimant::new(toy(name), second, &want));
        let contention = all(&[&a, &b, &c]);
        let who = |own: &Claimant| own.conflicts(&contention).first().map(|it| it.by.to_string());
        assert_eq!(who(&b).as_deref(), Some("Toy c/erp"));
        contention.remove(&c.resource);
        assert_eq!(who(&b).as_deref(), Some("Toy a/erp"), "of one age, the first by name");
        assert_eq!(who(&a), None, "oneself is no other");
    }
}
