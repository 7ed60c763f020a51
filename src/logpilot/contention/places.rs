//! Storage locations: the PVCs of servers, and the PVCs and buckets of backups. Two resources may name
//! the same one; generated names never collide, or are a `NameConflict`. Pure.

use kube::api::DynamicObject;
use serde_json::Value;

use super::{age, name, namespace};
use crate::{
    engine::{contention::ContentionKey, plan::Key},
    logpilot::{
        defaults::{ALL, GRPC_ONLY, REST},
        facts::{Contents, Place, SharedPlace},
        model::ServerRole,
        names,
    },
    workload::{
        json::{field_at, text},
        names::NamePrefix,
    },
};

/// The components that may have their own PVCs.
static ROLES: [&ServerRole; 3] = [&ALL, &REST, &GRPC_ONLY];

/// The contents and the location of data.
struct Use {
    place: Place,
    contents: Contents,
    /// Whether a field of the spec names the location; a generated name belongs to the resource.
    named: bool,
}

impl Use {
    fn meets(&self, other: &Self) -> bool {
        (self.named || other.named) && self.place == other.place
    }
}

/// The places of a resource, for those that keep something there too.
pub(super) fn keys(object: &DynamicObject) -> impl Iterator<Item = ContentionKey> {
    uses(object).into_iter().map(|it| ContentionKey::new("place", it.place.to_string()))
}

/// Returns the locations of a resource that other resources use too, the oldest other resource first.
pub fn shared_places<'a>(
    own: &DynamicObject,
    others: impl Iterator<Item = &'a DynamicObject>,
) -> Vec<SharedPlace> {
    // There may be hundreds of resources: only those that can share a location are read.
    let mut near: Vec<_> = others.filter(|other| is_near(own, other)).collect();
    near.sort_by_key(|other| age(other));
    let ours = if near.is_empty() { Vec::new() } else { uses(own) };
    let met = |other: &DynamicObject| {
        let theirs = uses(other);
        let pairs = ours.iter().flat_map(|it| theirs.iter().map(move |theirs| (it, theirs)));
        let shared = pairs.filter(|(it, theirs)| it.meets(theirs)).map(|(it, theirs)| SharedPlace {
            place: it.place.clone(),
            contents: it.contents,
            named: it.named,
            by: name(other).to_owned(),
            theirs: theirs.contents,
            older: age(other) < age(own),
        });
        shared.collect::<Vec<_>>()
    };
    near.into_iter().flat_map(met).collect()
}

fn is_near(own: &DynamicObject, other: &DynamicObject) -> bool {
    let bucket = |object| backup(object).and_then(|backup| text(backup, "/s3/bucket"));
    let names = |object: &DynamicObject| {
        data_claim(object).is_some() || backup(object).and_then(backup_claim).is_some()
    };
    (namespace(own) == namespace(other) && (names(own) || names(other)))
        || bucket(own).is_some_and(|own| Some(own) == bucket(other))
}

fn uses(object: &DynamicObject) -> Vec<Use> {
    let mut all = data(object);
    all.extend(backup(object).into_iter().flat_map(|backup| backups(object, backup)));
    all
}

/// Includes components that are disabled or stopped: they may start again while another resource writes.
fn data(object: &DynamicObject) -> Vec<Use> {
    let of = |name: String, named| Use { place: claim(object, name), contents: Contents::Data, named };
    match (prefix(object), data_claim(object)) {
        (_, Some(existing)) if !per_component(object) => vec![of(existing.to_owned(), true)],
        (Some(prefix), _) if per_component(object) => {
            ROLES.iter().map(|role| of(names::component_data(&prefix, role.name), false)).collect()
        }
        (Some(prefix), _) => vec![of(names::shared_data(&prefix), false)],
        (None, _) => Vec::new(),
    }
}

