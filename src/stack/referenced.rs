//! Secrets and ConfigMaps that the components of a stack read and the operator did not generate. Only a
//! hash of each is kept, in the pod templates of the components that read it: a changed object restarts
//! these and nothing else.
//!
//! A Job has no hash, because a rotated password must not run a migration again. A generated Secret has
//! none either, because its values never change; one that replaces a lost Secret restarts its readers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::{
    api::{
        component::ComponentKind,
        status::{ComponentStatus, StackProblem},
    },
    facts::SecretFact,
    gates::Observed,
    model::{Stack, StackComponent},
    plan,
    problems::problem,
};
use crate::{
    kinds::Managed,
    logpilot::env_references::pull_secrets,
    reasons::REFERENCE_MISSING,
    workload::{
        model::Component,
        problems::Severity,
        references::{
            Origin, Reader, Reference, ReferenceQuery, ReferenceRequest, ResolvedReferences, Salt,
            read_cache::Moment,
        },
    },
};

/// Annotation of a pod template, in the operator's domain: hash of what its variables and volumes refer to.
const HASH: &str = "references-hash";
/// The same: UIDs of the lost Secrets whose successors the pods read.
const REPLACED: &str = "replaced-secrets";
/// The entry of the pull Secrets among the components, none of which has this name.
const PULL_SECRETS: &str = "";

/// The objects that the components refer to, by component.
pub type References = BTreeMap<String, ResolvedReferences>;

/// Returns the objects to read. A Job that exists or has completed starts no pod that needs them.
#[must_use]
pub fn request<'a>(
    stack: &'a Stack,
    observed: &BTreeMap<String, Observed>,
    before: &[ComponentStatus],
    (moment, suspect): (&'a Moment, bool),
) -> ReferenceRequest<'a> {
    let ran = |component: &StackComponent, workload: &Component| {
        let reached = before.iter().find(|it| it.name == component.name).and_then(|it| it.reached.as_ref());
        component.kind == ComponentKind::Job
            && (observed.contains_key(&component.name)
                || reached == Some(&plan::template_hash(stack, component, workload)))
    };
    let generated: BTreeSet<&str> = stack.secrets.iter().map(|secret| secret.name.as_str()).collect();
    let components = stack.running().filter(|(component, workload)| !ran(component, workload));
    let query = components
        .map(|(component, workload)| (component.name.clone(), references_of(component, workload, &generated)))
        .chain([(PULL_SECRETS.to_owned(), pull_secrets(&stack.scope))])
        .filter(|(_, references)| !references.is_empty());
    ReferenceRequest {
        query: query.collect::<ReferenceQuery>(),
        of: Origin { namespace: &stack.scope.namespace, salt: Salt::Secret },
        moment,
        suspect,
        nothing_there: false,
    }
}

fn references_of(
    component: &StackComponent,
    workload: &Component,
    generated: &BTreeSet<&str>,
) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    let mut add = |kind, name: &str, key: Option<&String>, optional: Option<bool>, reader| {
        let files = component.files.as_ref().map(|files| files.config_map.as_str());
        if generated.contains(name) && kind == Secret::KIND || files == Some(name) && kind == ConfigMap::KIND
        {
            return;
        }
        let optional = optional == Some(true);
        let reference = Reference { kind, name: name.to_owned(), key: key.cloned(), optional, reader };
        if !found.contains(&reference) {
            found.push(reference);
        }
    };
    for source in workload.env.iter().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(from) = &source.secret_key_ref {
            add(Secret::KIND, &from.name, Some(&from.key), from.optional, Reader::Variable);
        }
    }
    for source in &workload.env_from {
        if let Some(from) = &source.secret_ref {
            add(Secret::KIND, &from.name, None, from.optional, Reader::Variable);
        }
        if let Some(from) = &source.config_map_ref {
            add(ConfigMap::KIND, &from.name, None, from.optional, Reader::Variable);
        }
    }
    for volume in &workload.volumes {
        if let Some(name) = volume.secret.as_ref().and_then(|from| from.secret_name.as_ref()) {
            add(Secret::KIND, name, None, None, Reader::Volume);
        }
        if let Some(from) = &volume.config_map {
            add(ConfigMap::KIND, &from.name, None, None, Reader::Volume);
        }
    }
    found
}

