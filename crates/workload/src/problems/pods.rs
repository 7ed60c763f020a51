//! Problems of pods that do not run.

use std::collections::BTreeMap;

use engine::{
    cache::Snapshot,
    child::Child,
    deadlines::DeadlineTracker,
    kind::Nature,
    plan::{Key, Plan, Planned},
};
use serde_json::Value;

use super::{Problem, Profile, SETTLING, Severity, crash, is_of};
use crate::{
    health::{self, Creating, Stage},
    reasons,
};

/// Shortest time in seconds that a running pod may take to be ready before that is a problem: the
/// budget of the default startup probe (110) and the first readiness probe.
const LONGEST_UNREADY: i64 = 130;
/// Seconds that the readiness probe needs after the startup probe.
const FIRST_LOOK: i64 = 20;
/// Seconds that a node may take to prepare a pod: a kubelet stops waiting for a volume after 123 s and
/// tries again.
const LONGEST_CREATING: i64 = 120;
/// Seconds that a scheduler may take to process a pod; it answers within milliseconds.
const LONGEST_UNSEEN: i64 = 30;
/// Seconds beyond its grace period that a deleted pod may take to terminate.
const LONGEST_TERMINATING: i64 = 30;
/// Seconds for which an eviction is reported: the failed pod exists until a client deletes it.
const EVICTION_TOLD: i64 = 3600;

/// The problem of one pod.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    severity: Severity,
    reason: String,
    message: String,
}

fn error(reason: &str, message: impl Into<String>) -> Told {
    Told { severity: Severity::Error, reason: reason.to_owned(), message: message.into() }
}

fn warning(reason: &str, message: impl Into<String>) -> Told {
    Told { severity: Severity::Warning, ..error(reason, message) }
}

/// Returns one problem per component and cause, with its first pod as an example and the number of
/// other pods.
pub(super) fn pod_problems(
    profile: &Profile,
    plan: &Plan,
    snapshot: &Snapshot,
    clock: &DeadlineTracker,
) -> Vec<Problem> {
    let mut groups: BTreeMap<(String, String), (Problem, usize)> = BTreeMap::new();
    for child in snapshot.children.values() {
        let Some(pod) = child.observed::<health::Pod>() else { continue };
        let workload =
            plan.objects.iter().find(|it| it.kind.nature == Nature::Workload && is_of(it, &pod.component));
        let owner = workload.and_then(|workload| foreign_owner(child, workload, snapshot, clock));
        let told = match (pod.ends, workload) {
            (Some(ends), _) => {
                deletion_problem(pod, ends, workload.is_some_and(|it| is_short(it, snapshot)), clock)
            }
            _ if is_stray(child, pod) => Some(stray()),
            (None, _) if owner.is_some() => owner.map(|owner| foreign(&owner, &pod.component)),
            (None, _) => pod_problem(
                profile,
                &child.key,
                pod,
                workload.map_or(LONGEST_UNREADY, longest_unready),
                clock,
            ),
        };
        let Some(told) = told else { continue };
        groups
            .entry((pod.component.clone(), told.reason.clone()))
            .and_modify(|(_, others)| *others += 1)
            .or_insert_with(|| {
                // Servers run without a backup, but do not start before a restore ends.
                let beside = pod.job.is_some() && !(profile.is_required_job)(&pod.component);
                let severity = if beside { Severity::Warning } else { told.severity };
                let found = profile.problem(severity, &told.reason, child.to_string(), told.message);
                (Problem { node: pod.node.clone(), ..found }, 0)
            });
    }
    groups
        .into_values()
        .map(|(found, others)| match others {
            0 => found,
            others => Problem { message: format!("{} (and {others} more pods)", found.message), ..found },
        })
        .collect()
}

