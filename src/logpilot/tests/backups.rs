//! The objects planned for backups, and how backups are reported.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{
    api::status::{BackupResult, BackupStatus},
    engine::{cache::Snapshot, child::Child, deadlines::DeadlineTracker, kind::Kind},
    kinds::KINDS,
    logpilot::{
        backups::{self, Backups},
        facts::OperatorImage,
        problems,
    },
};

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A deadline tracker that expires after `seconds` for everything without a deadline of its own.
pub(super) fn seconds_in(seconds: i64) -> DeadlineTracker {
    DeadlineTracker::at(Timestamp::from_second(seconds).expect("a time"))
}

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().copied().find(|kind| kind.kind == name).expect("a kind")
}

/// A snapshot with these objects, as the API server returns them.
pub(super) fn world(objects: &[Value]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (number, object) in objects.iter().enumerate() {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!("logpilot");
        object["metadata"]["uid"] = json!(format!("uid-{number}"));
        let kind = kind(object["kind"].as_str().expect("a kind"));
        let child = Child::read(kind, &object).expect("an object");
        snapshot.children.insert((kind.plural, child.key.clone()), Arc::new(child));
    }
    snapshot
}

fn cron_job() -> Value {
    json!({ "kind": "CronJob", "metadata": { "name": "logpilot-backup", "creationTimestamp": "2026-01-01T00:00:00Z" } })
}

pub(super) fn job(name: &str, condition: &str, at: &str) -> Value {
    json!({ "kind": "Job",
        "metadata": { "name": name, "ownerReferences": [
            { "apiVersion": "batch/v1", "kind": "CronJob", "name": "logpilot-backup", "uid": "c", "controller": true },
        ] },
        "status": { "conditions": [
            { "type": "SuccessCriteriaMet", "status": "True", "reason": "x", "message": "", "lastTransitionTime": at },
            { "type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often", "lastTransitionTime": at },
        ] },
    })
}

pub(super) fn pod(job: &str, exit_code: i32, message: &str) -> Value {
    json!({ "kind": "Pod",
        "metadata": { "name": format!("{job}-abcde"), "labels": {
            "app.kubernetes.io/component": "backup", "batch.kubernetes.io/job-name": job,
        } },
        "spec": { "nodeName": "n" },
        "status": { "phase": if exit_code == 0 { "Succeeded" } else { "Failed" }, "containerStatuses": [
            { "state": { "terminated": { "exitCode": exit_code, "reason": "x", "message": message } } },
        ] },
    })
}

const SAID: &str = r#"{"file":"logpilot-20260102T030001.000Z.db","takenAt":"2026-01-02T03:00:01Z","size":8192,"sha256":"00","rows":12,"durationMillis":5,"available":["logpilot-20260102T030001.000Z.db","../x"],"pruned":0}"#;

fn seen(spec: &str, before: &[BackupStatus], objects: &[Value], now: &str) -> Backups {
    seen_by(&DeadlineTracker::at(at(now)), spec, before, objects)
}

fn seen_by(clock: &DeadlineTracker, spec: &str, before: &[BackupStatus], objects: &[Value]) -> Backups {
    backups::observe(&cluster(spec), &Facts::default(), before, &world(objects), clock)
}

fn reasons(backups: &Backups) -> Vec<&str> {
    backups.problems.iter().map(|problem| problem.reason.as_str()).collect()
}

#[test]
fn each_volume_has_its_own_cronjob_and_pvc() {
    let shared = planned("{ components: { all: {}, rest: {} }, backup: {} }");
    assert_eq!(names(&shared, "CronJob"), ["logpilot-backup"]);
    assert_eq!(names(&shared, "PersistentVolumeClaim"), ["logpilot-data", "logpilot-backup"]);
    let own =
        planned("{ components: { all: {}, rest: {} }, storage: { sharing: PerComponent }, backup: {} }");
    assert_eq!(names(&own, "CronJob"), ["logpilot-all-backup", "logpilot-rest-backup"]);
    let volumes = |name: &str| {
        let body = &object(&own, "CronJob", name).body;
        let volumes = body.pointer("/spec/jobTemplate/spec/template/spec/volumes").expect("volumes");
        [0, 1]
            .map(|at| volumes[at]["persistentVolumeClaim"]["claimName"].as_str().expect("a claim").to_owned())
    };
    assert_eq!(volumes("logpilot-rest-backup"), ["logpilot-rest-data", "logpilot-rest-backup"]);
    let existing = planned("{ backup: { volume: { existingClaim: nfs } } }");
    assert_eq!(names(&existing, "PersistentVolumeClaim"), ["logpilot-data"]);
    assert!(names(&planned("{ backup: { enabled: false } }"), "CronJob").is_empty());
    assert!(names(&planned("{}"), "CronJob").is_empty());
}

