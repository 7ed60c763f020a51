//! Problems of workloads whose pods are not created.

use engine::{child::Child, error::resource_refusal, plan::Plan};
use serde_json::Value;

use super::{Problem, Profile, Severity};
use crate::{
    health::{Cause, Deployment, ReplicaSet},
    reasons,
};

pub(super) fn deployment_problem(
    profile: &Profile,
    child: &Child,
    deployment: &Deployment,
    plan: &Plan,
) -> Option<Problem> {
    if let Some(manager) = &deployment.paused {
        return Some(of_paused(profile, child, deployment, manager, plan));
    }
    let (reason, cause) = match (&deployment.failure, &deployment.stuck) {
        (Some(cause), _) => (refusal(cause), cause),
        (None, Some(cause)) => (reasons::DEADLINE_EXCEEDED, cause),
        (None, None) => return None,
    };
    Some(profile.error(child, reason, cause.message.clone()))
}

/// Reports a paused rollout: no change reaches the pods, and Kubernetes sets no deadline. The field
/// belongs to the manager that paused it.
fn of_paused(
    profile: &Profile,
    child: &Child,
    deployment: &Deployment,
    manager: &str,
    plan: &Plan,
) -> Problem {
    let planned = plan.objects.iter().find(|planned| planned.kind == child.kind && planned.key == child.key);
    let by_patch = planned
        .is_some_and(|planned| planned.body.pointer("/spec/paused").and_then(Value::as_bool) == Some(true));
    let who = match manager {
        _ if by_patch => "by spec.patches; remove `paused` from the patch".to_owned(),
        manager => {
            let by = if manager.is_empty() { String::new() } else { format!("by '{manager}'; ") };
            let name = &child.key.name;
            let namespace = child.key.namespace.as_deref().unwrap_or_default();
            format!("{by}resume it with: kubectl rollout resume deployment/{name} -n {namespace}")
        }
    };
    let message = format!("its rollout is paused {who}");
    let severity = if deployment.complete() { Severity::Warning } else { Severity::Error };
    profile.problem(severity, reasons::ROLLOUT_PAUSED, child.to_string(), message)
}

/// Seconds that a Job may be suspended before that is a problem: a queue with room admits a Job
/// immediately.
pub(super) const LONGEST_SUSPENDED: i64 = 30;

/// Reports a suspended Job. Servers run without a backup, but a restore and a configuration check block
/// them.
pub(super) fn of_suspended(profile: &Profile, child: &Child, manager: &str, is_planned: bool) -> Problem {
    // The creator of a Job owns the field, even if a webhook set it.
    let by = match manager {
        "" | "kube-controller-manager" => String::new(),
        manager if manager == child.kind.domain.field_manager => String::new(),
        manager => format!(" by '{manager}'"),
    };
    let (name, namespace) = (&child.key.name, child.key.namespace.as_deref().unwrap_or_default());
    let severity = if is_planned { Severity::Error } else { Severity::Warning };
    let release = format!(
        "kubectl patch job {name} -n {namespace} --type=merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
    );
    let message = format!("is suspended{by}; release it with: {release}");
    profile.problem(severity, reasons::JOB_SUSPENDED, child.to_string(), message)
}

/// Reports pods that a ReplicaSet cannot create: a ReplicaSet shows a rejection before its Deployment
/// does.
pub(super) fn replica_set_problem(profile: &Profile, child: &Child, set: &ReplicaSet) -> Option<Problem> {
    let cause = set.failure.as_ref().filter(|_| set.replicas > 0)?;
    Some(profile.error(child, refusal(cause), cause.message.clone()))
}

/// Returns the reason why pods cannot be created.
fn refusal(cause: &Cause) -> &'static str {
    if let Some(reason) = resource_refusal(&cause.message) {
        reason
    } else if cause.message.contains("PodSecurity")
        || cause.message.contains("admission")
        || cause.message.contains("denied")
    {
        reasons::ADMISSION_DENIED
    } else {
        reasons::REPLICA_FAILURE
    }
}

#[cfg(test)]
mod tests {
    use engine::{
        cache::Snapshot,
        deadlines::DeadlineTracker,
        plan::{Key, Planned, Replicas},
    };
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::{super::tests::PROFILE, *};
    use crate::test_kinds::{DEPLOYMENT, JOB, REPLICA_SET};

