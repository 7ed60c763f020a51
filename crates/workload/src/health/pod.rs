//! The state of one pod, as the kubelet, the scheduler and the node controller report it.

use std::collections::BTreeSet;

use engine::{kind::Domain, observed::Observe};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{Cause, LastWords, ProbeKill, condition, config_maps, integer, string, timestamp};

/// State of one pod. Times are in seconds since the epoch.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub component: String,
    /// The container that this state describes, if the pod has several.
    pub container: Option<String>,
    /// True if that container is a sidecar or an init container, and not the server.
    pub sidecar: bool,
    /// The PVC that the pod's label names; empty without that label.
    pub claim: String,
    /// ConfigMaps that the pod mounts.
    pub config_maps: BTreeSet<String>,
    pub node: Option<String>,
    pub phase: String,
    pub created: i64,
    pub ready: bool,
    /// Since when the pod is not ready; 0 if it is ready, or if its readiness was never evaluated.
    pub unready_since: i64,
    /// Since when the pod is ready; 0 if it is not.
    pub ready_since: i64,
    /// True if the startup probe has succeeded, or does not exist.
    pub started: bool,
    pub restarts: i64,
    /// The reason why the container waits: `ImagePullBackOff`, `CrashLoopBackOff`,
    /// `CreateContainerConfigError`…
    pub waiting: Option<Cause>,
    /// When the container last terminated, with whatever result; 0 if it never did.
    pub ended_at: i64,
    /// The last termination of the container, if it was not a clean one.
    pub terminated: Option<Terminated>,
    /// Set if the scheduler found no node: the message, and since when.
    pub unschedulable: Option<(String, i64)>,
    /// True if the scheduler has processed the pod, or a gate keeps it from doing so.
    pub scheduled: bool,
    /// Names of the gates that keep the scheduler from processing the pod, and since when.
    pub gated: Option<(Vec<String>, i64)>,
    /// Set if the pod is assigned to a node, but its containers are not created yet.
    pub creating: Option<Creating>,
    /// The reason why the pod as a whole ended: `Evicted`, `NodeShutdown`…
    pub failed: Option<Cause>,
    /// True if the containers were ready when the node last reported.
    pub lost: bool,
    /// Until when the pod may take to terminate, if it is being deleted.
    pub ends: Option<i64>,
    pub finalizers: Vec<String>,
    /// The image of a waiting container.
    pub image: String,
    /// The Job that the pod belongs to.
    pub job: Option<String>,
    /// The termination message of a Job's container that ended successfully.
    pub said: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    pub exit_code: i64,
    pub reason: String,
    pub words: LastWords,
    /// The probe that caused the container to be killed.
    pub killed_by: Option<ProbeKill>,
}

/// Progress of a pod on the node that it is assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creating {
    pub since: i64,
    pub stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The kubelet has reported nothing about the pod.
    Unseen,
    /// Volumes and network are being set up.
    Preparing,
    /// Volumes and network are ready, and the image is being pulled.
    Pulling,
    /// The kubelet does not distinguish the two.
    Unknown,
}

impl Observe for Pod {
    fn read(live: &Value, domain: &Domain) -> Self {
        pod(live, domain)
    }

    fn part_of_run(&self) -> Option<(&str, bool)> {
        Some((self.job.as_deref()?, self.node.is_some()))
    }
}