/// Returns for how many seconds pods may run without being ready: as long as their startup probe allows.
fn longest_unready(workload: &Planned) -> i64 {
    let probe = workload.body.pointer("/spec/template/spec/containers/0/startupProbe");
    let number = |field: &str| probe.and_then(|probe| probe.get(field)).and_then(Value::as_i64).unwrap_or(0);
    let budget = number("initialDelaySeconds") + number("periodSeconds") * number("failureThreshold");
    LONGEST_UNREADY.max(budget + FIRST_LOOK)
}

/// Returns whether a workload has fewer pods than desired.
fn is_short(workload: &Planned, snapshot: &Snapshot) -> bool {
    snapshot.get(workload.kind, &workload.key).is_some_and(|child| {
        health::counts(child).is_some_and(|live| live.updated < live.desired || live.available < live.desired)
    })
}

fn is_stray(child: &Child, pod: &health::Pod) -> bool {
    child.controller.is_none() && !matches!(pod.phase.as_str(), "Succeeded" | "Failed")
}

fn stray() -> Told {
    warning(
        reasons::POD_STRAY,
        "belongs to no workload: it is not counted, and may still write to the data volume",
    )
}

/// Returns `Kind name` of the controller of a pod that has all labels of a server but is none. The
/// watch covers only pods with the operator's own `managed-by` label: without it, a second Deployment
/// may share a Service's selector on purpose, for example as a canary.
///
/// The watch may show a ReplicaSet later than its pods, so the problem waits for an unknown one.
fn foreign_owner(
    child: &Child,
    workload: &Planned,
    snapshot: &Snapshot,
    clock: &DeadlineTracker,
) -> Option<String> {
    let controller = child.controller.as_ref()?;
    let named = |kind: &str, name: &str| Some(format!("{kind} {name}"));
    if controller.kind == workload.kind.kind && controller.name == workload.key.name {
        return None;
    }
    if controller.kind != "ReplicaSet" {
        return named(&controller.kind, &controller.name);
    }
    let pod = child.observed::<health::Pod>()?;
    let mut sets =
        snapshot.children.values().filter(|child| child.observed::<health::ReplicaSet>().is_some());
    let Some(set) = sets.find(|set| set.uid == controller.uid) else {
        let late = clock.expired(LONGEST_UNSEEN, pod.created);
        return late.then(|| named("ReplicaSet", &controller.name)).flatten();
    };
    match &set.controller {
        Some(owner) if owner.kind == "Deployment" => {
            (owner.name != workload.key.name).then(|| named("Deployment", &owner.name)).flatten()
        }
        Some(owner) => named(&owner.kind, &owner.name),
        None => named("ReplicaSet", &controller.name),
    }
}

fn foreign(owner: &str, component: &str) -> Told {
    warning(
        reasons::FOREIGN_POD,
        format!(
            "has the labels of component {component} and belongs to {owner}, which this operator did not create: \
             Services send client requests to it, and the NetworkPolicy restricts it"
        ),
    )
}

/// Reports a deleted pod that does not terminate: it keeps its volume, which may block the next pod.
fn deletion_problem(pod: &health::Pod, ends: i64, short: bool, clock: &DeadlineTracker) -> Option<Told> {
    if !clock.expired(LONGEST_TERMINATING, ends) {
        return None;
    }
    let why = match (pod.finalizers.as_slice(), &pod.node) {
        ([], Some(node)) => format!("Node {node} does not confirm its termination"),
        ([], None) => "no node confirms its termination".to_owned(),
        (finalizers, _) => format!("its finalizers are still set: {}", finalizers.join(", ")),
    };
    let message = format!("was deleted and does not terminate: {why}");
    let tell = if short { error } else { warning };
    Some(tell(reasons::TERMINATING_STUCK, message))
}