/// A backup pod that a server's selector matched would receive client traffic.
#[test]
fn no_service_pdb_or_deployment_selects_backup_pods() {
    let plan = planned("{ components: { all: {}, rest: {}, grpc: {} }, backup: {} }");
    let cron_job = &object(&plan, "CronJob", "logpilot-backup").body;
    let labels = cron_job.pointer("/spec/jobTemplate/spec/template/metadata/labels").expect("labels").clone();
    assert_eq!(labels["logpilot.io/data"], "logpilot-data");
    for planned in &plan.objects {
        let spec = &planned.body["spec"];
        let selector = match planned.kind.kind {
            "Service" => &spec["selector"],
            "Deployment" | "PodDisruptionBudget" => &spec["selector"]["matchLabels"],
            "NetworkPolicy" => &spec["podSelector"]["matchLabels"],
            _ => continue,
        };
        let selector = selector.as_object().expect("a selector");
        assert!(!selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{planned} selects it");
    }
}

#[test]
fn the_backup_pod_follows_servers_to_their_node() {
    let plan = planned(
        "{ components: { all: { replicas: 1, nodeSelector: { disk: ssd }, tolerations: [{ key: logs, operator: Exists }] } }, backup: {} }",
    );
    let pod = object(&plan, "CronJob", "logpilot-backup")
        .body
        .pointer("/spec/jobTemplate/spec/template/spec")
        .cloned();
    let pod = pod.expect("a pod");
    let server = object(&plan, "Deployment", "logpilot-all")
        .body
        .pointer("/spec/template/spec")
        .cloned()
        .expect("a pod");
    for same in ["affinity", "nodeSelector", "tolerations", "securityContext", "serviceAccountName"] {
        assert_eq!(pod[same], server[same], "{same}");
    }
    assert_eq!(
        pod["containers"][0]["args"],
        json!([
            "backup",
            "--database=/data/logpilot.db",
            "--to=/backups",
            "--keep=7",
            "--resource=logpilot",
            "--resource-uid=11111111-2222-3333-4444-555555555555",
            "--exclusive"
        ])
    );
    assert!(pod["containers"][0].get("command").is_none());
}

#[test]
fn without_operator_image_a_warning_replaces_the_cronjob() {
    let cluster = cluster("{ backup: {} }");
    let facts = Facts { operator_image: OperatorImage(None), ..Facts::default() };
    let plan = plan(&cluster, &facts);
    assert!(names(&plan, "CronJob").is_empty());
    assert_eq!(names(&plan, "PersistentVolumeClaim").len(), 2, "objects that hold backups stay");
    let told = backups::observe(&cluster, &facts, &[], &Snapshot::default(), &seconds_in(0));
    assert_eq!(reasons(&told), ["BackupImageUnknown"]);
}

#[test]
fn the_newest_backup_is_reported_after_its_job() {
    let spec = "{ backup: { timeZone: Europe/Berlin } }";
    let objects = [
        cron_job(),
        job("logpilot-backup-1", "Complete", "2026-01-02T02:00:05Z"),
        pod("logpilot-backup-1", 0, SAID),
    ];
    let clock = DeadlineTracker::at(at("2026-01-02T10:00:00Z"));
    let first = seen_by(&clock, spec, &[], &objects);
    assert_eq!(reasons(&first), [""; 0]);
    let status = &first.status[0];
    let success = status.last_success.clone().expect("a backup");
    assert_eq!(success.time.0, at("2026-01-02T02:00:05Z"));
    assert_eq!(
        (success.file.as_str(), success.size, success.rows),
        ("logpilot-20260102T030001.000Z.db", 8192, 12)
    );
    assert_eq!(success.available, ["logpilot-20260102T030001.000Z.db"], "only names that can be restored");
    assert_eq!(status.next_schedule.as_ref().map(|time| time.0), Some(at("2026-01-03T02:00:00Z")));
    assert_eq!(clock.next(), Some(Duration::from_hours(18)), "requeued for when it is too old");
    assert_eq!(backups::oldest(&first.status).map(|time| time.0), Some(at("2026-01-02T02:00:05Z")));
    // History limits delete Jobs, and their pods before them.
    for left in [&objects[..1], &objects[..2]] {
        let later = seen(spec, &first.status, left, "2026-01-02T11:00:00Z");
        assert_eq!(later.status, first.status);
    }
}

#[test]
fn a_failed_backup_warns_with_the_pod_message() {
    let objects = [
        cron_job(),
        job("logpilot-backup-1", "Complete", "2026-01-02T03:00:05Z"),
        pod("logpilot-backup-1", 0, SAID),
        job("backup-manual", "Failed", "2026-01-02T04:00:05Z"),
        pod("backup-manual", 1, "cannot write /backups/x: no space left on device"),
    ];
    let told = seen("{ backup: {} }", &[], &objects, "2026-01-02T05:00:00Z");
    assert_eq!(reasons(&told), ["BackupFailed"]);
    assert!(told.problems[0].message.contains("no space left on device"), "{:?}", told.problems);
    assert_eq!(told.problems[0].object, "Job logpilot/backup-manual");
    assert_eq!(told.status[0].last_result, Some(BackupResult::Failed));
    assert!(told.status[0].last_success.is_some());
    // The failed pod makes no server unready, and a later success clears the problem.
    let plan = planned("{ backup: {} }");
    assert!(
        problems::live_problems(&plan, &world(&objects), &seconds_in(0))
            .iter()
            .all(|problem| problem.reason != "CrashLoopBackOff")
    );
    let mut objects = objects.to_vec();
    objects.push(job("logpilot-backup-2", "Complete", "2026-01-03T03:00:05Z"));
    let healed = seen("{ backup: {} }", &told.status, &objects, "2026-01-03T05:00:00Z");
    assert_eq!((reasons(&healed).len(), healed.status[0].last_result), (0, Some(BackupResult::Succeeded)));
}

#[test]
fn an_overdue_backup_is_reported_after_its_deadline() {
    let spec = "{ backup: {} }";
    let old = [cron_job(), job("logpilot-backup-1", "Complete", "2026-01-02T03:00:05Z")];
    assert_eq!(reasons(&seen(spec, &[], &old, "2026-01-03T04:59:59Z")), [""; 0]);
    assert_eq!(reasons(&seen(spec, &[], &old, "2026-01-03T05:00:00Z")), ["BackupOld"]);
    // No backup yet: the age counts from the creation of the CronJob.
    let fresh = [cron_job()];
    let clock = DeadlineTracker::at(at("2026-01-01T04:00:00Z"));
    assert_eq!(reasons(&seen_by(&clock, spec, &[], &fresh)), [""; 0]);
    assert_eq!(clock.next(), Some(Duration::from_hours(1)));
    assert_eq!(reasons(&seen(spec, &[], &fresh, "2026-01-01T05:00:00Z")), ["BackupOld"]);
    let suspended = seen("{ backup: { suspend: true } }", &[], &old, "2026-02-01T00:00:00Z");
    assert_eq!((reasons(&suspended).len(), suspended.status[0].next_schedule.is_none()), (0, true));
    assert!(backups::oldest(&seen(spec, &[], &fresh, "2026-01-01T04:00:00Z").status).is_none());
}

/// A storage class may bind only when the first backup runs, perhaps at night. The servers are
/// ready nevertheless.
#[test]
fn a_pending_unused_backup_pvc_is_no_problem() {
    let plan = planned("{ backup: {} }");
    let claim = |name: &str, phase: &str| json!({ "kind": "PersistentVolumeClaim", "metadata": { "name": name }, "status": { "phase": phase } });
    let told = |objects: &[Value]| {
        let found = problems::live_problems(&plan, &world(objects), &seconds_in(60));
        found.into_iter().filter(|it| it.reason == "VolumePending").count()
    };
    assert_eq!(told(&[claim("logpilot-backup", "Pending")]), 0);
    assert_eq!(told(&[claim("logpilot-backup", "Lost")]), 1);
    assert_eq!(told(&[claim("logpilot-data", "Pending")]), 1);
}

/// Each data volume has its own prefix, below one that no other Kubernetes cluster uses by default.
#[test]
fn a_bucket_replaces_the_pvc_and_references_keys() {
    let spec = |more: &str| {
        format!(
            "{{ components: {{ all: {{}}, rest: {{}} }}, {more} backup: {{ s3: {{ bucket: abc, credentialsSecret: {{ name: a }} }} }} }}"
        )
    };
    let own = planned(&spec("storage: { sharing: PerComponent },"));
    assert_eq!(names(&own, "PersistentVolumeClaim"), ["logpilot-all-data", "logpilot-rest-data"]);
    let container = |plan: &Plan, name: &str| {
        object(plan, "CronJob", name)
            .body
            .pointer("/spec/jobTemplate/spec/template/spec/containers/0")
            .expect("a container")
            .clone()
    };
    for (name, prefix) in
        [("logpilot-all-backup", "logpilot/logpilot/all"), ("logpilot-rest-backup", "logpilot/logpilot/rest")]
    {
        let container = container(&own, name);
        assert_eq!(container["args"][2], format!("--to=s3://abc/{prefix}"));
        let env = container["env"].as_array().expect("variables");
        assert!(
            env.iter().all(|it| it["valueFrom"]["secretKeyRef"]["name"] == "a" && it.get("value").is_none())
        );
        assert_eq!(env.len(), 2);
    }
    let shared = planned(&spec(""));
    assert_eq!(container(&shared, "logpilot-backup")["args"][2], "--to=s3://abc/logpilot/logpilot");
}

/// A name with a dot matches no certificate of Amazon's, and other servers seldom have a host name
/// for each bucket.
#[test]
fn a_bucket_is_addressed_by_path_where_required() {
    for (s3, in_path) in [
        ("bucket: abc", false),
        ("bucket: a.bc", true),
        ("bucket: abc, endpoint: 'https://minio.example.com'", true),
        ("bucket: a.bc, pathStyle: false", false),
    ] {
        let plan = planned(&format!("{{ backup: {{ s3: {{ {s3}, credentialsSecret: {{ name: a }} }} }} }}"));
        let body = object(&plan, "CronJob", "logpilot-backup").body.to_string();
        assert_eq!(body.contains("--path-style"), in_path, "{s3}");
    }
}

#[test]
fn pods_with_one_cause_are_one_counted_problem() {
    let failing = |name: &str, component: &str| {
        json!({ "kind": "Pod",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/component": component }, "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "s", "uid": "s", "controller": true },
            ] },
            "status": { "containerStatuses": [{ "state": { "waiting": { "reason": "ErrImagePull", "message": "no" } } }] } })
    };
    let pods = [failing("a", "all"), failing("b", "all"), failing("c", "rest")];
    let told = problems::live_problems(
        &planned("{ components: { all: {}, rest: {} } }"),
        &world(&pods),
        &seconds_in(0),
    );
    let words: Vec<_> = told.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(words, ["no (and 1 more pods)", "no"]);
}

