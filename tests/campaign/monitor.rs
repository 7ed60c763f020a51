//! Behaviour that must never occur during a trial, however it ends.

use std::collections::{BTreeMap, BTreeSet};

use fault_proxy::Record;
use logpilot_operator::kinds::{FIELD_MANAGER, SERVICE_STACK};
use serde_json::Value;

use super::{
    cluster::{behind::shown, case::condition},
    order,
    witness::{Seen, What, is_resource},
};

/// The behaviour of runs without a disturbance.
#[derive(Clone, Debug, Default)]
pub struct Ordinary {
    pub writes: usize,
    /// How often each object was created.
    made: BTreeMap<String, usize>,
    /// The replica counts that were set on each workload.
    replicas: BTreeMap<String, BTreeSet<i64>>,
    /// Services that lost their last ready pod.
    dipped: BTreeSet<String>,
}

impl Ordinary {
    pub fn learn(name: &str, history: &[Seen], records: &[Record]) -> Self {
        Self {
            writes: records.iter().filter(|record| record.asked.writes()).count(),
            made: made(name, history),
            replicas: replicas(name, history),
            dipped: dipped(name, history),
        }
    }

    /// Combines the behaviour of two runs.
    pub fn or(mut self, other: Self) -> Self {
        self.writes = self.writes.max(other.writes);
        for (object, times) in other.made {
            let most = self.made.entry(object).or_default();
            *most = times.max(*most);
        }
        for (deployment, numbers) in other.replicas {
            self.replicas.entry(deployment).or_default().extend(numbers);
        }
        self.dipped.extend(other.dipped);
        self
    }

    /// Returns what a disturbed run did and none of the undisturbed runs did.
    pub fn violations(&self, name: &str, history: &[Seen]) -> Vec<String> {
        let mut found = Vec::new();
        for (object, times) in made(name, history) {
            let most = self.made.get(&object).copied().unwrap_or_default();
            if times > most.max(1) {
                found.push(format!("{object} was created {times} times, otherwise {most}"));
            }
        }
        for (deployment, numbers) in replicas(name, history) {
            let known = self.replicas.get(&deployment);
            for number in numbers.iter().filter(|number| known.is_some_and(|known| !known.contains(number))) {
                found.push(format!("{deployment} was set to {number} replicas, otherwise {known:?}"));
            }
        }
        for service in dipped(name, history).difference(&self.dipped) {
            found.push(format!("{service} was without a ready pod"));
        }
        found
    }
}

/// Returns the violations of the rules for every run. `name` is the namespace of the resource's objects.
pub fn always(name: &str, history: &[Seen], records: &[Record]) -> Vec<String> {
    let mut found = rules_of_writing(name, records);
    found.extend(status_backwards(history));
    found.extend(ready_too_early(history));
    found.extend(order::violations(history));
    found.extend(secrets_generated_again(history));
    found
}

/// The kinds in the second namespace of a resource that requests one, apart from the namespace
/// itself: the objects of the monitoring.
pub const MONITORING: [&str; 4] = ["configmaps", "podmonitors", "prometheusrules", "servicemonitors"];

/// Returns the second namespace of a resource that requests one.
pub fn system_namespace(name: &str) -> String {
    format!("{name}-system")
}

fn rules_of_writing(name: &str, records: &[Record]) -> Vec<String> {
    let mut found = Vec::new();
    for record in records {
        let asked = &record.asked;
        let place = asked.namespace.as_deref().or(asked.name.as_deref());
        // Events of a cluster-scoped resource are in `default`.
        let own = asked.resource == "events"
            || place == Some(name)
            || place == Some(&system_namespace(name))
                && (asked.resource == "namespaces" || MONITORING.contains(&asked.resource.as_str()));
        if asked.writes() && !own {
            found.push(format!("written outside: {}", shown(record)));
        }
        if asked.verb == "delete"
            && !record.precondition.as_deref().is_some_and(|it| it.starts_with("/preconditions/uid"))
        {
            found.push(format!("deleted whatever has that name: {}", shown(record)));
        }
        if asked.verb == "deletecollection" || asked.verb == "update" {
            found.push(format!("a verb that is not used: {}", shown(record)));
        }
        let manager = record.field_manager.as_deref();
        // kube's recorder counts a repetition in an Event object that it created, and sets no field
        // manager.
        let counted = asked.resource == "events";
        if asked.verb == "patch"
            && !counted
            && manager.is_none_or(|manager| !manager.starts_with(FIELD_MANAGER))
        {
            found.push(format!("written as {manager:?}: {}", shown(record)));
        }
        if asked.resource == "secrets" && matches!(asked.verb.as_str(), "list" | "watch") {
            found.push(format!("Secrets are read by name only: {}", shown(record)));
        }
    }
    found
}

