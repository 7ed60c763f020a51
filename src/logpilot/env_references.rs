//! Reads the Secrets and ConfigMaps that a component's variables refer to: by name, rarely, and keeps
//! only a hash. A variable is read once, when its container starts, so a change must trigger a rollout.
//! Pull Secrets are also checked, because a kubelet that does not find one reports nothing and pulls
//! without it.

mod brought;

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::Value;

use super::{
    api_key::fingerprint,
    facts::{Missing, ResolvedReferences},
    model::{Cluster, Component},
    read_cache::{Moment, REFRESH_HELD, ReadCache},
};
use crate::{
    engine::{
        api_client::{ApiClient, named},
        error::Error,
        kind::Kind,
        plan::Key,
    },
    kinds::Managed,
};

/// Number of concurrent reads for one resource.
const IN_FLIGHT: usize = 4;

/// The reference of one variable, or of all keys of one object.
#[derive(Clone, Debug, PartialEq)]
struct Reference {
    kind: &'static Kind,
    name: String,
    /// The key; `None` means every key.
    key: Option<String>,
    optional: bool,
    /// Whether it is a registry login: no variable contains it, and no rollout is needed for it.
    pulls: bool,
}

/// Keys that may contain the logins of a pull Secret, depending on its type.
const LOGINS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// The references of every component by the name of its Deployment, and the pull Secrets by the name of
/// the ServiceAccount, which usually owns them; entries without references are omitted.
pub type ReferenceQuery = BTreeMap<String, Vec<ReferenceOf>>;

/// A reference of a component. Opaque: only this module reads the objects it names.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceOf(Reference);

/// Returns the references of a resource's components.
#[must_use]
pub fn wanted(cluster: &Cluster) -> ReferenceQuery {
    let all = cluster.components.iter().map(|component| (component.name.clone(), references_of(component)));
    let all = all.chain([(cluster.scope.prefix.service_account(), pull_secrets(cluster))]);
    all.filter(|(_, references)| !references.is_empty()).collect()
}

/// A public image needs no pull Secret, so a missing one is reported and blocks nothing.
fn pull_secrets(cluster: &Cluster) -> Vec<ReferenceOf> {
    let one = |name: &String| Reference {
        kind: Secret::KIND,
        name: name.clone(),
        key: None,
        optional: true,
        pulls: true,
    };
    cluster.scope.pull_secrets.iter().map(|name| ReferenceOf(one(name))).collect()
}

fn references_of(component: &Component) -> Vec<ReferenceOf> {
    let mut found = Vec::new();
    let mut add = |kind, name: &str, key: Option<&String>, optional| {
        let key = key.cloned();
        found.push(ReferenceOf(Reference { kind, name: name.to_owned(), key, optional, pulls: false }));
    };
    for source in component.env.iter().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(from) = &source.secret_key_ref {
            add(Secret::KIND, &from.name, Some(&from.key), from.optional == Some(true));
        }
        if let Some(from) = &source.config_map_key_ref {
            add(ConfigMap::KIND, &from.name, Some(&from.key), from.optional == Some(true));
        }
    }
    for source in &component.env_from {
        if let Some(from) = &source.secret_ref {
            add(Secret::KIND, &from.name, None, from.optional == Some(true));
        }
        if let Some(from) = &source.config_map_ref {
            add(ConfigMap::KIND, &from.name, None, from.optional == Some(true));
        }
    }
    found
}

/// Objects by their description; `None` for one that does not exist.
type Objects = BTreeMap<(&'static str, String), Option<Value>>;

/// The last known references of a resource.
#[derive(Default)]
pub struct ReferenceReader {
    looks: ReadCache<ReferenceQuery, BTreeMap<String, ResolvedReferences>>,
}

/// The context of a reference lookup.
pub struct ReferenceRequest<'a> {
    pub cluster: &'a Cluster,
    pub moment: &'a Moment,
    /// Whether a pod reports that something it needs is missing.
    pub suspect: bool,
    /// Whether the namespace does not exist yet, so that it contains nothing and no read is needed.
    pub nothing_there: bool,
}