fn times(number: i64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn pod_problem(
    profile: &Profile,
    key: &Key,
    pod: &health::Pod,
    longest_unready: i64,
    clock: &DeadlineTracker,
) -> Option<Told> {
    if let Some(cause) = &pod.failed {
        let fresh = !clock.expired(EVICTION_TOLD, pod.unready_since.max(pod.created));
        return fresh.then(|| warning(&cause.reason, cause.message.clone()));
    }
    if let Some((message, since)) = &pod.unschedulable {
        return clock.expired(SETTLING, *since).then(|| error(reasons::UNSCHEDULABLE, message.clone()));
    }
    if let Some((gates, since)) = &pod.gated {
        let message =
            format!("the scheduler ignores it because of the scheduling gates {}", gates.join(", "));
        return clock.expired(LONGEST_UNSEEN, *since).then(|| error(reasons::SCHEDULING_GATED, message));
    }
    if pod.phase == "Pending" && pod.node.is_none() && !pod.scheduled {
        let unseen = clock.expired(LONGEST_UNSEEN, pod.created);
        return unseen.then(|| error(reasons::UNSCHEDULABLE, "no scheduler has processed it"));
    }
    if pod.lost {
        let node = pod.node.as_deref().unwrap_or_default();
        let message = format!("Node {node} does not answer; its container was ready at the last report");
        return Some(error(reasons::NODE_LOST, message));
    }
    if let Some(creating) = &pod.creating {
        return creation_problem(pod, creating, clock);
    }
    if let Some(waiting) = &pod.waiting {
        return Some(waiting_problem(profile, key, pod, waiting));
    }
    // Between two crashes the container runs for a moment; the cause remains the same.
    if let Some(end) = &pod.terminated
        && !pod.ready
        && pod.restarts > 0
    {
        return Some(termination_problem(profile, key, pod, end));
    }
    let unready =
        pod.phase == "Running" && pod.unready_since > 0 && clock.expired(longest_unready, pod.unready_since);
    unready.then(|| {
        let probe = if pod.started { "readiness" } else { "startup" };
        // Without the elapsed time: a growing number would change the status again and again.
        error(
            reasons::NOT_READY,
            format!("runs, and its {probe} probe has failed for longer than a start may take ({longest_unready} s)"),
        )
    })
}

fn creation_problem(pod: &health::Pod, creating: &Creating, clock: &DeadlineTracker) -> Option<Told> {
    if !clock.expired(LONGEST_CREATING, creating.since) {
        return None;
    }
    let node = pod.node.as_deref().unwrap_or_default();
    let how_far = match creating.stage {
        Stage::Unseen => format!("Node {node} has not started to create it"),
        Stage::Preparing => format!("its volumes or network are not set up on Node {node}"),
        Stage::Pulling => format!("Node {node} is pulling image {}", pod.image),
        Stage::Unknown => {
            format!("its volumes or network are not set up on Node {node}, or it is pulling the image")
        }
    };
    Some(error(reasons::CONTAINER_CREATING, format!("{how_far}, for more than {LONGEST_CREATING} s")))
}

fn waiting_problem(profile: &Profile, key: &Key, pod: &health::Pod, waiting: &health::Cause) -> Told {
    let message =
        if waiting.message.is_empty() { format!("image {}", pod.image) } else { waiting.message.clone() };
    match (waiting.reason.as_str(), &pod.terminated) {
        ("ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" | "ImageInspectError", _) => {
            error(reasons::IMAGE_PULL, message)
        }
        (reasons::CRASH_LOOP, Some(end)) => termination_problem(profile, key, pod, end),
        (reasons::CRASH_LOOP, None) => {
            let often = times(pod.restarts);
            let why = "its liveness or startup probe fails, or it exits by itself";
            error(reasons::CRASH_LOOP, format!("exits without an error, restarted {often}: {why}"))
        }
        (reason, _) => error(reason, message),
    }
}

fn termination_problem(profile: &Profile, key: &Key, pod: &health::Pod, end: &health::Terminated) -> Told {
    let source = crash::Source { key, container: pod.container.as_deref(), sidecar: pod.sidecar };
    let (reason, message) = crash::describe(profile, end, &times(pod.restarts), &source);
    error(reason, message)
}

#[cfg(test)]
mod tests {
    use engine::{observed::Observe, plan::Replicas};
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    use super::{super::tests::PROFILE, *};
    use crate::test_kinds::{DEPLOYMENT, DOMAIN, POD, REPLICA_SET};

    const NOW: i64 = 1_800_000_000;

    fn pod(live: &Value) -> health::Pod {
        health::Pod::read(live, &DOMAIN)
    }

    fn at(second: i64) -> String {
        Timestamp::from_second(second).unwrap().to_string()
    }

    fn clock() -> DeadlineTracker {
        DeadlineTracker::at(Timestamp::from_second(NOW).unwrap())
    }

    fn key() -> Key {
        Key { namespace: Some("n".into()), name: "p".into() }
    }

    /// Returns the problem of a pod in this state.
    fn told(status: &Value) -> Option<(String, String)> {
        let made = at(NOW - 5);
        let live = json!({
            "metadata": { "name": "p", "uid": "u", "creationTimestamp": made },
            "spec": { "nodeName": status.get("phase").map(|_| "node-1") }, "status": status,
        });
        let pod = pod(&live);
        pod_problem(&PROFILE, &key(), &pod, LONGEST_UNREADY, &clock()).map(|told| (told.reason, told.message))
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({ "containerStatuses": [{ "restartCount": 3, "image": "i:1",
            "state": { "waiting": { "reason": reason, "message": message } },
            "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "message": "last words" } } }] })
    }

    #[test]
    fn a_pod_that_does_not_run_tells_its_cause_in_kubernetes_words() {
        for (status, reason, words) in [
            (waiting("ImagePullBackOff", "back-off pulling"), "ImagePullBackOff", "back-off pulling"),
            (waiting("ErrImagePull", "not found"), "ImagePullBackOff", "not found"),
            (waiting("InvalidImageName", "no name"), "ImagePullBackOff", "no name"),
            (waiting("CreateContainerError", ""), "CreateContainerError", "image i:1"),
            (
                waiting("CrashLoopBackOff", "back-off 10s"),
                "CrashLoopBackOff",
                "exit code 1 (Error), restarted 3 times: last words",
            ),
            (
                waiting("CreateContainerConfigError", "secret \"s\" not found"),
                "CreateContainerConfigError",
                "secret",
            ),
            (waiting("RunContainerError", "no such file"), "RunContainerError", "no such file"),
            (
                json!({ "containerStatuses": [{ "restartCount": 1, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                    "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] }),
                "OOMKilled",
                "exit code 137 (OOMKilled), restarted once",
            ),
            (
                json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] }),
                "Unschedulable",
                "0/3 nodes",
            ),
            // Only the kubelet stops a server that it starts again.
            (
                json!({ "containerStatuses": [{ "restartCount": 4, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                    "lastState": { "terminated": { "exitCode": 143, "reason": "Error" } } }] }),
                "CrashLoopBackOff",
                "restarted 4 times: its liveness or startup probe fails",
            ),
            // A container that precedes the server, from a patch or a mesh.
            (
                json!({ "initContainerStatuses": [{ "restartCount": 0, "state": { "waiting": { "reason": "ErrImagePull", "message": "mesh" } } }],
                    "containerStatuses": [{ "restartCount": 0, "state": { "waiting": { "reason": "PodInitializing" } } }] }),
                "ImagePullBackOff",
                "mesh",
            ),
            // Of two waiting containers, the one with a problem is the cause.
            (
                json!({ "containerStatuses": [{ "state": { "waiting": { "reason": "ContainerCreating" } } },
                    { "state": { "waiting": { "reason": "ErrImagePull", "message": "beside" } } }] }),
                "ImagePullBackOff",
                "beside",
            ),
            // Between two crashes the container runs for a moment.
            (
                json!({ "phase": "Running", "containerStatuses": [{ "restartCount": 2, "state": { "running": {} },
                    "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "message": "boom" } } }] }),
                "CrashLoopBackOff",
                "boom",
            ),
        ] {
            let (told_reason, told_words) =
                told(&status).unwrap_or_else(|| panic!("nothing is said of {status}"));
            assert_eq!(told_reason, reason, "{status}");
            assert!(told_words.contains(words), "{told_words}");
        }
    }

    #[test]
    fn a_server_that_a_probe_killed_names_the_probe() {
        let server = |exit_code: i64, ran: i64, state: Value| {
            let live = json!({
                "metadata": { "name": "p", "uid": "u", "creationTimestamp": at(NOW - 500) },
                "spec": { "nodeName": "node-1", "containers": [{ "name": "s",
                    "startupProbe": { "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 10 },
                    "livenessProbe": { "periodSeconds": 10 } }] },
                "status": { "phase": "Running", "containerStatuses": [{ "name": "s", "restartCount": 2, "state": state,
                    "lastState": { "terminated": { "exitCode": exit_code, "reason": "Error", "message": "Tomcat initialized",
                        "startedAt": at(NOW - 400), "finishedAt": at(NOW - 400 + ran) } } }] },
            });
            let pod = pod(&live);
            pod_problem(&PROFILE, &key(), &pod, LONGEST_UNREADY, &clock())
                .map(|told| (told.reason, told.message))
        };
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let runs = json!({ "running": {} });
        for (exit_code, ran, state, words) in [
            (
                137,
                141,
                &waits,
                "exit code 137 (Error), restarted twice: killed after 141 s by its startup probe",
            ),
            (
                143,
                111,
                &waits,
                "exit code 143 (Error), restarted twice: killed after 111 s by its startup probe",
            ),
            (
                143,
                60,
                &waits,
                "killed after 60 s by its liveness probe, which allows 3 failures in a row (30 s)",
            ),
            // Also while it starts again.
            (143, 111, &runs, "killed after 111 s by its startup probe"),
        ] {
            let (reason, message) = server(exit_code, ran, state.clone()).unwrap();
            let message = message.replace("2 times", "twice");
            assert!(reason == "CrashLoopBackOff" && message.contains(words), "{message}");
            assert!(
                message.contains("kubectl get events -n n ") && message.ends_with("Tomcat initialized"),
                "{message}"
            );
        }
        assert_eq!(server(143, 5, runs), None, "stopped cleanly");
    }

    #[test]
    fn a_pod_on_its_way_or_stopped_cleanly_is_no_problem() {
        for status in [
            json!({ "phase": "Pending" }),
            json!({ "phase": "Failed" }),
            json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "waits" }] }),
            json!({ "phase": "Pending", "containerStatuses": [{ "restartCount": 0,
                "state": { "waiting": { "reason": "ContainerCreating" } } }] }),
            json!({ "phase": "Running", "containerStatuses": [{ "restartCount": 1, "state": { "running": {} },
                "lastState": { "terminated": { "exitCode": 143, "reason": "Error" } } }] }),
        ] {
            assert_eq!(told(&status), None, "{status}");
        }
    }

    #[test]
    fn scheduling_gates_are_named_when_they_stay() {
        let told = |since: i64| {
            let live = json!({
                "metadata": { "name": "p", "uid": "u", "creationTimestamp": at(NOW - 500) },
                "spec": { "schedulingGates": [{ "name": "example.com/queue" }, { "name": "b" }] },
                "status": { "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
                    "reason": "SchedulingGated", "message": "x", "lastTransitionTime": at(since) }] },
            });
            let pod = pod(&live);
            pod_problem(&PROFILE, &key(), &pod, LONGEST_UNREADY, &clock())
        };
        assert_eq!(told(NOW - LONGEST_UNSEEN + 1), None);
        let told = told(NOW - LONGEST_UNSEEN).unwrap();
        assert_eq!((told.reason.as_str(), told.severity), ("SchedulingGated", Severity::Error));
        assert!(told.message.ends_with("example.com/queue, b"), "{}", told.message);
    }

    #[test]
    fn a_pod_that_stays_unready_longer_than_its_probes_allow_is_a_problem() {
        let unready = |since: i64, started: bool| {
            json!({ "phase": "Running",
                "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": at(since) }],
                "containerStatuses": [{ "started": started, "state": { "running": {} } }] })
        };
        assert_eq!(told(&unready(NOW - LONGEST_UNREADY + 1, true)), None);
        let (reason, message) = told(&unready(NOW - LONGEST_UNREADY, true)).unwrap();
        assert_eq!(reason, "NotReady");
        assert!(message.contains("readiness probe"), "{message}");
        // The same message a minute later: a status with a counter would be written again and again.
        assert_eq!(told(&unready(NOW - LONGEST_UNREADY - 60, true)).unwrap().1, message);
        assert!(told(&unready(0, false)).unwrap_or_default().1.is_empty(), "never looked at");
        assert!(told(&unready(1, false)).unwrap().1.contains("startup probe"));
    }

    #[test]
    fn a_startup_probe_that_allows_more_is_waited_for() {
        let workload = |probe: Value| Planned {
            kind: &DEPLOYMENT,
            key: Key { namespace: Some("n".into()), name: "d".into() },
            body: json!({ "spec": { "template": { "spec": { "containers": [{ "startupProbe": probe }] } } } }),
            replicas: Replicas::Planned,
            held: None,
        };
        assert_eq!(longest_unready(&workload(Value::Null)), LONGEST_UNREADY);
        let default = json!({ "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 10 });
        assert_eq!(longest_unready(&workload(default)), LONGEST_UNREADY);
        assert_eq!(longest_unready(&workload(json!({ "periodSeconds": 10, "failureThreshold": 60 }))), 620);
    }

    #[test]
    fn what_a_node_does_with_a_pod_that_it_was_given_is_told_once_it_takes_too_long() {
        let given = |since: i64, prepared: Option<&str>, seen: bool| {
            let mut conditions =
                vec![json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": at(since) })];
            conditions
                .extend(prepared.map(|it| json!({ "type": "PodReadyToStartContainers", "status": it })));
            let creating =
                json!([{ "image": "i:1", "state": { "waiting": { "reason": "ContainerCreating" } } }]);
            json!({ "phase": "Pending", "conditions": conditions, "containerStatuses": if seen { creating } else { json!([]) } })
        };
        let late = NOW - LONGEST_CREATING;
        assert_eq!(told(&given(late + 1, Some("False"), true)), None);
        for (status, words) in [
            (given(late, None, false), "Node node-1 has not started to create it"),
            (given(late, Some("False"), true), "its volumes or network are not set up on Node node-1, for"),
            (given(late, Some("True"), true), "Node node-1 is pulling image i:1"),
            (given(late, None, true), "or it is pulling the image"),
        ] {
            let (reason, message) = told(&status).unwrap();
            assert_eq!(reason, "ContainerCreating");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn a_node_that_does_not_answer_is_told_and_a_readiness_gate_is_not_one() {
        let unready = |reason: &str, containers: &str| {
            json!({ "phase": "Running", "conditions": [
                { "type": "Ready", "status": "False", "reason": reason, "lastTransitionTime": at(NOW - 1) },
                { "type": "ContainersReady", "status": containers },
            ] })
        };
        assert_eq!(told(&unready("", "True")).unwrap().0, "NodeLost");
        assert_eq!(told(&unready("ContainersNotReady", "False")), None);
        assert_eq!(told(&unready("ReadinessGatesNotReady", "True")), None);
    }

    #[test]
    fn a_pod_of_another_workload_is_reported_with_its_owner() {
        let controlled = |kind: &str, name: &str, by: (&str, &str, &str)| {
            let (owner_kind, owner, uid) = by;
            let mut live = json!({
                "metadata": {
                    "name": name, "namespace": "n", "uid": format!("uid-{name}"), "creationTimestamp": at(NOW - 20),
                    "labels": {
                        "app.kubernetes.io/managed-by": "toy-operator", "app.kubernetes.io/instance": "cr",
                        "app.kubernetes.io/component": "all",
                    },
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": owner_kind, "name": owner, "uid": uid, "controller": true }],
                },
                "status": { "phase": "Running" },
            });
            if kind == "Pod" {
                live["spec"] = json!({ "nodeName": "node-1" });
            }
            let kind = if kind == "Pod" { &POD } else { &REPLICA_SET };
            Child::read(kind, &live).unwrap()
        };
        let labels = json!({ "app.kubernetes.io/component": "all" });
        let mut plan = Plan::default();
        plan.objects.push(Planned {
            kind: &DEPLOYMENT,
            key: Key { namespace: Some("n".into()), name: "cr-all".into() },
            body: json!({ "metadata": { "labels": labels } }),
            replicas: Replicas::Planned,
            held: None,
        });
        let found = |children: Vec<Child>, clock: &DeadlineTracker| {
            let mut snapshot = Snapshot::default();
            for child in children {
                snapshot.children.insert((child.kind.plural, child.key.clone()), child.into());
            }
            let found = pod_problems(&PROFILE, &plan, &snapshot, clock);
            found.into_iter().map(|it| (it.reason, it.object, it.message)).collect::<Vec<_>>()
        };
        let later = DeadlineTracker::at(Timestamp::from_second(NOW + LONGEST_UNSEEN).unwrap());
        let pod = |by| controlled("Pod", "p", by);
        let set = |by| controlled("ReplicaSet", "set", by);
        let of_set = ("ReplicaSet", "set", "uid-set");
        for (children, clock, owner) in [
            (vec![pod(("StatefulSet", "theirs", "u"))], clock(), Some("StatefulSet theirs")),
            (vec![pod(("DaemonSet", "theirs", "u"))], clock(), Some("DaemonSet theirs")),
            (vec![pod(of_set), set(("Deployment", "theirs", "u"))], clock(), Some("Deployment theirs")),
            (vec![pod(of_set), set(("Rollout", "theirs", "u"))], clock(), Some("Rollout theirs")),
            (vec![pod(of_set), set(("Deployment", "cr-all", "u"))], clock(), None),
            // The watch may not have shown its ReplicaSet yet.
            (vec![pod(of_set)], clock(), None),
            (vec![pod(of_set)], later, Some("ReplicaSet set")),
        ] {
            let found = found(children, &clock);
            match owner {
                None => assert_eq!(found, [], "ours"),
                Some(owner) => {
                    let [(reason, object, message)] = &found[..] else { panic!("{owner}: {found:?}") };
                    assert_eq!((reason.as_str(), object.as_str()), ("ForeignPod", "Pod n/p"));
                    assert!(message.contains(&format!("belongs to {owner}, which")), "{message}");
                }
            }
        }
    }

    #[test]
    fn an_eviction_is_told_for_an_hour() {
        let evicted = |since: i64| {
            json!({ "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
                "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": at(since) }] })
        };
        assert_eq!(told(&evicted(NOW - 1)).unwrap().0, "Evicted");
        // Created 5 s ago, as all pods of this test.
        let long_ago = json!({ "metadata": {}, "status": evicted(NOW - EVICTION_TOLD) });
        let pod = pod(&long_ago);
        assert_eq!(pod_problem(&PROFILE, &key(), &pod, LONGEST_UNREADY, &clock()), None);
    }

    #[test]
    fn a_deleted_pod_that_stays_is_told_with_what_keeps_it() {
        let pod = |finalizers: &[&str]| health::Pod {
            node: Some("node-1".into()),
            finalizers: finalizers.iter().map(|it| (*it).to_owned()).collect(),
            ..health::Pod::default()
        };
        let late = NOW - LONGEST_TERMINATING;
        assert_eq!(deletion_problem(&pod(&[]), late + 1, true, &clock()), None);
        let told = deletion_problem(&pod(&[]), late, true, &clock()).unwrap();
        assert!(
            told.severity == Severity::Error && told.message.contains("Node node-1 does not confirm"),
            "{told:?}"
        );
        let told = deletion_problem(&pod(&["a/b"]), late, false, &clock()).unwrap();
        assert!(told.severity == Severity::Warning && told.message.ends_with("a/b"), "{told:?}");
    }
}