fn backups(object: &DynamicObject, backup: &Value) -> Vec<Use> {
    let of = |place, named| Use { place, contents: Contents::Backups, named };
    let Some(prefix) = prefix(object) else { return Vec::new() };
    let roles: Vec<_> =
        if per_component(object) { ROLES.iter().map(|role| Some(role.name)).collect() } else { vec![None] };
    if let Some(s3) = backup.get("s3") {
        let Some(bucket) = text(s3, "/bucket") else { return Vec::new() };
        let default = || format!("{}/{prefix}", namespace(object));
        let base = text(s3, "/prefix").map_or_else(default, str::to_owned);
        // One server may be spelled in several ways. An undetected match is safe nevertheless, because
        // each resource removes only its own backups.
        let at =
            text(s3, "/endpoint").map(|at| format!(" at {}", at.trim_end_matches('/'))).unwrap_or_default();
        let place = |role: Option<&str>| {
            let role = role.map(|role| format!("/{role}")).unwrap_or_default();
            Place::Bucket(format!("s3://{bucket}/{base}{role}{at}"))
        };
        return roles.into_iter().map(|role| of(place(role), true)).collect();
    }
    match backup_claim(backup) {
        Some(existing) => vec![of(claim(object, existing.to_owned()), true)],
        None => {
            roles.into_iter().map(|role| of(claim(object, names::backup(&prefix, role)), false)).collect()
        }
    }
}

/// Returns the backup block; a resource that makes no backups only reads.
fn backup(object: &DynamicObject) -> Option<&Value> {
    let is =
        |block: &Value, field: &str, value: bool| block.get(field).and_then(Value::as_bool) == Some(value);
    let block = field_at(&object.data, "/spec/backup").filter(|block| block.is_object())?;
    (!is(block, "enabled", false) && !is(block, "suspend", true)).then_some(block)
}

fn backup_claim(backup: &Value) -> Option<&str> {
    text(backup, "/volume/existingClaim")
}

fn data_claim(object: &DynamicObject) -> Option<&str> {
    text(&object.data, "/spec/storage/volume/existingClaim")
}

fn per_component(object: &DynamicObject) -> bool {
    text(&object.data, "/spec/storage/sharing") == Some("PerComponent")
}

fn prefix(object: &DynamicObject) -> Option<NamePrefix> {
    NamePrefix::parse(text(&object.data, "/spec/nameOverride").unwrap_or_else(|| name(object)))
}

