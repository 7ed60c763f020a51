//! The status and the evictions of a stack whose components fail: live objects are built from its plan.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{apps::v1::ReplicaSet, core::v1::Pod},
    jiff::Timestamp,
};
use serde_json::{Value, json};

use super::example;
use crate::{
    engine::{cache::Snapshot, child::Child, deadlines::DeadlineTracker, outcome::Outcome, plan::Plan},
    kinds::Managed,
    stack::{
        api::{
            ServiceStack, ServiceStackStatus,
            component::ComponentKind,
            status::{ComponentStatus, StackProblem},
        },
        facts::Facts,
        gates,
        model::Stack,
        observe, plan,
        resolve::resolve,
        revive, status,
    },
    workload::problems::Severity,
};

/// Seconds since the epoch.
const NOW: i64 = 1_800_000_000;

/// The live objects of a stack.
pub struct Live {
    pub stack: Stack,
    plan: Plan,
    pub snapshot: Snapshot,
    /// Names of completed Jobs.
    completed: BTreeSet<String>,
}

fn at(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

impl Live {
    /// Every component runs one pod that has been ready for an hour.
    pub fn healthy(name: &str) -> Self {
        Self::of(&example(name))
    }

    fn of(cr: &ServiceStack) -> Self {
        let stack = resolve(cr).unwrap();
        let plan = plan::plan(&stack, &Facts::default());
        let mut live = Self { stack, plan, snapshot: Snapshot::default(), completed: BTreeSet::new() };
        let servers = live.stack.running().filter(|(component, _)| component.kind != ComponentKind::Job);
        let names: Vec<String> = servers.map(|(component, _)| component.name.clone()).collect();
        for name in names {
            live.workload(&name, true);
            live.pod(&name, &json!({ "status": "True", "since": NOW - 3600 }), &json!({}));
        }
        live
    }

    fn insert(&mut self, kind: &'static crate::engine::kind::Kind, live: &Value) {
        let child = Child::read(kind, live).unwrap();
        self.snapshot.children.insert((kind.plural, child.key.clone()), child.into());
    }

    /// The workload of a component, with one pod.
    pub fn workload(&mut self, component: &str, available: bool) {
        let workload = |it: &&crate::engine::plan::Planned| {
            matches!(it.kind.kind, "Deployment" | "StatefulSet") && it.key.name == component
        };
        let planned = self.plan.objects.iter().find(workload).unwrap();
        let (kind, mut body) = (planned.kind, planned.body.clone());
        body["metadata"]["uid"] = json!(format!("uid-{component}"));
        body["metadata"]["generation"] = json!(1);
        body["spec"]["replicas"] = json!(1);
        let number = i32::from(available);
        body["status"] = json!({
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
            "readyReplicas": number, "availableReplicas": number,
            "currentRevision": "new", "updateRevision": "new",
        });
        self.insert(kind, &body);
    }

    /// The pod of a component, with the state of its container.
    fn pod(&mut self, component: &str, ready: &Value, container: &Value) {
        let set = self.stack.components[component].kind == ComponentKind::StatefulSet;
        let (owner, uid) = if set {
            ("StatefulSet", format!("uid-{component}"))
        } else {
            ("ReplicaSet", format!("set-{component}"))
        };
        if !set {
            let owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": component, "uid": "d", "controller": true });
            self.insert(ReplicaSet::KIND, &json!({ "metadata": {
                "name": component, "namespace": self.stack.scope.namespace, "uid": uid, "ownerReferences": [owner],
            } }));
        }
        let mut status = json!({ "name": component, "restartCount": 3, "image": "i:1" });
        status.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let since = at(ready["since"].as_i64().unwrap());
        let live = json!({
            "metadata": {
                "name": format!("{component}-0"), "namespace": self.stack.scope.namespace, "uid": format!("pod-{component}"),
                "creationTimestamp": at(NOW - 7200),
                "labels": {
                    "app.kubernetes.io/component": component
                },
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": owner, "name": component, "uid": uid, "controller": true,
                }],
            },
            "spec": { "nodeName": "node-1" },
            "status": { "phase": "Running", "containerStatuses": [status], "conditions": [
                { "type": "PodScheduled", "status": "True", "lastTransitionTime": at(NOW - 7200) },
                { "type": "Ready", "status": ready["status"], "lastTransitionTime": since },
            ] },
        });
        self.insert(Pod::KIND, &live);
    }

    /// A component without an available pod.
    pub fn down(&mut self, component: &str) {
        self.workload(component, false);
        self.pod(
            component,
            &json!({ "status": "False", "since": NOW - 20 }),
            &json!({ "state": { "running": {} } }),
        );
    }

    /// A component whose pod is available since a moment.
    fn up(&mut self, component: &str, since: i64) {
        self.workload(component, true);
        self.pod(component, &json!({ "status": "True", "since": since }), &json!({}));
    }

    /// A component whose pod waits in crash backoff since a moment.
    pub fn crashed(&mut self, component: &str, ended: i64) {
        self.workload(component, false);
        self.pod(component, &json!({ "status": "False", "since": ended }), &backoff(ended));
    }

    fn status(&self) -> ServiceStackStatus {
        let clock = DeadlineTracker::at(Timestamp::from_second(NOW).unwrap());
        let observed = observe::workloads(&self.stack, &self.snapshot, &clock);
        let wanted = plan::wanted(&self.stack);
        let reached = wanted.iter().map(|(name, wanted)| ComponentStatus {
            name: name.clone(),
            started: true,
            reached: Some(wanted.template.clone()),
            ..ComponentStatus::default()
        });
        let before = ServiceStackStatus { components: reached.collect(), ..ServiceStackStatus::default() };
        let facts = Facts {
            gates: gates::decide(&wanted, &observed, &before.components),
            completed: self.completed.clone(),
            ..Facts::default()
        };
        status::build(&status::View {
            stack: &self.stack,
            before: &before,
            generation: Some(1),
            facts: &facts,
            observed: &observed,
            plan: &self.plan,
            snapshot: &self.snapshot,
            outcome: &Outcome::default(),
            change: None,
            clock: &clock,
        })
    }

    fn errors(&self) -> Vec<StackProblem> {
        let problems = self.status().problems.into_iter();
        problems.filter(|it| it.problem.severity == Severity::Error).collect()
    }

    /// Names of the pods that are evicted.
    fn evicted(&self) -> BTreeSet<String> {
        let due = revive::due(&self.stack, &self.snapshot);
        due.into_iter().map(|it| it.child.key.name.clone()).collect()
    }
}

