//! Problems of PVCs that have no volume, or not the declared one.

use engine::{
    cache::Snapshot,
    child::Child,
    deadlines::DeadlineTracker,
    kind::Nature,
    plan::{Plan, Planned},
    quantity,
};
use serde_json::Value;

use super::{Problem, Profile, SETTLING, is_of};
use crate::{
    health::{Cause, Claim},
    reasons,
};

/// Seconds within which a resizer reports that it has started: it reacts to the event of the new size.
const LONGEST_UNRESIZED: i64 = 120;

const WAITS: &str = "waits for the first pod";

pub(super) fn claim_problem(
    profile: &Profile,
    child: &Child,
    claim: &Claim,
    plan: &Plan,
    (snapshot, clock): (&Snapshot, &DeadlineTracker),
) -> Option<Problem> {
    let pending = claim.phase == "Pending";
    // The PVC of the backups waits for the first backup, and no server waits for it. A storage class
    // may wait for the first pod, and none is wanted.
    if pending && (is_late(profile, child, plan) || !wants_pods(plan, &child.key.name, snapshot)) {
        return None;
    }
    if claim.phase == "Lost" || pending && clock.expired(SETTLING, claim.created) {
        return Some(profile.error(child, reasons::VOLUME_PENDING, format!("the PVC is {}", unbound(claim))));
    }
    let told = resize(claim, clock)?;
    Some(profile.warning(child, reasons::VOLUME_RESIZE, told))
}

/// Describes how far a resize is, or that it has not started although a provisioner had enough time.
fn resize(claim: &Claim, clock: &DeadlineTracker) -> Option<String> {
    let sizes = |claim: &Claim| {
        let [asked, has] = [&claim.requested, &claim.capacity].map(|size| size.clone().unwrap_or_default());
        format!("requests {asked} and has {has}")
    };
    if let Some(cause) = &claim.resizing {
        let Cause { reason, message } = cause;
        let words = if message.is_empty() { String::new() } else { format!(": {message}") };
        return Some(format!("{}: {reason}{words}", sizes(claim)));
    }
    let number = |size: &Option<String>| size.as_deref().and_then(quantity::nano);
    let waits = number(&claim.requested)? > number(&claim.capacity)?;
    (waits && clock.expired(LONGEST_UNRESIZED, claim.asked)).then(|| {
        let provisioner = claim.provisioner.as_deref().unwrap_or("the provisioner of its storage class");
        format!(
            "{}, and {provisioner} has not started to resize it within {LONGEST_UNRESIZED} s",
            sizes(claim)
        )
    })
}

/// Explains an unbound PVC as far as the PVC alone shows. The volume controller names a provisioner
/// when it has found the class and, if the class delays binding, when a pod has a node.
fn unbound(claim: &Claim) -> String {
    match (claim.phase.as_str(), &claim.class, &claim.provisioner) {
        ("Pending", None, _) => "Pending: no storage class is set, and the cluster has no default".to_owned(),
        ("Pending", Some(class), Some(provisioner)) => {
            format!("Pending: {provisioner} has not provisioned a volume of storage class {class}")
        }
        ("Pending", Some(class), None) => {
            format!("Pending: storage class {class} does not exist, provisions no volumes, or {WAITS}")
        }
        (phase, class, _) => format!("{phase} (storage class {})", class.as_deref().unwrap_or_default()),
    }
}

/// Removes problems that have the same cause as another one in the list.
pub fn remove_secondary_problems(found: &mut Vec<Problem>) {
    let about_volumes = |problem: &Problem| {
        let message = problem.message.to_lowercase();
        message.contains("persistentvolumeclaim") || message.contains("storageclass")
    };
    let nowhere = |problem: &Problem| problem.reason == reasons::UNSCHEDULABLE;
    // A PVC that waits for a pod is not the cause if the pod waits for something else.
    if found.iter().any(|problem| nowhere(problem) && !about_volumes(problem)) {
        found.retain(|it| it.reason != reasons::VOLUME_PENDING || !it.message.ends_with(WAITS));
    }
    // Another client scales past the storage repeatedly, which is why the Deployment is contested.
    let beyond: Vec<String> = found
        .iter()
        .filter(|problem| problem.reason == reasons::SCALED_BEYOND_STORAGE)
        .map(|problem| problem.object.clone())
        .collect();
    found.retain(|problem| problem.reason != reasons::CONTESTED || !beyond.contains(&problem.object));
    // A pod that waits for a volume is no separate problem if the volume is one.
    let volume = [reasons::VOLUME_PENDING, reasons::DATA_VOLUME_LOST];
    if found.iter().any(|problem| volume.contains(&problem.reason.as_str())) {
        found.retain(|problem| !(nowhere(problem) && about_volumes(problem)));
    }
}

