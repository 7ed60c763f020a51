//! Finds what is wrong, from what applying did and what is live. Pure: the same view gives the same list.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{PersistentVolumeClaim, Pod},
};

use serde_json::Value;

use super::{
    facts::{ApiKeyFact, Facts, NamespaceFact},
    reasons::{self, action},
};
use crate::{
    api::status::{Problem, Severity},
    engine::{
        FIELD_MANAGER, INSTANCE_LABEL, MANAGED_BY_LABEL,
        apply::{Outcome, Result, Step},
        child::Child,
        detail::{self, Cause, Detail},
        error::Disposition,
        kind::Managed,
        live::{Coverage, Snapshot},
        plan::{Key, Plan, Planned},
    },
    objects::labels,
};

/// Seconds that a running pod may take to be ready before that is a problem: the startup probe's budget (110) and
/// the readiness probe's first look.
const LONGEST_UNREADY: i64 = 130;

/// Seconds for which a new claim may look for its volume, and a new pod for its node, before that is a problem: on
/// every first start the scheduler looks once before the claim is bound.
pub const SETTLING: i64 = 3;

/// A problem, with the table's advice.
#[must_use]
pub fn problem(severity: Severity, reason: &str, object: String, message: impl Into<String>) -> Problem {
    Problem {
        severity,
        reason: reason.to_owned(),
        object,
        node: None,
        message: message.into().chars().take(1000).collect(),
        action: action(reason).to_owned(),
    }
}

/// Facts that stand in the way before anything is written.
#[must_use]
pub fn of_facts(
    facts: &Facts,
    namespaces: &[(String, NamespaceFact)],
    lost: &[(Key, String)],
    secret: &Key,
    cluster: &str,
) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, fact) in namespaces {
        if *fact == NamespaceFact::Terminating {
            found.push(problem(
                Severity::Error,
                reasons::NAMESPACE_TERMINATING,
                format!("Namespace {name}"),
                "is being deleted; everything is made again when it is gone",
            ));
        }
    }
    for (claim, uid) in lost {
        found.push(problem(
            Severity::Error,
            reasons::DATA_VOLUME_LOST,
            format!("PersistentVolumeClaim {claim}"),
            format!(
                "held data (UID {uid}) and is gone; restore a claim of that name with the labels \
                 {MANAGED_BY_LABEL}={FIELD_MANAGER} and {INSTANCE_LABEL}={cluster}, or give the data up with: \
                 kubectl annotate lpc {cluster} {}={uid}",
                super::ACCEPT_DATA_LOSS
            ),
        ));
    }
    for missing in facts.references.values().flat_map(|references| &references.missing) {
        let severity = if missing.optional { Severity::Warning } else { Severity::Error };
        found.push(problem(
            severity,
            reasons::REFERENCE_MISSING,
            missing.object.clone(),
            missing.message.clone(),
        ));
    }
    if let ApiKeyFact::Invalid { message } = &facts.api_key {
        found.push(problem(
            Severity::Error,
            reasons::API_KEY_INVALID,
            format!("Secret {secret}"),
            message.clone(),
        ));
    }
    found
}

/// What applying could not do.
#[must_use]
pub fn of_outcome(outcome: &Outcome) -> Vec<Problem> {
    outcome.steps.iter().filter_map(of_step).collect()
}

fn of_step(step: &Step) -> Option<Problem> {
    let (severity, reason, message) = match &step.result {
        // Held workloads are explained by what holds them; waiting without a cause of its own is no problem.
        Result::InSync | Result::Created | Result::Updated | Result::Deleted | Result::Held(_) => {
            return None;
        }
        Result::Waiting { reason, .. } if *reason == reasons::PROGRESSING => return None,
        Result::Waiting { reason, message } => (Severity::Error, *reason, message.clone()),
        Result::Conflict { message } => (Severity::Error, reasons::NAME_CONFLICT, message.clone()),
        Result::Unserved => (
            Severity::Warning,
            reasons::CRD_NOT_INSTALLED,
            format!("{} is not installed", step.id.0.crd_name()),
        ),
        // The pods run as they are; only the volume is smaller than declared.
        Result::Failed(error) if error.reason() == reasons::VOLUME_RESIZE => {
            (Severity::Warning, reasons::VOLUME_RESIZE, error.message())
        }
        Result::Failed(error) => (Severity::Error, error.reason(), error.message()),
    };
    Some(problem(severity, reason, step.object(), message))
}

/// Whether a step that did not settle leaves the declared state in force but for what a warning tells.
#[must_use]
pub fn is_mere_warning(step: &Step) -> bool {
    of_step(step).is_some_and(|problem| problem.severity == Severity::Warning)
}

/// Whether somebody has to act, in the words of applying.
#[must_use]
pub fn needs_help(outcome: &Outcome) -> bool {
    outcome.steps.iter().any(|step| match &step.result {
        Result::Conflict { .. } => true,
        Result::Failed(error) => {
            error.disposition() == Disposition::NeedsHelp && error.reason() != reasons::VOLUME_RESIZE
        }
        _ => false,
    })
}