#[test]
fn a_missing_backup_secret_is_reported_by_name() {
    let mut pod = pod("logpilot-backup-1", 0, "");
    pod["metadata"]["ownerReferences"] = json!([
        { "apiVersion": "batch/v1", "kind": "Job", "name": "logpilot-backup-1", "uid": "j", "controller": true },
    ]);
    pod["spec"] = json!({ "nodeName": "n" });
    pod["status"] = json!({ "phase": "Pending", "containerStatuses": [{ "restartCount": 0, "image": "i:1",
        "state": { "waiting": { "reason": "CreateContainerConfigError", "message": "secret \"minio\" not found" } } }] });
    let plan = planned("{ backup: { s3: { bucket: abc, credentialsSecret: { name: minio } } } }");
    let told = problems::live_problems(&plan, &world(&[pod]), &seconds_in(0));
    let [only] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(
        (only.reason.as_str(), only.message.as_str()),
        ("CreateContainerConfigError", "secret \"minio\" not found")
    );
    assert_eq!(only.object, "Pod logpilot/logpilot-backup-1-abcde");
    assert_eq!(only.severity, crate::api::status::Severity::Warning, "servers run without a backup");
}

/// Nothing references a Secret, and the pods run under the ServiceAccount to which the role is granted.
#[test]
fn pods_with_an_identity_need_no_secret() {
    let plan = planned(
        "{ serviceAccount: { annotations: { eks.amazonaws.com/role-arn: r } }, backup: { s3: { bucket: abc, credentials: \
         WorkloadIdentity } }, restore: { requestId: a, from: logpilot-20260102T030405.678Z.db } }",
    );
    let cron =
        &object(&plan, "CronJob", "logpilot-backup").body["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let job = plan.objects.iter().find(|planned| planned.kind.kind == "Job").expect("the restore's");
    for pod in [cron, &job.body["spec"]["template"]["spec"]] {
        assert!(pod["containers"][0].get("env").is_none(), "{pod}");
        assert_eq!(pod["serviceAccountName"], "logpilot");
    }
    let account = &object(&plan, "ServiceAccount", "logpilot").body;
    assert_eq!(account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"], "r");
    for s3 in ["bucket: abc", "bucket: abc, credentials: WorkloadIdentity, credentialsSecret: { name: a }"] {
        let found = violations(&format!("{{ backup: {{ s3: {{ {s3} }} }} }}"));
        assert_eq!(found[0].path, "spec.backup.s3.credentialsSecret", "{found:?}");
    }
}