fn status_backwards(history: &[Seen]) -> Vec<String> {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for seen in history.iter().filter(|seen| is_resource(&seen.kind) && seen.what != What::Deleted) {
        let uid = seen.object["metadata"]["uid"].as_str().unwrap_or_default();
        let observed = seen.object["status"]["observedGeneration"].as_i64().unwrap_or_default();
        let before = last.insert(uid, observed).unwrap_or_default();
        if observed < before {
            found.push(format!("observedGeneration went from {before} to {observed}"));
        }
    }
    found
}

/// Ready means that every pod runs the declared state: each workload must have done so when Ready was
/// written.
fn ready_too_early(history: &[Seen]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut workloads: BTreeMap<&str, &Value> = BTreeMap::new();
    for seen in history {
        if is_workload(seen) {
            match seen.what {
                What::Deleted => drop(workloads.remove(seen.name.as_str())),
                What::Added | What::Modified => drop(workloads.insert(&seen.name, &seen.object)),
            }
        }
        let status = &seen.object["status"];
        let fresh = status["observedGeneration"] == seen.object["metadata"]["generation"];
        if is_resource(&seen.kind) && fresh && condition(status, "Ready").0 == "True" {
            found.extend(workloads.iter().filter(|(_, it)| !complete(it)).map(|(name, it)| {
                format!("Ready while {name} is {} for {}", it["status"], it["spec"]["replicas"])
            }));
        }
    }
    found.into_iter().collect()
}

/// The PVCs of the trials' stacks are retained, and a database in them accepts the first values only.
fn secrets_generated_again(history: &[Seen]) -> Vec<String> {
    let (mut known, mut found) = (BTreeSet::new(), Vec::new());
    if history.iter().any(|seen| seen.kind == SERVICE_STACK.kind) {
        let generated = history.iter().filter(|seen| seen.kind == "Secret" && seen.what == What::Added);
        for seen in generated.filter(|seen| !known.insert(&seen.name)) {
            found.push(format!("Secret {} was generated again", seen.name));
        }
    }
    found
}

/// Returns whether an object runs pods until it is deleted.
pub fn is_workload(seen: &Seen) -> bool {
    ["Deployment", "StatefulSet"].contains(&seen.kind.as_str())
}

/// Returns whether every pod of a workload is available and of its newest template.
pub fn complete(workload: &Value) -> bool {
    let wanted = workload["spec"]["replicas"].as_i64().unwrap_or(1);
    let status = &workload["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or_default();
    status["observedGeneration"].as_i64() >= workload["metadata"]["generation"].as_i64()
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|field| count(field) == wanted)
}

/// Returns how often each object was created for an existing resource. An object created after the
/// resource was deleted, but before the operator saw the deletion, is left to the garbage collector
/// and does not count.
fn made(name: &str, history: &[Seen]) -> BTreeMap<String, usize> {
    let (mut made, mut known, mut gone) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    // Controllers create these as often as needed.
    let others = ["Pod", "ReplicaSet", "EndpointSlice"];
    for seen in history {
        if is_resource(&seen.kind) {
            let uids = if seen.what == What::Deleted { &mut gone } else { &mut known };
            uids.extend(seen.object["metadata"]["uid"].as_str());
        }
        let of =
            |uids: &BTreeSet<&str>| seen.owner.as_ref().is_some_and(|owner| uids.contains(owner.as_str()));
        let by_controller = others.contains(&seen.kind.as_str()) || seen.kind == "Job" && !of(&known);
        if seen.what == What::Added && !of(&gone) && !by_controller {
            *made.entry(format!("{} {}", seen.kind, seen.name.replace(name, "L"))).or_default() += 1;
        }
    }
    made
}

