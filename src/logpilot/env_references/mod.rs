//! References of the components of a `LogPilotCluster`, and the referenced content that they may not
//! have.

mod brought;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::model::{Cluster, Component};
use crate::{
    kinds::Managed,
    reasons::{REFERENCE_INVALID, REFERENCE_MISSING},
    workload::references::{
        Objects, Origin, Reader, Reference, ReferenceQuery, ReferenceRequest, Refused, ResolvedReferences,
        Salt, read_cache::Moment,
    },
    workload::scope::Scope,
};

/// Returns the references to read for a resource.
#[must_use]
pub fn request<'a>(
    cluster: &'a Cluster,
    moment: &'a Moment,
    suspect: bool,
    nothing_there: bool,
) -> ReferenceRequest<'a> {
    ReferenceRequest { query: wanted(cluster), of: origin(cluster), moment, suspect, nothing_there }
}

fn origin(cluster: &Cluster) -> Origin<'_> {
    Origin { namespace: &cluster.namespace.name, salt: Salt::Resource(cluster.uid()) }
}

/// Returns the content that the objects bring to a component, by its Deployment's name, and that it
/// may not have or that has no effect.
#[must_use]
pub fn refused(cluster: &Cluster, name: &str, objects: &Objects) -> Vec<Refused> {
    let component = cluster.components.iter().find(|component| component.name == *name);
    component.map(|component| brought::refused(cluster, component, objects)).unwrap_or_default()
}

/// Returns why a new pod could not start, or must not: a reason of the status.
#[must_use]
pub fn held(references: &ResolvedReferences) -> Option<&'static str> {
    let missing = references.is_missing().then_some(REFERENCE_MISSING);
    missing.or_else(|| references.is_refused().then_some(REFERENCE_INVALID))
}

/// Returns the references of a resource's components.
#[must_use]
pub fn wanted(cluster: &Cluster) -> ReferenceQuery {
    let all = cluster.components.iter().map(|component| (component.name.clone(), references_of(component)));
    let all = all.chain([(cluster.scope.prefix.service_account(), pull_secrets(&cluster.scope))]);
    all.filter(|(_, references)| !references.is_empty()).collect()
}

/// A public image needs no pull Secret, so a missing one is reported and blocks nothing.
#[must_use]
pub fn pull_secrets(scope: &Scope) -> Vec<Reference> {
    let one = |name: &String| Reference {
        kind: Secret::KIND,
        name: name.clone(),
        key: None,
        optional: true,
        reader: Reader::Pull,
    };
    scope.pull_secrets.iter().map(one).collect()
}

fn references_of(component: &Component) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut add = |kind, name: &str, key: Option<&String>, optional| {
        let key = key.cloned();
        found.push(Reference { kind, name: name.to_owned(), key, optional, reader: Reader::Variable });
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::{api::LogPilotCluster, logpilot::validate::validate, workload::references};

    fn resolve(cluster: &Cluster, objects: &Objects) -> BTreeMap<String, ResolvedReferences> {
        let refused = |name: &str, objects: &Objects| refused(cluster, name, objects);
        references::resolve(&wanted(cluster), objects, origin(cluster), refused)
    }

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
        let all = resolve(cluster, objects);
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
            let facts = resolve(&cluster, &[(("secrets", "login".to_owned()), found)].into());
            let told = &facts["c"];
            assert!(told.missing[0].message.starts_with(words), "{told:?}");
            assert!(!told.hold());
        }
        let objects: Objects = [(("secrets", "login".to_owned()), Some(login))].into();
        let cluster = with(&["login"]);
        let facts = resolve(&cluster, &objects);
        assert_eq!(facts["c"].missing, []);
        let without = resolve(&with(&[]), &objects);
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