fn pod(live: &Value, domain: &Domain) -> Pod {
    let labels = live.pointer("/metadata/labels");
    let label = |name: &str| labels?.get(name)?.as_str().map(str::to_owned);
    let component = label("app.kubernetes.io/component").unwrap_or_default();
    let container = container(live, &component, domain);
    let name = container.map(|it| string(it, "/name")).filter(|name| !name.is_empty());
    let sidecar = name
        .as_ref()
        .is_some_and(|name| !is_main(name, &component, domain) && has_main(live, &component, domain));
    let job = label("batch.kubernetes.io/job-name");
    let phase = string(live, "/status/phase");
    let created = timestamp(live, "/metadata/creationTimestamp").map_or(0, Timestamp::as_second);
    let terminated = container
        .and_then(|status| {
            status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
        })
        .map(|end| Terminated {
            exit_code: integer(end, "/exitCode"),
            reason: string(end, "/reason"),
            words: LastWords::read(&string(end, "/message")),
            killed_by: container.and_then(|it| {
                ProbeKill::read(live, &string(it, "/name"), end, integer(it, "/restartCount"))
            }),
        })
        // 143 is SIGTERM: the server stopped cleanly. In a pod of a Job only the Job's deadline causes
        // it.
        .filter(|end| {
            end.exit_code != 0 && (end.exit_code != 143 || job.is_some() || end.killed_by.is_some())
        });
    Pod {
        container: name.filter(|_| statuses(live).count() > 1),
        sidecar,
        component,
        claim: label(domain.volume_label).unwrap_or_default(),
        config_maps: config_maps(live, "/spec/volumes"),
        node: live.pointer("/spec/nodeName").and_then(Value::as_str).map(str::to_owned),
        created,
        ready: condition(live, "Ready", "True").is_some(),
        unready_since: since(live, "Ready", "False"),
        ready_since: since(live, "Ready", "True"),
        ended_at: container.map_or(0, ended_at),
        started: container.and_then(|status| status.get("started")).and_then(Value::as_bool).unwrap_or(false),
        restarts: container.map_or(0, |status| integer(status, "/restartCount")),
        waiting: container
            .and_then(|status| status.pointer("/state/waiting"))
            .map(|waiting| Cause { reason: string(waiting, "/reason"), message: string(waiting, "/message") })
            .filter(|cause| tells(&cause.reason)),
        terminated,
        unschedulable: condition(live, "PodScheduled", "False")
            .filter(|cause| cause.reason == "Unschedulable")
            .map(|cause| (cause.message, since(live, "PodScheduled", "False"))),
        scheduled: ["True", "False"].iter().any(|status| condition(live, "PodScheduled", status).is_some()),
        gated: condition(live, "PodScheduled", "False")
            .filter(|cause| cause.reason == "SchedulingGated")
            .map(|_| {
                let gates = live.pointer("/spec/schedulingGates").and_then(Value::as_array);
                let names = gates.into_iter().flatten().map(|gate| string(gate, "/name")).collect();
                (names, since(live, "PodScheduled", "False").max(created))
            }),
        creating: creating(live, container),
        failed: (phase == "Failed")
            .then(|| Cause {
                reason: string(live, "/status/reason"),
                message: string(live, "/status/message"),
            })
            .filter(|cause| !cause.reason.is_empty()),
        lost: lost(live),
        ends: timestamp(live, "/metadata/deletionTimestamp").map(Timestamp::as_second),
        finalizers: live
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
        image: container.map(|status| string(status, "/image")).unwrap_or_default(),
        said: job.as_ref().and(container).and_then(|status| {
            let end = status.pointer("/state/terminated").filter(|end| integer(end, "/exitCode") == 0)?;
            Some(string(end, "/message"))
        }),
        phase,
        job,
    }
}

fn of<'a>(live: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    live.pointer(field).and_then(Value::as_array).into_iter().flatten()
}

fn statuses(live: &Value) -> impl Iterator<Item = &Value> {
    of(live, "/status/initContainerStatuses").chain(of(live, "/status/containerStatuses"))
}

/// Returns whether a container does the pod's work: its name is that of the domain, of the component,
/// or of both.
fn is_main(container: &str, component: &str, domain: &Domain) -> bool {
    let rest = container.strip_prefix(domain.main_container);
    rest == Some("")
        || !component.is_empty()
            && rest.and_then(|rest| rest.strip_prefix('-')).unwrap_or(container) == component
}

fn has_main(live: &Value, component: &str, domain: &Domain) -> bool {
    statuses(live).any(|status| is_main(&string(status, "/name"), component, domain))
}

/// Selects the container that shows the cause: the one that does not run, including containers that
/// have to end or run before the others. The kubelet sorts by name, so a sidecar may come first; a
/// problem of the server has priority over all others.
fn container<'a>(live: &'a Value, component: &str, domain: &Domain) -> Option<&'a Value> {
    let waits = |status: &Value| status.pointer("/state/waiting").map(|waiting| string(waiting, "/reason"));
    let in_trouble = |status: &Value| waits(status).is_some_and(|reason| tells(&reason));
    let ended = |status: &Value| {
        let end = ["/state/terminated", "/lastState/terminated"].iter().find_map(|it| status.pointer(it));
        let ready = status.get("ready").and_then(Value::as_bool).unwrap_or(false);
        !ready && end.is_some_and(|end| integer(end, "/exitCode") != 0)
    };
    let main =
        || of(live, "/status/containerStatuses").find(|it| is_main(&string(it, "/name"), component, domain));
    main()
        .filter(|status| in_trouble(status) || ended(status))
        .or_else(|| statuses(live).find(|status| in_trouble(status)))
        .or_else(|| statuses(live).find(|status| waits(status).is_some()))
        .or_else(main)
        .or_else(|| of(live, "/status/containerStatuses").next())
}