fn backoff(ended: i64) -> Value {
    json!({
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 5m0s" } },
        "lastState": { "terminated": {
            "exitCode": 1, "reason": "Error", "message": "connection refused", "finishedAt": at(ended),
        } },
    })
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_outage_is_one_problem_with_its_dependents() {
    let mut live = Live::healthy("erp");
    assert_eq!(live.errors(), []);
    live.down("mongodb");
    live.crashed("approval-request-service", NOW - 10);
    live.crashed("notification-service", NOW - 10);
    let errors = live.errors();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let cause = &errors[0];
    assert_eq!(cause.problem.reason, "NotReady");
    assert_eq!(cause.problem.object, "StatefulSet erp-system/mongodb");
    assert_eq!(cause.component.as_deref(), Some("mongodb"));
    let affected =
        names(&["approval-processing-service", "approval-request-service", "notification-service"]);
    assert_eq!(cause.affects.iter().cloned().collect::<BTreeSet<_>>(), affected);
    let status = live.status();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready").unwrap();
    assert!(ready.message.contains("StatefulSet erp-system/mongodb: 0 of 1 ready"), "{}", ready.message);
}

#[test]
fn a_crash_beside_a_healthy_dependency_is_told() {
    let mut live = Live::healthy("erp");
    live.crashed("approval-request-service", NOW - 10);
    let errors = live.errors();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].problem.reason, "CrashLoopBackOff");
    assert_eq!(errors[0].component.as_deref(), Some("approval-request-service"));
    assert_eq!(errors[0].affects, ["approval-processing-service"]);
    assert!(errors[0].problem.action.contains("dependsOn"), "{}", errors[0].problem.action);
    // Its own cause stands even while an unrelated component is down.
    live.down("mysql");
    assert!(live.errors().iter().any(|it| it.component.as_deref() == Some("mysql")));
}