/// What is wrong with the live objects of a plan.
#[must_use]
pub fn of_live(plan: &Plan, snapshot: &Snapshot, now: i64) -> Vec<Problem> {
    let mut found = pods(snapshot, now);
    for child in snapshot.children.values().filter(|child| !child.deleting) {
        found.extend(of_child(child, plan, now));
    }
    for kind in crate::objects::kinds::KINDS {
        if let Coverage::Refused(why) = snapshot.coverage(kind) {
            found.push(problem(
                if kind.optional { Severity::Warning } else { Severity::Error },
                if why.contains("forbidden") { reasons::FORBIDDEN } else { reasons::WATCH_FAILING },
                kind.kind.to_owned(),
                format!("{} cannot be listed: {why}", kind.plural),
            ));
        }
    }
    found
}

fn of_child(child: &Child, plan: &Plan, now: i64) -> Option<Problem> {
    let planned =
        || plan.objects.iter().any(|planned| planned.kind == child.kind && planned.key == child.key);
    let error =
        |reason: &str, message: String| Some(problem(Severity::Error, reason, child.to_string(), message));
    match &child.detail {
        Detail::Deployment(deployment) if child.kind == Deployment::KIND && planned() => match deployment {
            detail::Deployment { failure: Some(cause), .. } => error(refusal(cause), cause.message.clone()),
            detail::Deployment { stuck: Some(cause), .. } => {
                error(reasons::DEADLINE_EXCEEDED, cause.message.clone())
            }
            _ => None,
        },
        // A ReplicaSet tells of a refusal before its Deployment does.
        Detail::ReplicaSet(set) if child.kind == ReplicaSet::KIND && set.replicas > 0 => {
            let cause = set.failure.as_ref()?;
            error(refusal(cause), cause.message.clone())
        }
        Detail::Claim(claim) if child.kind == PersistentVolumeClaim::KIND && planned() => match &claim
            .resizing
        {
            // It waits for the first backup, and no server waits for it.
            _ if is_backup(child, plan) && claim.phase != "Lost" => None,
            // A class may wait for the first pod, and none is wanted.
            _ if claim.phase == "Pending" && !wants_pods(plan) => None,
            _ if claim.phase == "Lost" || (claim.phase == "Pending" && now - claim.created >= SETTLING) => {
                error(
                    reasons::VOLUME_PENDING,
                    format!(
                        "claim is {} (storage class {})",
                        claim.phase,
                        claim.class.as_deref().unwrap_or("not set, and the cluster has no default")
                    ),
                )
            }
            Some(cause) => Some(problem(
                Severity::Warning,
                reasons::VOLUME_RESIZE,
                child.to_string(),
                format!("{}: {}", cause.reason, cause.message),
            )),
            None => None,
        },
        Detail::Autoscaler { unable, inactive }
            if child.kind == HorizontalPodAutoscaler::KIND && planned() =>
        {
            let cause = unable.as_ref().or(inactive.as_ref())?;
            // Zero pods by the user's own wish disable scaling and are no fault.
            (cause.reason != "ScalingDisabled").then(|| {
                problem(
                    Severity::Warning,
                    reasons::METRICS_UNAVAILABLE,
                    child.to_string(),
                    format!("{}: {}", cause.reason, cause.message),
                )
            })
        }
        Detail::Gateway { unable: Some(cause), .. } if planned() => {
            error(reasons::GATEWAY_NOT_PROGRAMMED, format!("{}: {}", cause.reason, cause.message))
        }
        Detail::Route { refused: Some(cause), .. } if planned() => {
            error(reasons::ROUTE_NOT_ACCEPTED, format!("{}: {}", cause.reason, cause.message))
        }
        // Nobody has answered: for a moment after each change, or for ever where a name is wrong.
        Detail::Gateway { unseen: true, .. } if planned() => Some(problem(
            Severity::Warning,
            reasons::GATEWAY_NOT_PROGRAMMED,
            child.to_string(),
            "no controller has answered for it yet",
        )),
        Detail::Route { unseen: Some(gateway), .. } if planned() => Some(problem(
            Severity::Warning,
            reasons::ROUTE_NOT_ACCEPTED,
            child.to_string(),
            format!("no controller has answered for Gateway {gateway} yet"),
        )),
        _ => None,
    }
}

fn wants_pods(plan: &Plan) -> bool {
    let workloads = plan.objects.iter().filter(|planned| planned.kind == Deployment::KIND);
    workloads
        .into_iter()
        .any(|planned| planned.body.pointer("/spec/replicas").and_then(serde_json::Value::as_i64) != Some(0))
}

/// A claim of the backups, by the plan's label.
pub(super) fn is_backup(child: &Child, plan: &Plan) -> bool {
    plan.objects
        .iter()
        .any(|planned| planned.kind == child.kind && planned.key == child.key && of_backups(planned))
}