impl ReferenceReader {
    /// Returns the facts about a resource's references. They are read again if the spec changed, a pod
    /// misses one, or they are old.
    ///
    /// # Errors
    /// A read failed, so nothing is known.
    pub async fn fetch(
        &mut self,
        writer: &ApiClient,
        asked: ReferenceRequest<'_>,
    ) -> Result<BTreeMap<String, ResolvedReferences>, Error> {
        let cluster = asked.cluster;
        let wanted = wanted(cluster);
        if wanted.is_empty() {
            self.looks.forget();
            return Ok(BTreeMap::new());
        }
        if asked.nothing_there {
            self.looks.forget();
            return Ok(resolve(cluster, &wanted, &Objects::new()));
        }
        if let Some(last) = self.looks.last(&wanted, asked.moment, asked.suspect)
            && !last.old
        {
            return Ok(last.found);
        }
        let objects = read(writer, &cluster.namespace.name, &wanted).await?;
        let found = resolve(cluster, &wanted, &objects);
        let held = found.values().any(ResolvedReferences::hold).then_some(REFRESH_HELD);
        self.looks.remember(wanted, asked.moment, found.clone(), held);
        Ok(found)
    }
}

/// Reads each object once, regardless of how many variables refer to it.
async fn read(writer: &ApiClient, namespace: &str, wanted: &ReferenceQuery) -> Result<Objects, Error> {
    let names: BTreeMap<(&'static str, String), &'static Kind> = wanted
        .values()
        .flatten()
        .map(|ReferenceOf(reference)| ((reference.kind.plural, reference.name.clone()), reference.kind))
        .collect();
    let mut reads = Vec::new();
    for (id, kind) in names {
        let key = Key { namespace: Some(namespace.to_owned()), name: id.1.clone() };
        reads.push(async move { Ok((id, writer.get(kind, &key).await?)) });
    }
    stream::iter(reads).buffer_unordered(IN_FLIGHT).try_collect().await
}

fn resolve(
    cluster: &Cluster,
    wanted: &ReferenceQuery,
    objects: &Objects,
) -> BTreeMap<String, ResolvedReferences> {
    let refused = |name: &String| {
        let component = cluster.components.iter().find(|component| component.name == *name);
        component.map(|component| brought::refused(cluster, component, objects)).unwrap_or_default()
    };
    let fact = |name: &String, references: &Vec<ReferenceOf>| {
        let mut content = Vec::new();
        let mut missing: Vec<Missing> = Vec::new();
        for ReferenceOf(reference) in references {
            let id = (reference.kind.plural, reference.name.clone());
            let object = objects.get(&id).and_then(Option::as_ref);
            let data = object.and_then(|object| object.get("data"));
            let seen = match &reference.key {
                None if reference.pulls => LOGINS.iter().find_map(|key| data?.get(key)).map(|_| Value::Null),
                Some(key) => data.and_then(|data| data.get(key)).cloned(),
                // An object without data has no keys.
                None => object.map(|_| data.cloned().unwrap_or(Value::Null)),
            };
            if seen.is_none() {
                missing.push(missing_reference(cluster, reference, object.is_some()));
            }
            // Hashed as JSON, so that different values never serialise alike. The keys of a map are
            // sorted.
            content.push(serde_json::json!([id.0, id.1, reference.key, seen]));
        }
        missing.dedup();
        let content = serde_json::to_vec(&content).unwrap_or_default();
        ResolvedReferences { hash: fingerprint(cluster.uid(), &content), missing, refused: refused(name) }
    };
    wanted.iter().map(|(name, references)| (name.clone(), fact(name, references))).collect()
}

fn missing_reference(cluster: &Cluster, reference: &Reference, exists: bool) -> Missing {
    let key = cluster.key(&reference.name);
    let object = named(reference.kind, &key);
    let what = match &reference.key {
        Some(key) if exists => format!("{object} has no key '{key}'"),
        None if exists => format!("{object} has no key '{}'", LOGINS.join("' or '")),
        _ => format!("{object} does not exist"),
    };
    if reference.pulls {
        let message = format!("{what}, which spec.imagePullSecrets names; images are pulled without a login");
        return Missing { object, message, optional: true };
    }
    let then = if reference.optional {
        "the variable is not set; the pods roll when it appears"
    } else {
        "the pods are left unchanged until it exists"
    };
    Missing {
        object,
        message: format!("{what}, to which a variable refers; {then}"),
        optional: reference.optional,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::LogPilotCluster, logpilot::validate::validate};

    fn cluster(all: &Value) -> Cluster {
        let cr: LogPilotCluster = serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "c", "uid": "u" },
            "spec": { "image": "a:1", "components": { "all": all, "rest": {} } },
        }))
        .unwrap();
        validate(&cr).unwrap()
    }

    fn two(optional: bool) -> Cluster {
        cluster(&json!({
            "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "m", "key": "k", "optional": optional } } }],
            "envFrom": [{ "secretRef": { "name": "s" } }],
        }))
    }

    fn objects(map: Option<Value>, secret: Option<Value>) -> Objects {
        let with = |data| json!({ "data": data });
        [(("configmaps", "m".to_owned()), map.map(with)), (("secrets", "s".to_owned()), secret.map(with))]
            .into()
    }

    fn seen(cluster: &Cluster, objects: &Objects) -> ResolvedReferences {
        let all = resolve(cluster, &wanted(cluster), objects);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["c-all"], "rest refers to nothing");
        all["c-all"].clone()
    }

    #[test]
    fn the_hash_follows_what_is_used_and_tells_nothing() {
        let cluster = two(false);
        let hash = |map, secret| seen(&cluster, &objects(Some(map), Some(secret))).hash;
        let before = hash(json!({ "k": "canary" }), json!({ "x": "YQ==" }));
        assert_eq!(
            hash(json!({ "k": "canary", "other": "1" }), json!({ "x": "YQ==" })),
            before,
            "a key nobody uses"
        );
        assert_ne!(hash(json!({ "k": "2" }), json!({ "x": "YQ==" })), before);
        assert_ne!(
            hash(json!({ "k": "canary" }), json!({ "x": "YQ==", "y": "" })),
            before,
            "envFrom uses every key"
        );
        assert!(!before.contains("canary") && before.len() == 16);
    }

    #[test]
    fn a_pull_secret_that_is_missing_or_none_is_told_and_holds_and_rolls_nothing() {
        let with = |names: &[&str]| {
            let mut cluster = two(true);
            cluster.scope.pull_secrets = names.iter().map(|name| (*name).to_owned()).collect();
            cluster
        };
        let login = json!({ "data": { ".dockerconfigjson": "e30=" } });
        for (found, words) in [
            (None, "Secret c/login does not exist, which spec.imagePullSecrets names"),
            (
                Some(json!({ "data": { "x": "y" } })),
                "Secret c/login has no key '.dockerconfigjson' or '.dockercfg'",
            ),
        ] {
            let cluster = with(&["login"]);
            let facts =
                resolve(&cluster, &wanted(&cluster), &[(("secrets", "login".to_owned()), found)].into());
            let told = &facts["c"];
            assert!(told.missing[0].message.starts_with(words), "{told:?}");
            assert!(!told.hold());
        }
        let objects: Objects = [(("secrets", "login".to_owned()), Some(login))].into();
        let cluster = with(&["login"]);
        let facts = resolve(&cluster, &wanted(&cluster), &objects);
        assert_eq!(facts["c"].missing, []);
        let without = resolve(&with(&[]), &wanted(&with(&[])), &objects);
        assert_eq!(facts["c-all"], without["c-all"], "the pods are as they were");
    }

    #[test]
    fn what_is_missing_is_named_and_holds_unless_it_is_optional() {
        let good = objects(Some(json!({ "k": "1" })), Some(json!({})));
        assert_eq!(seen(&two(false), &good).missing, []);
        let no_key = objects(Some(json!({})), Some(json!({})));
        let fact = seen(&two(false), &no_key);
        assert!(
            fact.hold() && fact.missing[0].message.starts_with("ConfigMap c/m has no key 'k'"),
            "{fact:?}"
        );
        let fact = seen(&two(true), &no_key);
        assert!(!fact.hold() && fact.missing[0].optional);
        assert_ne!(fact.hash, seen(&two(true), &good).hash, "rolls when it appears");
        let fact = seen(&two(true), &objects(None, None));
        assert!(fact.hold(), "the Secret of envFrom is not optional");
        assert!(
            fact.missing.iter().any(|it| it.object == "Secret c/s" && it.message.contains("does not exist"))
        );
    }
}