/// Returns whether no server waits for a PVC, by the plan's label.
fn is_late(profile: &Profile, child: &Child, plan: &Plan) -> bool {
    let mut planned = plan.objects.iter().filter(|it| it.kind == child.kind && it.key == child.key);
    planned.any(|planned| profile.late_claims.iter().any(|component| is_of(planned, component)))
}

/// Returns whether a workload that mounts the PVC has pods, or any workload if none mounts it. A
/// workload that is held before its creation has none yet.
fn wants_pods(plan: &Plan, claim: &str, snapshot: &Snapshot) -> bool {
    let all = || plan.objects.iter().filter(|planned| planned.kind.nature == Nature::Workload);
    let mounts = |planned: &&Planned| {
        let volumes = planned.body.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        let mut names =
            volumes.into_iter().flatten().map(|it| it.pointer("/persistentVolumeClaim/claimName"));
        names.any(|name| name.and_then(Value::as_str) == Some(claim))
    };
    let wants = |planned: &Planned| {
        let held = planned.held.is_some() && snapshot.get(planned.kind, &planned.key).is_none();
        !held && planned.body.pointer("/spec/replicas").and_then(Value::as_i64) != Some(0)
    };
    if all().any(|planned| mounts(&planned)) { all().filter(mounts).any(wants) } else { all().any(wants) }
}

#[cfg(test)]
mod tests {
    use engine::{
        observed::Observe,
        plan::{Key, Replicas},
    };
    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::{
        super::{Severity, tests::PROFILE},
        *,
    };
    use crate::test_kinds::{CLAIM, DEPLOYMENT, DOMAIN};

    #[test]
    fn a_claim_tells_what_it_waits_for() {
        let claim = |phase: &str, class: Option<&str>, provisioner: Option<&str>| {
            let text = |it: Option<&str>| it.map(str::to_owned);
            let claim = Claim { class: text(class), provisioner: text(provisioner), ..Claim::default() };
            unbound(&Claim { phase: phase.into(), ..claim })
        };
        assert!(claim("Pending", None, None).contains("has no default"));
        assert!(claim("Pending", Some("c"), None).contains("storage class c does not exist"));
        assert_eq!(
            claim("Pending", Some("c"), Some("p")),
            "Pending: p has not provisioned a volume of storage class c"
        );
        assert_eq!(claim("Lost", Some("c"), Some("p")), "Lost (storage class c)");
    }

    #[test]
    fn a_resize_that_nobody_carries_out_is_named() {
        let now = 1_800_000_000;
        let told = |status: Value, seconds_ago: i64| {
            let asked = Timestamp::from_second(now - seconds_ago).unwrap().to_string();
            let mut status = status;
            status["phase"] = "Bound".into();
            status["capacity"] = json!({ "storage": "10Gi" });
            let live = json!({
                "metadata": { "name": "c", "uid": "u",
                    "annotations": { "volume.kubernetes.io/storage-provisioner": "disks.example.com" },
                    "managedFields": [{ "manager": "toy-operator", "operation": "Apply", "time": asked,
                        "fieldsV1": { "f:spec": { "f:resources": { "f:requests": { "f:storage": {} } } } } }] },
                "spec": { "resources": { "requests": { "storage": "10Ti" } } }, "status": status,
            });
            let claim = Claim::read(&live, &DOMAIN);
            resize(&claim, &DeadlineTracker::at(Timestamp::from_second(now).unwrap()))
        };
        let state = |state: &str| json!({ "allocatedResourceStatuses": { "storage": state } });
        let condition = |type_: &str, message: &str| json!({ "conditions": [{ "type": type_, "status": "True", "message": message }] });
        let mut both = state("ControllerResizeInfeasible");
        both["conditions"] = condition("Resizing", "goes on")["conditions"].clone();
        for (status, ago, words) in [
            (json!({}), LONGEST_UNRESIZED - 1, None),
            (
                json!({}),
                LONGEST_UNRESIZED,
                Some("disks.example.com has not started to resize it within 120 s"),
            ),
            (condition("Resizing", ""), 0, Some("Resizing")),
            (
                condition("FileSystemResizePending", "waits for a pod"),
                0,
                Some("FileSystemResizePending: waits"),
            ),
            (condition("ControllerResizeError", "no such size"), 0, Some("ControllerResizeError: no such")),
            (condition("NodeResizeError", "full"), 0, Some("NodeResizeError: full")),
            (state("ControllerResizeInProgress"), 0, Some("ControllerResizeInProgress")),
            (state("NodeResizePending"), 0, Some("NodeResizePending")),
            (state("NodeResizeInfeasible"), 0, Some("NodeResizeInfeasible")),
            (both, 0, Some("ControllerResizeInfeasible")),
        ] {
            let found = told(status.clone(), ago);
            assert_eq!(found.is_some(), words.is_some(), "{status} {found:?}");
            if let (Some(found), Some(words)) = (found, words) {
                assert!(found.starts_with("requests 10Ti and has 10Gi"), "{found}");
                assert!(found.contains(words), "{found}");
            }
        }
    }