/// Whether a planned object belongs to the backups.
pub(super) fn of_backups(planned: &Planned) -> bool {
    let labels = planned.body.pointer("/metadata/labels").and_then(|labels| labels.get(labels::COMPONENT));
    labels.and_then(Value::as_str) == Some(labels::BACKUP)
}

/// Why pods cannot be created.
fn refusal(cause: &Cause) -> &'static str {
    if cause.message.contains("exceeded quota") {
        reasons::QUOTA_EXCEEDED
    } else if cause.message.contains("PodSecurity")
        || cause.message.contains("admission")
        || cause.message.contains("denied")
    {
        reasons::ADMISSION_DENIED
    } else {
        reasons::REPLICA_FAILURE
    }
}

/// One problem per component and cause, told by its first pod, with the number of others.
fn pods(snapshot: &Snapshot, now: i64) -> Vec<Problem> {
    let mut groups: BTreeMap<(String, String), (Problem, usize)> = BTreeMap::new();
    for child in snapshot.of_kind(Pod::KIND).filter(|child| !child.deleting) {
        let Detail::Pod(pod) = &child.detail else { continue };
        let Some((reason, message)) = of_pod(pod, now) else { continue };
        groups
            .entry((pod.component.clone(), reason.clone()))
            .and_modify(|(_, others)| *others += 1)
            .or_insert_with(|| {
                let found = Problem {
                    node: pod.node.clone(),
                    // Servers run without a backup.
                    ..problem(
                        if pod.job.is_some() { Severity::Warning } else { Severity::Error },
                        &reason,
                        child.to_string(),
                        message,
                    )
                };
                (found, 0)
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

fn times(number: i64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn of_pod(pod: &detail::Pod, now: i64) -> Option<(String, String)> {
    if let Some((message, since)) = &pod.unschedulable {
        if now - since < SETTLING {
            return None;
        }
        return Some((reasons::UNSCHEDULABLE.to_owned(), message.clone()));
    }
    let end = pod.terminated.as_ref().map(|end| {
        let words = if end.message.is_empty() { String::new() } else { format!(": {}", end.message) };
        (
            end,
            format!("exit code {} ({}), restarted {}{words}", end.exit_code, end.reason, times(pod.restarts)),
        )
    });
    if let Some(waiting) = &pod.waiting {
        let reason = match waiting.reason.as_str() {
            "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName" | "ImageInspectError" => {
                reasons::IMAGE_PULL
            }
            other => other,
        };
        return Some(match end {
            Some((end, words)) if reason == reasons::CRASH_LOOP => {
                let reason = if end.reason == reasons::OOM_KILLED { reasons::OOM_KILLED } else { reason };
                (reason.to_owned(), words)
            }
            _ if waiting.message.is_empty() => (reason.to_owned(), format!("image {}", pod.image)),
            _ => (reason.to_owned(), waiting.message.clone()),
        });
    }
    // Between two crashes the container runs for a moment: the cause is still the cause.
    match end {
        Some((end, words)) if !pod.ready && pod.restarts > 0 => {
            let reason =
                if end.reason == reasons::OOM_KILLED { reasons::OOM_KILLED } else { reasons::CRASH_LOOP };
            Some((reason.to_owned(), words))
        }
        _ if pod.phase == "Running" && pod.unready_since > 0 && now - pod.unready_since > LONGEST_UNREADY => {
            Some((
                reasons::NOT_READY.to_owned(),
                format!(
                    "runs and is not ready for {} s: its startup or readiness probe fails",
                    now - pod.unready_since
                ),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    /// What is said about a pod in this state.
    fn told(status: &Value) -> Option<(String, String)> {
        let live = json!({ "metadata": { "name": "p", "uid": "u" }, "status": status });
        let Detail::Pod(pod) = Detail::read(Pod::KIND, &live) else { panic!("not a pod") };
        of_pod(&pod, NOW)
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
    fn a_pod_on_its_way_or_stopped_cleanly_is_no_problem() {
        for status in [
            json!({ "phase": "Pending" }),
            json!({ "phase": "Pending", "containerStatuses": [{ "restartCount": 0,
                "state": { "waiting": { "reason": "ContainerCreating" } } }] }),
            json!({ "phase": "Running", "containerStatuses": [{ "restartCount": 1, "state": { "running": {} },
                "lastState": { "terminated": { "exitCode": 143, "reason": "Error" } } }] }),
        ] {
            assert_eq!(told(&status), None, "{status}");
        }
    }

    #[test]
    fn a_pod_that_stays_unready_longer_than_its_probes_allow_is_a_problem() {
        let unready = |since: i64| {
            let at = k8s_openapi::jiff::Timestamp::from_second(since).unwrap();
            json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "False", "lastTransitionTime": at.to_string() }] })
        };
        assert_eq!(told(&unready(NOW - LONGEST_UNREADY)), None);
        assert_eq!(told(&unready(NOW - LONGEST_UNREADY - 1)).unwrap().0, "NotReady");
    }
}