    #[test]
    fn a_suspended_job_names_its_release() {
        let made = 1_800_000_000;
        let told = |suspend: bool, manager: &str, ago: i64| {
            let at = Timestamp::from_second(made).unwrap().to_string();
            let live = json!({
                "metadata": { "name": "j", "namespace": "n", "uid": "u", "creationTimestamp": at, "managedFields": [
                    { "manager": manager, "operation": "Update", "fieldsV1": { "f:spec": { "f:suspend": {} } } },
                ] },
                "spec": { "suspend": suspend },
                "status": { "conditions": [{ "type": "Suspended", "status": if suspend { "True" } else { "False" } }] },
            });
            let child = Child::read(&JOB, &live).unwrap();
            let clock = DeadlineTracker::at(Timestamp::from_second(made + ago).unwrap());
            super::super::object_problem(&PROFILE, &child, &Plan::default(), (&Snapshot::default(), &clock))
        };
        assert_eq!(told(false, "kubectl-patch", LONGEST_SUSPENDED), None);
        assert_eq!(told(true, "kubectl-patch", LONGEST_SUSPENDED - 1), None);
        let found = told(true, "kubectl-patch", LONGEST_SUSPENDED).unwrap();
        assert_eq!((found.severity, found.reason.as_str()), (Severity::Warning, "JobSuspended"));
        assert!(
            found
                .message
                .starts_with("is suspended by 'kubectl-patch'; release it with: kubectl patch job j -n n")
        );
        let by_webhook = told(true, "kube-controller-manager", LONGEST_SUSPENDED).unwrap();
        assert!(by_webhook.message.starts_with("is suspended; "), "{}", by_webhook.message);
    }

    #[test]
    fn a_refusal_of_another_workload_is_not_ours() {
        let told = |owner: &str| {
            let live = json!({
                "metadata": { "name": "s", "namespace": "n", "uid": "u", "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": "o", "controller": true },
                ] },
                "spec": { "replicas": 1 },
                "status": { "conditions": [{ "type": "ReplicaFailure", "status": "True", "message": "exceeded quota" }] },
            });
            let child = Child::read(&REPLICA_SET, &live).unwrap();
            let key = Key { namespace: Some("n".into()), name: "d".into() };
            let replicas = Replicas::Planned;
            let planned = Planned { kind: &DEPLOYMENT, key, body: json!({}), replicas, held: None };
            let clock = DeadlineTracker::at(Timestamp::UNIX_EPOCH);
            let plan = Plan { objects: vec![planned] };
            super::super::object_problem(&PROFILE, &child, &plan, (&Snapshot::default(), &clock))
        };
        assert_eq!(told("d").map(|found| found.reason).as_deref(), Some(reasons::QUOTA_EXCEEDED));
        assert_eq!(told("theirs"), None);
    }

    #[test]
    fn a_paused_rollout_names_who_paused_it() {
        let told = |paused: bool, manager: &str, updated: i64, patched: bool| {
            let live = json!({
                "metadata": { "name": "d", "namespace": "n", "uid": "u", "managedFields": [
                    { "manager": manager, "operation": "Update", "fieldsV1": { "f:spec": { "f:paused": {} } } },
                ] },
                "spec": { "replicas": 2, "paused": paused },
                "status": { "updatedReplicas": updated, "availableReplicas": 2, "replicas": 2 },
            });
            let child = Child::read(&DEPLOYMENT, &live).unwrap();
            let deployment = child.observed().unwrap();
            let key = Key { namespace: Some("n".into()), name: "d".into() };
            let body = json!({ "spec": { "paused": patched } });
            let planned = Planned { kind: &DEPLOYMENT, key, body, replicas: Replicas::Planned, held: None };
            deployment_problem(&PROFILE, &child, deployment, &Plan { objects: vec![planned] })
        };
        assert_eq!(told(false, "kubectl-rollout", 0, false), None);
        let stuck = told(true, "kubectl-rollout", 0, false).unwrap();
        assert_eq!((stuck.severity, stuck.reason.as_str()), (Severity::Error, "RolloutPaused"));
        for words in ["paused by 'kubectl-rollout'", "kubectl rollout resume deployment/d -n n"] {
            assert!(stuck.message.contains(words), "{}", stuck.message);
        }
        // Nothing waits for it yet.
        assert_eq!(told(true, "kubectl-rollout", 2, false).unwrap().severity, Severity::Warning);
        let patched = told(true, "toy-operator", 0, true).unwrap().message;
        assert!(patched.contains("spec.patches") && !patched.contains("resume"), "{patched}");
    }

    #[test]
    fn who_refuses_pods_is_told_by_its_words() {
        for (words, reason) in [
            ("pods \"p\" is forbidden: exceeded quota: small, requested: pods=1", reasons::QUOTA_EXCEEDED),
            (
                "pods \"p\" is forbidden: failed quota: small: must specify limits.cpu for: mesh",
                reasons::QUOTA_EXCEEDED,
            ),
            ("maximum memory usage per Container is 64Mi, but limit is 512Mi", reasons::LIMIT_RANGE),
            (
                "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi",
                reasons::LIMIT_RANGE,
            ),
            (
                "cpu max limit to request ratio per Container is 2, but provided ratio is 5",
                reasons::LIMIT_RANGE,
            ),
            (
                "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\"",
                reasons::ADMISSION_DENIED,
            ),
            ("admission webhook \"x\" denied the request: no", reasons::ADMISSION_DENIED),
            ("pods \"p\" is forbidden: no PriorityClass with name high was found", reasons::REPLICA_FAILURE),
        ] {
            assert_eq!(refusal(&Cause { message: words.into(), ..Cause::default() }), reason, "{words}");
        }
    }
}