fn replicas(name: &str, history: &[Seen]) -> BTreeMap<String, BTreeSet<i64>> {
    let mut told: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for seen in history.iter().filter(|seen| is_workload(seen) && seen.what != What::Deleted) {
        let number = seen.object["spec"]["replicas"].as_i64().unwrap_or(1);
        told.entry(seen.name.replace(name, "L")).or_default().insert(number);
    }
    told
}

fn dipped(name: &str, history: &[Seen]) -> BTreeSet<String> {
    let mut ready: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut served, mut dipped) = (BTreeSet::new(), BTreeSet::new());
    for seen in history.iter().filter(|seen| seen.kind == "EndpointSlice") {
        let service =
            seen.object["metadata"]["labels"]["kubernetes.io/service-name"].as_str().unwrap_or_default();
        let service = service.replace(name, "L");
        let endpoints = seen.object["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = endpoints.iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count();
        let count = if seen.what == What::Deleted { 0 } else { count };
        ready.insert((service.clone(), seen.name.clone()), count);
        let all: usize = ready.iter().filter(|((of, _), _)| *of == service).map(|(_, count)| count).sum();
        if all > 0 {
            served.insert(service);
        } else if served.contains(&service) {
            dipped.insert(service);
        }
    }
    dipped
}

mod tests {
    use logpilot_operator::api;
    use serde_json::json;

    use super::*;

    fn seen(version: u64, what: What, kind: &str, name: &str, object: Value) -> Seen {
        let owner = (kind == "ConfigMap").then(|| "u".to_owned());
        Seen { version, what, kind: kind.to_owned(), name: name.to_owned(), owner, object }
    }

    fn deployment(version: u64, replicas: i64, available: i64) -> Seen {
        let object = json!({
            "metadata": { "generation": 2 },
            "spec": { "replicas": replicas },
            "status": {
                "observedGeneration": 2, "replicas": replicas, "updatedReplicas": replicas,
                "availableReplicas": available,
            },
        });
        seen(version, What::Modified, "Deployment", "x-all", object)
    }

    fn resource(version: u64, observed: i64, ready: &str) -> Seen {
        let object = json!({
            "metadata": { "generation": 2, "uid": "u" },
            "status": { "observedGeneration": observed, "conditions": [{ "type": "Ready", "status": ready }] },
        });
        seen(version, What::Modified, api::KIND, "x", object)
    }

    #[test]
    fn ready_before_the_pods_is_detected() {
        assert!(
            ready_too_early(&[
                deployment(1, 2, 1),
                resource(2, 2, "False"),
                deployment(3, 2, 2),
                resource(4, 2, "True")
            ])
            .is_empty()
        );
        assert_eq!(ready_too_early(&[deployment(1, 2, 1), resource(2, 2, "True")]).len(), 1);
        // The condition belongs to an older spec.
        assert!(ready_too_early(&[deployment(1, 2, 1), resource(2, 1, "True")]).is_empty());
    }

    #[test]
    fn a_secret_generated_again_is_detected() {
        let generated = |name: &str| seen(1, What::Added, "Secret", name, Value::Null);
        let stack = || seen(0, What::Added, SERVICE_STACK.kind, "shop", Value::Null);
        assert!(secrets_generated_again(&[stack(), generated("a"), generated("b")]).is_empty());
        assert_eq!(secrets_generated_again(&[stack(), generated("a"), generated("a")]).len(), 1);
        // An API key belongs to its resource.
        assert!(secrets_generated_again(&[generated("a"), generated("a")]).is_empty());
    }

    #[test]
    fn a_status_going_backwards_is_detected() {
        assert!(status_backwards(&[resource(1, 1, "False"), resource(2, 2, "True")]).is_empty());
        assert_eq!(status_backwards(&[resource(1, 2, "False"), resource(2, 1, "True")]).len(), 1);
    }