#[test]
fn pods_in_backoff_are_evicted_once_their_dependency_is_back() {
    let mut live = Live::healthy("erp");
    live.down("kafka");
    live.crashed("employee-service", NOW - 100);
    live.crashed("approval-request-service", NOW - 100);
    assert_eq!(live.evicted(), names(&[]), "kafka is still down");
    live.up("kafka", NOW - 50);
    // Employee depends on Kafka through MySQL; approval also waits for employee.
    assert_eq!(live.evicted(), names(&["employee-service-0"]));
    live.crashed("employee-service", NOW - 40);
    assert_eq!(live.evicted(), names(&[]), "it crashed after kafka was back: its own problem");
    live.up("employee-service", NOW - 30);
    assert_eq!(live.evicted(), names(&["approval-request-service-0"]));
    // Another dependency is not available.
    live.down("mongodb");
    assert_eq!(live.evicted(), names(&[]));
    // Nothing to wait for.
    live.up("mongodb", NOW - 3000);
    live.crashed("zookeeper", NOW - 100);
    assert_eq!(live.evicted(), names(&[]), "zookeeper depends on nothing, and its dependents wait for it");
}

#[test]
fn a_completed_job_is_not_affected_by_an_outage() {
    let mut cr = example("erp");
    let mut spec = serde_json::to_value(&cr.spec).unwrap();
    spec["components"]["migrate"] =
        json!({ "kind": "Job", "image": "example/migrate:1", "dependsOn": ["mongodb"] });
    cr.spec = serde_json::from_value(spec).unwrap();
    let mut live = Live::of(&cr);
    let affected = |live: &Live| live.errors()[0].affects.contains(&"migrate".to_owned());
    live.down("mongodb");
    assert!(affected(&live), "it has not run yet");
    let (component, workload) = live.stack.running().find(|(it, _)| it.kind == ComponentKind::Job).unwrap();
    live.completed = [plan::job_name(&live.stack, component, workload)].into();
    assert!(!affected(&live));
}

#[test]
fn a_slow_database_fails_after_its_deadline() {
    let mut live = Live::healthy("erp");
    live.workload("mysql", false);
    let failed = |live: &Live, after: i64| {
        let clock = DeadlineTracker::at(Timestamp::from_second(after).unwrap());
        let observed: BTreeMap<_, _> = observe::workloads(&live.stack, &live.snapshot, &clock);
        (observed["mysql"].failed, clock.next().map(|wait| wait.as_secs()))
    };
    live.pod("mysql", &json!({ "status": "False", "since": NOW }), &json!({ "state": { "running": {} } }));
    assert_eq!(failed(&live, NOW + 1), (false, Some(599)));
    assert_eq!(failed(&live, NOW + 600), (true, None));
    live.pod(
        "mysql",
        &json!({ "status": "False", "since": NOW - 90 }),
        &json!({ "state": { "running": {} } }),
    );
    live.stack.components.get_mut("mysql").unwrap().workload.as_mut().unwrap().progress_deadline_seconds =
        Some(10);
    let errors = live.errors();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].problem.reason, "ProgressDeadlineExceeded");
}

/// T13.
#[test]
fn a_status_contains_no_control_characters() {
    let mut live = Live::healthy("erp");
    live.workload("mysql", false);
    let said = "\u{1b}[2J\u{7}boom";
    let container = json!({
        "state": { "waiting": { "reason": "ImagePullBackOff", "message": said } },
        "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "message": said, "finishedAt": at(NOW) } },
    });
    live.pod("mysql", &json!({ "status": "False", "since": NOW - 20 }), &container);
    let text = serde_json::to_string(&live.status()).unwrap();
    assert!(text.contains("[2Jboom"), "{text}");
    for escaped in ["\\u001b", "\\u0007"] {
        assert!(!text.contains(escaped), "{escaped} in {text}");
    }
}