/// Adds to each pod template what it restarts for.
pub fn stamp(stack: &mut Stack, references: &References, secrets: &BTreeMap<String, SecretFact>) {
    let (hash, replaced) = (stack.scope.key(HASH), stack.scope.key(REPLACED));
    for component in stack.components.values_mut().filter(|it| it.kind != ComponentKind::Job) {
        let Some(workload) = &mut component.workload else { continue };
        let found = references.get(&component.name).map(|it| (hash.clone(), it.hash.clone()));
        workload.pod_annotations.extend(found);
        let lost: Vec<&str> =
            component.secrets.iter().filter_map(|name| secrets.get(name)?.replaces()).collect();
        if !lost.is_empty() {
            workload.pod_annotations.insert(replaced.clone(), lost.join(","));
        }
    }
}

/// Returns the components that are left unchanged, with the reason.
pub fn held(references: &References) -> impl Iterator<Item = (String, &'static str)> {
    let held = references.iter().filter(|(_, found)| found.is_missing());
    held.map(|(component, _)| (component.clone(), REFERENCE_MISSING))
}

/// Returns a problem for each object and key that does not exist.
#[must_use]
pub fn problems(stack: &Stack, references: &References) -> Vec<StackProblem> {
    let all =
        references.iter().flat_map(|(component, found)| found.missing.iter().map(move |it| (component, it)));
    all.map(|(component, missing)| {
        let severity = if missing.optional { Severity::Warning } else { Severity::Error };
        let component = Some(component.as_str()).filter(|name| *name != PULL_SECRETS);
        problem(stack, severity, REFERENCE_MISSING, component, missing.message.clone())
            .of_object(missing.object.clone())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        stack::{api::ServiceStack, facts::Facts, resolve::resolve},
        workload::references::{self, Objects},
    };

    fn stack() -> Stack {
        let cr: ServiceStack = serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
            "metadata": { "name": "shop", "namespace": "n", "uid": "u" },
            "spec": {
                "secrets": { "own": { "generate": ["password"] }, "stripe": { "existing": "keys" } },
                "components": {
                    "key": { "image": "a:1", "env": { "A": "$(secrets.stripe.k)", "B": "x$(secrets.own.password)" } },
                    "all": { "image": "a:1", "envFrom": [{ "configMap": "m" }], "files": { "/etc/x": "y" } },
                    "volume": { "image": "a:1", "volumes": {
                        "s": { "path": "/s", "secret": "stripe" }, "m": { "path": "/m", "configMap": "m" },
                    } },
                    "none": { "image": "a:1", "env": { "P": "$(secrets.own.password)" } },
                    "job": { "kind": "Job", "image": "a:1", "env": { "A": "$(secrets.stripe.k)" } },
                },
            },
        }))
        .unwrap();
        resolve(&cr).unwrap()
    }

    fn objects(secret: Option<&str>, map: Option<&str>) -> Objects {
        let secret = secret
            .map(|value| json!({ "metadata": { "uid": "s" }, "data": { "k": value, "o": "b3RoZXI=" } }));
        let map = map.map(|value| json!({ "metadata": { "uid": "m" }, "data": { "k": value } }));
        [(("secrets", "keys".to_owned()), secret), (("configmaps", "m".to_owned()), map)].into()
    }

    fn resolved(stack: &Stack, objects: &Objects) -> References {
        let moment = Moment::default();
        let asked = request(stack, &BTreeMap::new(), &[], (&moment, false));
        references::resolve(&asked.query, objects, asked.of, |_, _| Vec::new())
    }

    /// The components whose pod template differs between two states of the objects.
    fn rolled(before: &Objects, after: &Objects) -> Vec<String> {
        let hashes = |objects: &Objects| {
            let mut stack = stack();
            let found = resolved(&stack, objects);
            stamp(&mut stack, &found, &BTreeMap::new());
            let hash = |(component, workload): (&StackComponent, &Component)| {
                (component.name.clone(), plan::template_hash(&stack, component, workload))
            };
            stack.running().map(hash).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (hashes(before), hashes(after));
        before.into_iter().filter(|(name, hash)| after[name] != *hash).map(|(name, _)| name).collect()
    }

    #[test]
    fn a_changed_object_restarts_its_readers_only() {
        let before = objects(Some("b25l"), Some("one"));
        assert_eq!(rolled(&before, &before), [""; 0]);
        assert_eq!(rolled(&before, &objects(Some("dHdv"), Some("one"))), ["key", "volume"]);
        assert_eq!(rolled(&before, &objects(Some("b25l"), Some("two"))), ["all", "volume"]);
    }

    #[test]
    fn generated_secrets_and_own_files_are_not_read() {
        let stack = stack();
        let query = request(&stack, &BTreeMap::new(), &[], (&Moment::default(), false)).query;
        let names: BTreeSet<&str> = query.values().flatten().map(|it| it.name.as_str()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["keys", "m"]);
        assert!(!query.contains_key("none"), "{query:?}");
    }

    #[test]
    fn a_missing_object_holds_its_readers_only() {
        let stack = stack();
        let found = resolved(&stack, &objects(None, Some("one")));
        let held: Facts = Facts { held: held(&found).collect(), ..Facts::default() };
        let plan = plan::plan(&stack, &held);
        let mut names: Vec<&str> = plan
            .objects
            .iter()
            .filter(|it| it.held.is_some())
            .filter_map(|it| it.key.name.split('-').next())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["job", "key", "volume"]);
        let told = problems(&stack, &found);
        assert_eq!(told.len(), 3);
        let volume = told.iter().find(|it| it.component.as_deref() == Some("volume")).unwrap();
        assert_eq!(
            (volume.problem.object.as_str(), volume.problem.severity),
            ("Secret n/keys", Severity::Error)
        );
        assert!(volume.problem.message.contains("to which a volume refers"), "{volume:?}");
        assert!(!volume.problem.action.is_empty());
    }

    #[test]
    fn a_job_that_ran_misses_nothing() {
        let stack = stack();
        let ran = [("job".to_owned(), Observed::default())].into();
        let query = |observed: &BTreeMap<String, Observed>, before: &[ComponentStatus]| {
            request(&stack, observed, before, (&Moment::default(), false)).query.contains_key("job")
        };
        assert!(query(&BTreeMap::new(), &[]));
        assert!(!query(&ran, &[]));
        let job = &stack.components["job"];
        let reached = plan::template_hash(&stack, job, job.workload.as_ref().unwrap());
        let before =
            ComponentStatus { name: "job".into(), reached: Some(reached), ..ComponentStatus::default() };
        assert!(!query(&BTreeMap::new(), &[before]));
    }

    #[test]
    fn the_readers_of_a_replaced_secret_restart() {
        let templates = |replaces: Option<&str>| {
            let mut stack = stack();
            let fact = SecretFact::Exists { uid: "new".into(), replaces: replaces.map(str::to_owned) };
            stamp(&mut stack, &References::new(), &[("shop-own".to_owned(), fact)].into());
            let of = |(it, workload): (&StackComponent, &Component)| {
                (it.name.clone(), plan::template_hash(&stack, it, workload))
            };
            stack.running().map(of).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (templates(None), templates(Some("lost")));
        let rolled: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
        assert_eq!(rolled, ["key", "none"]);
    }
}