    #[test]
    fn a_write_outside_the_namespaces_is_detected() {
        let wrote = |resource: &str, namespace: &str| {
            let record = json!({
                "sequence": 1, "millis": 0, "life": 1, "verb": "patch", "group": "", "resource": resource,
                "namespace": namespace, "name": "x", "fieldManager": FIELD_MANAGER, "body": "", "status": 200,
            });
            rules_of_writing("x", &[serde_json::from_value(record).unwrap()]).len()
        };
        for (resource, namespace, wrong) in [
            ("deployments", "x", 0),
            ("prometheusrules", "x-system", 0),
            ("deployments", "x-system", 1),
            ("prometheusrules", "y-system", 1),
            ("configmaps", "default", 1),
        ] {
            assert_eq!(wrote(resource, namespace), wrong, "{resource} in {namespace}");
        }
    }

    #[test]
    fn unique_behaviour_of_one_run_is_detected() {
        let slice = |version, ready: bool| {
            let object = json!({
                "metadata": { "labels": { "kubernetes.io/service-name": "x-rest" } },
                "endpoints": [{ "conditions": { "ready": ready } }],
            });
            seen(version, What::Modified, "EndpointSlice", "x-rest-1", object)
        };
        let map = |version| seen(version, What::Added, "ConfigMap", "x-config", Value::Null);
        let ordinary = Ordinary::learn("x", &[map(1), deployment(2, 2, 2), slice(3, true)], &[]);
        assert!(ordinary.violations("y", &[]).is_empty());
        let other = [map(1), map(2), deployment(3, 1, 1), slice(4, true), slice(5, false)];
        assert_eq!(
            ordinary.violations("x", &other),
            [
                "ConfigMap L-config was created 2 times, otherwise 1",
                "L-all was set to 1 replicas, otherwise Some({2})",
                "L-rest was without a ready pod",
            ]
        );
        // A Job runs once for the resource, and as often as its CronJob wants.
        let job = |version, owner: &str| Seen {
            owner: Some(owner.to_owned()),
            ..seen(version, What::Added, "Job", "x-migrate", Value::Null)
        };
        let twice = |owner: &str| [resource(0, 1, "False"), map(1), job(2, owner), job(3, owner)];
        assert!(ordinary.violations("x", &twice("a CronJob")).is_empty());
        assert_eq!(ordinary.violations("x", &twice("u")), ["Job L-migrate was created 2 times, otherwise 0"]);
        // For a deleted resource: left to the garbage collector.
        let gone = Seen { what: What::Deleted, ..resource(2, 1, "True") };
        assert!(ordinary.violations("x", &[map(1), gone, map(3)]).is_empty());
        let learnt = ordinary.or(Ordinary::learn("x", &other, &[]));
        assert!(learnt.violations("x", &other).is_empty());
    }

    #[test]
    fn a_write_breaking_a_rule_is_detected() {
        let record = |verb: &str, namespace: Option<&str>, name: &str, precondition: Option<&str>| Record {
            sequence: 1,
            millis: 0,
            life: 1,
            asked: fault_proxy::Asked {
                verb: verb.to_owned(),
                resource: "services".to_owned(),
                namespace: namespace.map(str::to_owned),
                name: Some(name.to_owned()),
                ..fault_proxy::Asked::default()
            },
            resource_version: None,
            field_manager: Some(FIELD_MANAGER.to_owned()),
            user_agent: None,
            precondition: precondition.map(str::to_owned),
            body: String::new(),
            credential: None,
            heard: Vec::new(),
            status: 200,
            fault: None,
        };
        assert!(rules_of_writing("x", &[record("patch", Some("x"), "a", None)]).is_empty());
        assert!(
            rules_of_writing("x", &[record("delete", Some("x"), "a", Some("/preconditions/uid=1"))])
                .is_empty()
        );
        for wrong in [
            record("patch", Some("y"), "a", None),
            record("patch", None, "y", None),
            record("delete", Some("x"), "a", None),
            record("update", Some("x"), "a", None),
            Record { field_manager: None, ..record("patch", Some("x"), "a", None) },
        ] {
            assert_eq!(rules_of_writing("x", &[wrong]).len(), 1);
        }
    }
}