fn claim(object: &DynamicObject, name: String) -> Place {
    Place::Claim(Key { namespace: Some(namespace(object).to_owned()), name })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{contention_keys, watched_keys},
        *,
    };

    fn resource(name: &str, second: u8, spec: &str) -> DynamicObject {
        let mut spec: Value = serde_yaml::from_str(spec).unwrap();
        if spec.get("namespace").is_none() {
            spec["namespace"] = json!({ "name": "logs" });
        }
        serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": name, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z") },
            "spec": spec,
        }))
        .unwrap()
    }

    /// Returns what the older of two and the younger one share: its contents, the location, the other's
    /// contents.
    fn between(older: &str, younger: &str) -> [Vec<String>; 2] {
        let (older, younger) = (resource("b", 1, older), resource("a", 2, younger));
        let told = |own: &DynamicObject, other: &DynamicObject| {
            let found = shared_places(own, [other].into_iter());
            assert!(found.iter().all(|it| it.older == (name(own) == "a") && it.by == name(other)));
            // A resource that releases a location must trigger each resource that shares it.
            let reached = contention_keys(other).iter().any(|key| watched_keys(own).contains(key));
            assert!(found.is_empty() || reached, "{:?} {:?}", contention_keys(other), watched_keys(own));
            found
                .iter()
                .map(|it| format!("{:?} {} {:?}", it.contents, it.place, it.theirs))
                .collect::<Vec<_>>()
        };
        let [of_older, of_younger] = [told(&older, &younger), told(&younger, &older)];
        assert_eq!(of_older.len(), of_younger.len());
        [of_older, of_younger]
    }

    fn younger(older: &str, younger: &str) -> Vec<String> {
        let [_, younger] = between(older, younger);
        younger
    }

    const X: &str = "{ storage: { volume: { existingClaim: x } } }";
    const OF_B: &str = "{ storage: { volume: { existingClaim: b-data } } }";

    #[test]
    fn one_claim_under_the_data_of_two_is_found() {
        let x = ["Data PersistentVolumeClaim logs/x Data"];
        assert_eq!(younger(X, X), x);
        assert_eq!(younger("{}", OF_B), ["Data PersistentVolumeClaim logs/b-data Data"]);
        assert_eq!(between(OF_B, "{ nameOverride: b }")[0], ["Data PersistentVolumeClaim logs/b-data Data"]);
        let per_component = "{ storage: { sharing: PerComponent }, components: { all: {} } }";
        let rest = "{ storage: { volume: { existingClaim: b-rest-data } } }";
        assert_eq!(
            younger(per_component, rest),
            ["Data PersistentVolumeClaim logs/b-rest-data Data"],
            "it may come"
        );
        let stopped = "{ storage: { volume: { existingClaim: x } }, operation: { stopped: true } }";
        assert_eq!(younger(stopped, X), x, "it may start");
        for (older, own) in [
            ("{}", "{}"),
            ("{}", "{ nameOverride: b }"),
            (X, "{ storage: { volume: { existingClaim: y } } }"),
            (X, "{ namespace: { name: elsewhere }, storage: { volume: { existingClaim: x } } }"),
        ] {
            assert!(younger(older, own).is_empty(), "{older} {own}");
        }
    }

    #[test]
    fn one_place_of_the_backups_of_two_is_found() {
        let s3 = |more: &str| format!("{{ backup: {{ s3: {{ bucket: abc, prefix: p{more} }} }} }}");
        assert_eq!(younger(&s3(""), &s3("")), ["Backups s3://abc/p Backups"]);
        let elsewhere = "{ namespace: { name: other }, backup: { s3: { bucket: abc, prefix: logs/b } } }";
        assert_eq!(
            younger("{ backup: { s3: { bucket: abc } } }", elsewhere),
            ["Backups s3://abc/logs/b Backups"]
        );
        let at = |end: &str| s3(&format!(", endpoint: 'https://s3.example.com{end}'"));
        assert_eq!(younger(&at(""), &at("/")), ["Backups s3://abc/p at https://s3.example.com Backups"]);
        let of_component =
            "{ storage: { sharing: PerComponent }, backup: { s3: { bucket: abc, prefix: p } } }";
        assert_eq!(younger(of_component, &s3("/rest")), ["Backups s3://abc/p/rest Backups"]);
        let nfs = "{ backup: { volume: { existingClaim: nfs } } }";
        assert_eq!(younger(nfs, nfs), ["Backups PersistentVolumeClaim logs/nfs Backups"]);
        let of_b = "{ backup: { volume: { existingClaim: b-backup } } }";
        assert_eq!(younger("{ backup: {} }", of_b), ["Backups PersistentVolumeClaim logs/b-backup Backups"]);
        // Backups on the data of another resource, and data on its backups.
        let on_data = "{ backup: { volume: { existingClaim: b-data } } }";
        assert_eq!(younger("{}", on_data), ["Backups PersistentVolumeClaim logs/b-data Data"]);
        let on_backups = "{ storage: { volume: { existingClaim: b-backup } } }";
        assert_eq!(
            younger("{ backup: {} }", on_backups),
            ["Data PersistentVolumeClaim logs/b-backup Backups"]
        );
        for (older, own) in [
            (s3(""), s3("/q")),
            (s3(""), at("")),
            (s3(""), "{ backup: { s3: { bucket: other, prefix: p } } }".into()),
            ("{ backup: {} }".into(), "{ backup: {} }".into()),
            ("{}".into(), of_b.into()),
            // It reads from the location to which the other one writes, as for a copy of it.
            (nfs.into(), "{ backup: { suspend: true, volume: { existingClaim: nfs } } }".into()),
            (nfs.into(), "{ backup: { enabled: false, volume: { existingClaim: nfs } } }".into()),
        ] {
            assert!(younger(&older, &own).is_empty(), "{older} {own}");
        }
    }

    #[test]
    fn of_many_the_oldest_comes_first() {
        let [a, b, c] = [("a", 5), ("b", 5), ("c", 1)].map(|(name, second)| resource(name, second, X));
        let found = shared_places(&b, [&a, &c].into_iter());
        assert_eq!(
            found.iter().map(|it| (it.by.as_str(), it.older)).collect::<Vec<_>>(),
            [("c", true), ("a", true)]
        );
        assert!(shared_places(&c, [&a, &b].into_iter()).iter().all(|it| !it.older));
    }
}