/// Returns whether this reason for waiting is a problem, and not just a phase of the start.
fn tells(reason: &str) -> bool {
    !matches!(reason, "ContainerCreating" | "PodInitializing" | "")
}

fn creating(live: &Value, container: Option<&Value>) -> Option<Creating> {
    let since = since(live, "PodScheduled", "True");
    let pending = since > 0 && string(live, "/status/phase") == "Pending";
    let stage = match container {
        None => Stage::Unseen,
        Some(status) if string(status, "/state/waiting/reason") != "ContainerCreating" => return None,
        Some(_) if condition(live, "PodReadyToStartContainers", "False").is_some() => Stage::Preparing,
        Some(_) if condition(live, "PodReadyToStartContainers", "True").is_some() => Stage::Pulling,
        Some(_) => Stage::Unknown,
    };
    pending.then_some(Creating { since, stage })
}

/// Returns whether the node is lost. A kubelet never reports a pod as not ready while its containers
/// are ready, except because of a readiness gate. The node controller does so for every pod on a node
/// that does not respond.
fn lost(live: &Value) -> bool {
    let gate = |cause: Cause| cause.reason == "ReadinessGatesNotReady";
    condition(live, "Ready", "False").is_some_and(|cause| !gate(cause))
        && condition(live, "ContainersReady", "True").is_some()
}

fn ended_at(status: &Value) -> i64 {
    let ends = ["/state/terminated/finishedAt", "/lastState/terminated/finishedAt"];
    ends.iter().find_map(|it| timestamp(status, it)).map_or(0, Timestamp::as_second)
}

/// Since when a condition has this status, in seconds since the epoch; 0 if it has another one.
pub(super) fn since(live: &Value, type_: &str, status: &str) -> i64 {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .find(|it| string(it, "/type") == type_ && string(it, "/status") == status)
        .and_then(|it| timestamp(it, "/lastTransitionTime"))
        .map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_kinds::DOMAIN;

    /// The container that the state describes, and whether it is a sidecar.
    fn told(component: &str, containers: &Value) -> (Option<String>, bool) {
        let pod = pod(
            &json!({
                "metadata": { "labels": { "app.kubernetes.io/component": component } },
                "status": { "phase": "Running", "containerStatuses": containers },
            }),
            &DOMAIN,
        );
        (pod.container, pod.sidecar)
    }

    fn crashed(name: &str) -> Value {
        json!({ "name": name, "ready": false, "restartCount": 3, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "message": name } } })
    }

    #[test]
    fn no_sidecar_hides_the_server() {
        let between_crashes = |name: &str| {
            json!({ "name": name, "ready": false, "restartCount": 3, "state": { "running": {} },
                "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "message": name } } })
        };
        let runs = |name: &str| json!({ "name": name, "ready": true, "state": { "running": {} } });
        for (component, containers, expected) in [
            ("all", json!([crashed("istio-proxy"), crashed("toy")]), ("toy", false)),
            ("rest", json!([crashed("a"), crashed("toy-rest")]), ("toy-rest", false)),
            ("grpc", json!([crashed("a"), between_crashes("toy-grpc")]), ("toy-grpc", false)),
            ("backup", json!([runs("a"), between_crashes("backup")]), ("backup", false)),
            ("all", json!([runs("istio-proxy"), between_crashes("toy")]), ("toy", false)),
            ("all", json!([runs("istio-proxy"), runs("toy")]), ("toy", false)),
            // Only the sidecar has a problem.
            ("all", json!([crashed("istio-proxy"), runs("toy")]), ("istio-proxy", true)),
            ("all", json!([crashed("toy-exporter"), runs("toy")]), ("toy-exporter", true)),
        ] {
            assert_eq!(
                told(component, &containers),
                (Some(expected.0.to_owned()), expected.1),
                "{containers}"
            );
        }
        assert_eq!(told("all", &json!([crashed("toy")])), (None, false), "it is the only one");
    }
}