    #[test]
    fn what_is_scaled_past_its_storage_is_not_also_contested() {
        let told = |reason, object: &str| PROFILE.problem(Severity::Error, reason, object.into(), "words");
        let mut found = vec![
            told(reasons::CONTESTED, "Deployment n/a"),
            told(reasons::SCALED_BEYOND_STORAGE, "Deployment n/a"),
            told(reasons::CONTESTED, "Service n/a"),
        ];
        remove_secondary_problems(&mut found);
        let left: Vec<_> = found.iter().map(|it| (it.reason.as_str(), it.object.as_str())).collect();
        assert_eq!(left, [("ScaledBeyondStorage", "Deployment n/a"), ("Contested", "Service n/a")]);
    }

    #[test]
    fn of_a_claim_and_its_pod_only_the_one_is_told_that_is_the_cause() {
        let left = |claim: &str, pod: &str| {
            let told = |reason, message: &str| PROFILE.problem(Severity::Error, reason, "x".into(), message);
            let mut found = vec![told(reasons::VOLUME_PENDING, claim), told(reasons::UNSCHEDULABLE, pod)];
            remove_secondary_problems(&mut found);
            found.into_iter().map(|problem| problem.reason).collect::<Vec<_>>()
        };
        let waits = format!("storage class c does not exist, provisions no volumes, or {WAITS}");
        let unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
        assert_eq!(left(&waits, unbound), [reasons::VOLUME_PENDING]);
        assert_eq!(left(&waits, "storageclass.storage.k8s.io \"c\" not found"), [reasons::VOLUME_PENDING]);
        assert_eq!(left(&waits, "3 Insufficient cpu"), [reasons::UNSCHEDULABLE]);
        let two = left("p has not provisioned a volume of storage class c", "3 Insufficient cpu");
        assert_eq!(two, [reasons::VOLUME_PENDING, reasons::UNSCHEDULABLE], "two causes");
    }

    #[test]
    fn a_claim_of_a_held_workload_is_no_problem() {
        let told = |held: Option<&'static str>, mounted: &str, exists: bool| {
            let meta = json!({ "name": "c", "namespace": "n", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z" });
            let status = json!({ "phase": "Pending" });
            let child = Child::read(&CLAIM, &json!({ "metadata": meta, "status": status })).unwrap();
            let key = |name: &str| Key { namespace: Some("n".into()), name: name.into() };
            let volume = json!({ "name": "data", "persistentVolumeClaim": { "claimName": mounted } });
            let body = json!({ "spec": { "replicas": 1, "template": { "spec": { "volumes": [volume] } } } });
            let workload =
                Planned { kind: &DEPLOYMENT, key: key("d"), body, replicas: Replicas::Planned, held };
            let claim = Planned {
                kind: &CLAIM,
                key: key("c"),
                body: json!({}),
                replicas: Replicas::Planned,
                held: None,
            };
            let mut snapshot = Snapshot::default();
            if exists {
                let live = Child::read(
                    &DEPLOYMENT,
                    &json!({ "metadata": { "name": "d", "namespace": "n", "uid": "d" } }),
                );
                snapshot.children.insert((DEPLOYMENT.plural, key("d")), live.unwrap().into());
            }
            let clock = DeadlineTracker::at(Timestamp::now());
            let plan = Plan { objects: vec![workload, claim] };
            super::super::object_problem(&PROFILE, &child, &plan, (&snapshot, &clock)).is_some()
        };
        assert!(told(None, "c", false));
        assert!(!told(Some("WaitingForDependency"), "c", false));
        assert!(told(Some("WaitingForDependency"), "c", true), "its pods run");
        assert!(told(None, "another", false), "no workload mounts it");
    }
}
