//! From a request to its end: what is stopped, when the Job is created, what is remembered.

use super::{
    backups::{at, job, pod, seconds_in, world},
    *,
};
use crate::{
    api::{
        LogPilotClusterStatus,
        status::{ComponentStatus, RestorePhase, RestoreStatus, Severity},
    },
    engine::{
        cache::{Snapshot, SyncState},
        plan::{Key, Replicas},
    },
    kinds::KINDS,
    logpilot::{
        facts::{Contents, OperatorImage, Place, RestoreJob, SharedPlace},
        problems,
        replicas::remembered,
        restore::{self, State, World},
    },
    workload::names::short_hash,
};
use RestorePhase::{Failed, Pending, Restoring, Stopping, Succeeded};

const FROM: &str = "logpilot-20260102T030001.000Z.db";
const UID: &str = "11111111-2222-3333-4444-555555555555";
const NOW: &str = "2026-01-03T00:00:00Z";
const SAID: &str = r#"{"file":"logpilot-20260102T030001.000Z.db","takenAt":"2026-01-02T03:00:01Z","rows":12,"before":"logpilot.db.before-restore-x","durationMillis":5}"#;

fn asking(id: &str) -> String {
    format!(
        "{{ components: {{ all: {{}}, rest: {{}} }}, backup: {{}}, restore: {{ requestId: {id}, from: {FROM} }} }}"
    )
}

/// A resource's observed objects and the status that was written last.
struct Scene {
    spec: String,
    status: Option<RestoreStatus>,
    objects: Vec<Value>,
    image: bool,
    shared: Vec<SharedPlace>,
}

impl Scene {
    fn new(spec: &str, objects: Vec<Value>) -> Self {
        Self { spec: spec.to_owned(), status: None, objects, image: true, shared: Vec::new() }
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = world(&self.objects);
        snapshot.coverage = KINDS.iter().map(|kind| (*kind, SyncState::Synced)).collect();
        snapshot
    }

    /// Computes the next state without writing it.
    fn look(&self) -> State {
        self.look_at(&self.snapshot())
    }

    fn look_at(&self, snapshot: &Snapshot) -> State {
        let (cluster, before, image) = (cluster(&self.spec), self.status.as_ref(), self.image);
        restore::advance(World {
            cluster: &cluster,
            image,
            before,
            snapshot,
            shared: &self.shared,
            now: at(NOW),
        })
    }

    /// Computes the next state and writes it.
    fn step(&mut self) -> State {
        let state = self.look();
        self.status.clone_from(&state.status);
        state
    }

    fn phase(&mut self) -> Option<RestorePhase> {
        self.step().status.map(|status| status.phase)
    }

    fn replace(&mut self, kind: &str, objects: impl IntoIterator<Item = Value>) {
        self.objects.retain(|object| object["kind"] != kind);
        self.objects.extend(objects);
    }

    /// Returns the objects planned for a state.
    fn planned(&self, state: &State) -> Plan {
        let cluster = state.stop(cluster(&self.spec));
        let facts = Facts {
            restore: state.job.clone().map_or(RestoreJob::None, RestoreJob::Planned),
            restores: state.records.clone(),
            ..Facts::default()
        };
        plan(&cluster, &facts)
    }
}

fn name(id: &str) -> String {
    format!("logpilot-restore-{}", short_hash(id.as_bytes()))
}

fn deployment(name: &str, wanted: i64, left: i64) -> Value {
    json!({ "kind": "Deployment", "metadata": { "name": name, "generation": 2 },
        "spec": { "replicas": wanted }, "status": { "observedGeneration": 2, "replicas": left } })
}

fn server(name: &str, component: &str, phase: &str) -> Value {
    json!({ "kind": "Pod", "metadata": { "name": name, "deletionTimestamp": NOW,
        "labels": { "app.kubernetes.io/component": component } }, "status": { "phase": phase } })
}

/// A restore Job of the operator; `end` is a condition.
fn restoring(id: &str, end: Option<&str>) -> Value {
    let mut made = end.map_or_else(
        || json!({ "kind": "Job", "metadata": {} }),
        |condition| job("", condition, "2026-01-03T00:05:00Z"),
    );
    made["metadata"] = json!({ "name": name(id), "ownerReferences": [
        { "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "name": "logpilot", "uid": UID, "controller": true },
    ] });
    made
}

fn restorer(id: &str, phase: &str, exit: i32, said: &str) -> Value {
    let mut made = pod(&name(id), exit, said);
    made["metadata"]["labels"]["app.kubernetes.io/component"] = json!("restore");
    made["status"]["phase"] = json!(phase);
    made
}

fn claim(record: &str) -> Value {
    json!({ "kind": "PersistentVolumeClaim",
        "metadata": { "name": "logpilot-data", "annotations": { "logpilot.io/restores": record } } })
}

fn stopped() -> Vec<Value> {
    vec![deployment("logpilot-all", 0, 0), deployment("logpilot-rest", 0, 0)]
}

fn message(state: &State) -> &str {
    state.status.as_ref().map_or("", |status| &status.message)
}

#[test]
fn data_of_an_older_resource_is_never_replaced() {
    let mut scene = Scene::new(&asking("a"), Vec::new());
    let place = Place::Claim(Key { namespace: Some("logpilot".into()), name: "logpilot-data".into() });
    let (contents, theirs, by) = (Contents::Data, Contents::Data, "old".to_owned());
    scene.shared = vec![SharedPlace { place, contents, named: false, by, theirs, older: true }];
    let state = scene.step();
    let status = state.status.clone().unwrap();
    assert_eq!((status.phase, state.job, state.stopped.len()), (Pending, None, 0));
    assert!(status.message.contains("holds the data of LogPilotCluster 'old'"), "{}", status.message);
    scene.shared[0].older = false;
    assert_eq!(scene.phase(), Some(Stopping));
}

#[test]
fn servers_stop_for_the_job_and_restart() {
    let mut scene =
        Scene::new(&asking("a"), vec![deployment("logpilot-all", 2, 2), deployment("logpilot-rest", 3, 3)]);
    let first = scene.step();
    assert_eq!((first.status.as_ref().unwrap().phase, first.job.is_none()), (Stopping, true));
    let plan = scene.planned(&first);
    for name in ["logpilot-all", "logpilot-rest"] {
        assert_eq!(object(&plan, "Deployment", name).body["spec"]["replicas"], 0);
    }
    assert_eq!(object(&plan, "CronJob", "logpilot-backup").body["spec"]["suspend"], true);
    assert!(names(&plan, "Job").is_empty() && names(&plan, "PodDisruptionBudget").is_empty());
    // Servers were scaled down but still run; then one pod and one backup pod are left; then only a
    // pod that has ended.
    scene.objects = stopped();
    scene.objects[0]["status"]["observedGeneration"] = json!(1);
    assert!(message(&scene.step()).contains("Deployment logpilot/logpilot-all"));
    scene.objects = stopped();
    scene.objects.push(server("last", "rest", "Running"));
    let mut copying = job("logpilot-backup-1", "x", NOW);
    copying["status"] = json!({});
    scene.objects.push(copying);
    let waits = scene.step();
    assert_eq!(message(&waits), "waits for Pod logpilot/last, Job logpilot/logpilot-backup-1 to terminate");
    scene.objects = stopped();
    scene.objects.push(server("evicted", "rest", "Failed"));
    let runs = scene.step();
    assert_eq!(runs.status.as_ref().unwrap().phase, Restoring);
    assert_eq!(names(&scene.planned(&runs), "Job"), [name("a")]);
    assert_eq!(object(&scene.planned(&runs), "Deployment", "logpilot-all").body["spec"]["replicas"], 0);
    scene.objects.extend([restoring("a", None), restorer("a", "Running", 0, "")]);
    assert_eq!(scene.step(), runs, "nothing new, nothing to write");
    scene.replace("Job", [restoring("a", Some("Complete"))]);
    assert_eq!(scene.phase(), Some(Restoring), "its pod still runs");
    scene.replace("Pod", [restorer("a", "Succeeded", 0, SAID)]);
    let ended = scene.step();
    let status = ended.status.clone().unwrap();
    assert_eq!(
        (status.phase, status.rows, status.replaced.as_deref()),
        (Succeeded, Some(12), Some("logpilot.db.before-restore-x"))
    );
    assert_eq!(status.taken_at.map(|time| time.0), Some(at("2026-01-02T03:00:01Z")));
    assert_eq!(status.start_time.map(|time| time.0), Some(at(NOW)));
    assert_eq!(status.completion_time.map(|time| time.0), Some(at("2026-01-03T00:05:00Z")));
    assert!(ended.stopped.is_empty() && ended.problems.is_empty());
    let plan = scene.planned(&ended);
    assert_eq!(object(&plan, "Deployment", "logpilot-rest").body["spec"]["replicas"], 3);
    assert_eq!(object(&plan, "CronJob", "logpilot-backup").body["spec"]["suspend"], false);
    let annotations =
        &object(&plan, "PersistentVolumeClaim", "logpilot-data").body["metadata"]["annotations"];
    assert_eq!(annotations["logpilot.io/restores"], "a=Succeeded");
    assert_eq!(names(&plan, "Job"), [name("a")], "its log can be read");
    // Pod and Job are deleted; nothing is recreated. Then the request is removed; its result is
    // still reported.
    scene.replace("Pod", []);
    assert_eq!(scene.step().status, ended.status);
    scene.replace("Job", []);
    let later = scene.step();
    assert_eq!((later.status, later.job), (ended.status.clone(), None));
    scene.spec = "{ backup: {} }".into();
    scene.objects.push(restoring("a", Some("Complete")));
    let gone = scene.step();
    assert_eq!((gone.status, gone.job), (ended.status, None));
}

/// A pod that found no node changed nothing, so nothing has to finish.
#[test]
fn a_pending_restore_is_cancelled_with_its_request() {
    for (node, goes_on) in [(json!("n"), true), (Value::Null, false)] {
        let mut scene = Scene::new(&asking("a"), stopped());
        scene.step();
        let mut waiting = restorer("a", "Pending", 0, "");
        waiting["spec"]["nodeName"] = node;
        scene.objects.extend([restoring("a", None), waiting]);
        assert_eq!(scene.phase(), Some(Restoring));
        scene.spec = "{ components: { all: {}, rest: {} }, backup: {} }".into();
        let state = scene.step();
        assert_eq!(state.job.is_some(), goes_on);
        assert_eq!(
            state.stopped.len(),
            1,
            "while its pod exists, servers wait: it may be assigned a node at any moment"
        );
        // A Job whose pods are not visible may have started.
        scene.replace("Pod", []);
        scene.status =
            Scene { status: None, ..Scene::new(&asking("a"), scene.objects.clone()) }.step().status;
        assert!(scene.look().job.is_some());
        scene.replace("Job", []);
        let over = scene.step();
        assert_eq!((over.job, over.stopped.len(), over.records.len()), (None, 0, 0));
    }
}

#[test]
fn an_unschedulable_restore_pod_is_an_error() {
    let mut waiting = restorer("a", "Pending", 0, "");
    waiting["spec"] = json!({});
    waiting["status"] = json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" },
    ] });
    waiting["metadata"]["ownerReferences"] = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": name("a"), "uid": "j", "controller": true }]);
    let told = problems::live_problems(&planned(&asking("a")), &world(&[waiting]), &seconds_in(60));
    let told: Vec<_> = told.iter().map(|it| (it.reason.as_str(), it.severity)).collect();
    assert_eq!(told, [("Unschedulable", Severity::Error)]);
}

/// After a restart, the status is the record that a Job may exist.
#[test]
fn the_status_records_a_job_before_creation() {
    let mut scene = Scene::new(&asking("a"), Vec::new());
    let lost = scene.look();
    assert_eq!(
        (lost.status.as_ref().unwrap().phase, lost.job.is_none(), lost.look_again),
        (Stopping, true, true)
    );
    assert_eq!(scene.look(), lost, "the write of the status was lost: again");
    scene.step();
    let next = scene.step();
    assert_eq!((next.status.unwrap().phase, next.job.is_some(), next.look_again), (Restoring, true, false));
}

#[test]
fn a_restarted_operator_resumes_the_restore() {
    // The operator resumes from the last written status and from what happened since.
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.step();
    for end in [None, Some("Complete"), Some("Failed")] {
        let mut later = Scene::new(&asking("a"), stopped());
        later.status.clone_from(&scene.status);
        later.objects.push(restoring("a", end));
        let (phase, job) = (later.look().status.unwrap().phase, later.look().job);
        let wanted = match end {
            None => Restoring,
            Some("Complete") => Succeeded,
            Some(_) => Failed,
        };
        assert_eq!((phase, job.is_some()), (wanted, true));
    }
    // The PVC was written, the status was not, and the Job no longer exists.
    scene.objects.push(claim("a=Succeeded"));
    let state = scene.step();
    assert_eq!((state.status.unwrap().phase, state.job, state.stopped.len()), (Succeeded, None, 0));
}

#[test]
fn a_request_recorded_on_the_pvc_never_repeats() {
    for (record, phase) in [("a=Succeeded", Succeeded), ("z=Failed,a=Failed", Failed)] {
        let mut scene = Scene::new(&asking("a"), vec![deployment("logpilot-all", 2, 2), claim(record)]);
        let state = scene.step();
        assert_eq!(
            (state.status.as_ref().unwrap().phase, state.job.as_ref(), state.stopped.len()),
            (phase, None, 0)
        );
        assert!(message(&state).contains("was carried out before on this PVC"));
        assert_eq!(state.records["logpilot-data"], record);
        assert_eq!(scene.step(), state);
    }
    // Git returns to an older request.
    let mut scene = Scene::new(&asking("b"), stopped());
    scene.objects.push(claim("a=Succeeded"));
    scene.step();
    scene.objects.extend([restoring("b", Some("Complete"))]);
    let done = scene.step();
    assert_eq!(done.records["logpilot-data"], "a=Succeeded,b=Succeeded");
    scene.replace("PersistentVolumeClaim", [claim("a=Succeeded,b=Succeeded")]);
    scene.spec = asking("a");
    let back = scene.step();
    assert_eq!((back.status.unwrap().phase, back.stopped.len(), back.job), (Succeeded, 0, None));
}

#[test]
fn a_pvc_keeps_16_records_skipping_invalid_ones() {
    let full: Vec<String> = (0..16).map(|number| format!("r{number}=Succeeded")).collect();
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.objects.extend([
        claim(&format!("x,=Failed,-y=Failed,q=Maybe,{}", full.join(","))),
        restoring("a", Some("Complete")),
    ]);
    scene.status = Scene::new(&asking("a"), stopped()).look().status;
    let record = scene.step().records["logpilot-data"].clone();
    assert_eq!(record, format!("{},a=Succeeded", full[1..].join(",")));
}

#[test]
fn restores_run_one_by_one_without_server_starts() {
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.step();
    scene.objects.push(restoring("a", None));
    scene.step();
    scene.spec = asking("b");
    let state = scene.step();
    let status = state.status.clone().unwrap();
    assert_eq!((status.request_id.as_str(), status.phase), ("a", Restoring));
    assert_eq!(names(&scene.planned(&state), "Job"), [name("a")]);
    scene.replace("Job", [restoring("a", Some("Complete"))]);
    let ended = scene.step();
    assert_eq!(ended.status.as_ref().unwrap().phase, Succeeded);
    assert_eq!((ended.stopped.len(), ended.look_again, ended.job.is_none()), (1, true, true));
    // The PVC was not written in the meantime; the status still has the record.
    let next = scene.step();
    assert_eq!(
        (next.status.as_ref().unwrap().request_id.as_str(), next.records["logpilot-data"].as_str()),
        ("b", "a=Succeeded")
    );
    assert_eq!(next.status.unwrap().phase, Stopping);
    scene.replace("Job", []);
    assert_eq!(scene.step().job.map(|job| job.request_id), Some("b".to_owned()));
}

#[test]
fn a_request_is_cancellable_until_its_job_exists() {
    let mut scene = Scene::new(&asking("a"), vec![deployment("logpilot-all", 2, 2)]);
    scene.step();
    scene.spec = "{ backup: {} }".into();
    let back = scene.look();
    assert_eq!((back.status, back.stopped.len()), (None, 0));
    scene.objects.extend([restoring("a", None), restorer("a", "Running", 0, "")]);
    let state = scene.step();
    assert_eq!((state.status.unwrap().phase, state.stopped.len()), (Restoring, 1));
    // A Job deleted by hand is abandoned; servers wait until its pod no longer exists.
    scene.replace("Job", []);
    let state = scene.step();
    assert_eq!((state.stopped.len(), state.job), (1, None));
    scene.replace("Pod", []);
    let state = scene.step();
    assert_eq!((state.status, state.stopped.len()), (None, 0));
}

#[test]
fn a_failure_is_reported_once_and_servers_restart() {
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.step();
    let words = "/backups/x differs from what was backed up: its SHA-256 differs; nothing was changed";
    scene.objects.extend([restoring("a", Some("Failed")), restorer("a", "Failed", 1, words)]);
    let state = scene.step();
    assert_eq!((state.status.as_ref().unwrap().phase, state.stopped.len()), (Failed, 0));
    assert_eq!(state.problems[0].reason, "RestoreFailed");
    assert!(state.problems[0].message.contains("SHA-256"), "{:?}", state.problems);
    assert_eq!(state.records["logpilot-data"], "a=Failed");
    scene.replace("Job", []);
    scene.replace("Pod", []);
    let later = scene.step();
    assert_eq!((later.status, later.problems.len(), later.job), (state.status, 1, None));
    scene.spec = asking("b");
    assert_eq!(scene.phase(), Some(Stopping));
    scene.spec = "{ backup: {} }".into();
    assert!(scene.step().problems.is_empty());
}

#[test]
fn a_late_termination_message_is_reported() {
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.step();
    scene.objects.push(restoring("a", Some("Complete")));
    assert_eq!(scene.step().status.unwrap().rows, None);
    scene.objects.push(restorer("a", "Succeeded", 0, SAID));
    assert_eq!(scene.step().status.unwrap().rows, Some(12));
}

#[test]
fn obstacles_are_reported_and_nothing_is_stopped() {
    let running = vec![deployment("logpilot-all", 2, 2)];
    let nothing_done = |scene: &Scene, words: &str| {
        let state = scene.look();
        assert_eq!(
            (state.status.as_ref().unwrap().phase, state.stopped.len(), state.job.as_ref()),
            (Pending, 0, None)
        );
        assert!(message(&state).contains(words), "{}", message(&state));
        state
    };
    let mut scene = Scene::new(&asking("a"), running.clone());
    scene.image = false;
    let unknown = nothing_done(&scene, "does not know its own image");
    assert_eq!(unknown.problems[0].reason, "BackupImageUnknown");
    let paused = asking("a").replace("backup:", "operation: { paused: true }, backup:");
    nothing_done(&Scene::new(&paused, running.clone()), "spec.operation.paused is true");
    let scene = Scene::new(&asking("a"), running);
    let mut blind = scene.snapshot();
    blind.coverage.retain(|kind, _| kind.kind != "Pod");
    assert!(scene.look_at(&blind).stopped.is_empty());
}

#[test]
fn a_paused_restore_waits_and_reports_its_job() {
    let mut scene = Scene::new(&asking("a"), stopped());
    scene.step();
    let going = scene.spec.clone();
    scene.spec = going.replace("backup:", "operation: { paused: true }, backup:");
    let state = scene.step();
    assert_eq!((state.status.as_ref().unwrap().phase, state.job.as_ref()), (Stopping, None));
    assert!(state.progress().is_some_and(|told| told.contains("paused")), "not Ready meanwhile");
    scene.objects.push(restoring("a", Some("Complete")));
    assert_eq!(scene.phase(), Some(Succeeded));
}

#[test]
fn a_stopped_cluster_is_restored_and_stays_stopped() {
    let mut scene =
        Scene::new(&asking("a").replace("backup:", "operation: { stopped: true }, backup:"), stopped());
    scene.step();
    assert_eq!(scene.phase(), Some(Restoring));
    scene.objects.push(restoring("a", Some("Complete")));
    let state = scene.step();
    assert_eq!(state.status.as_ref().unwrap().phase, Succeeded);
    assert_eq!(object(&scene.planned(&state), "Deployment", "logpilot-all").body["spec"]["replicas"], 0);
}

#[test]
fn a_component_with_other_data_keeps_running() {
    let spec = format!(
        "{{ components: {{ all: {{ replicas: 1 }}, rest: {{ replicas: 1 }} }}, storage: {{ sharing: PerComponent }}, backup: {{}}, restore: {{ requestId: a, from: {FROM}, component: rest }} }}"
    );
    let mut scene =
        Scene::new(&spec, vec![deployment("logpilot-all", 1, 1), deployment("logpilot-rest", 0, 0)]);
    scene.objects.push(server("other", "all", "Running"));
    let mut copying = job("logpilot-all-backup-1", "x", NOW);
    copying["metadata"]["ownerReferences"][0]["name"] = json!("logpilot-all-backup");
    copying["status"] = json!({});
    scene.objects.push(copying);
    scene.step();
    let state = scene.step();
    assert_eq!(state.status.as_ref().unwrap().phase, Restoring);
    let plan = scene.planned(&state);
    let replicas = |name: &str| object(&plan, "Deployment", name).body["spec"]["replicas"].clone();
    assert_eq!((replicas("logpilot-all"), replicas("logpilot-rest")), (json!(1), json!(0)));
    let pod = object(&plan, "Job", &name("a")).body.pointer("/spec/template/spec").cloned().unwrap();
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "logpilot-rest-data");
    scene.objects.push(restoring("a", Some("Complete")));
    assert_eq!(
        scene.step().records.into_iter().collect::<Vec<_>>(),
        [("logpilot-rest-data".to_owned(), "a=Succeeded".to_owned())]
    );
}

#[test]
fn autoscaled_replicas_are_restored() {
    let spec = asking("a").replace("rest: {}", "rest: { autoscaling: { minReplicas: 2, maxReplicas: 6 } }");
    let mut scene =
        Scene::new(&spec, vec![deployment("logpilot-all", 2, 2), deployment("logpilot-rest", 5, 5)]);
    let seen = |scene: &Scene, state: &State, told: ComponentStatus| {
        let cluster = state.stop(cluster(&scene.spec));
        let status = LogPilotClusterStatus { components: vec![told], ..LogPilotClusterStatus::default() };
        let last = remembered(&cluster, &status, &scene.snapshot());
        let facts = Facts { last_replicas: last.last_replicas, ..Facts::default() };
        (
            last.before_stop.get("rest").copied(),
            object(&plan(&cluster, &facts), "Deployment", "logpilot-rest").replicas,
        )
    };
    let told = |desired, replicas_before_stop| ComponentStatus {
        name: "rest".into(),
        desired,
        replicas_before_stop,
        ..ComponentStatus::default()
    };
    let state = scene.step();
    assert_eq!(seen(&scene, &state, told(5, None)), (Some(5), Replicas::Planned));
    scene.objects = stopped();
    scene.objects.push(restoring("a", Some("Complete")));
    let state = scene.step();
    assert_eq!(seen(&scene, &state, told(0, Some(5))), (Some(5), Replicas::Autoscaled { initial: 5 }));
}

#[test]
fn the_restore_job_mirrors_the_backup_job() {
    let plan = planned(&asking("a"));
    let job = &object(&plan, "Job", &name("a")).body;
    let of = |body: &Value, at: &str| body.pointer(at).cloned().unwrap_or_default();
    let (pod, copying) = (
        of(job, "/spec/template/spec"),
        of(&object(&plan, "CronJob", "logpilot-backup").body, "/spec/jobTemplate/spec/template/spec"),
    );
    for same in ["affinity", "securityContext", "serviceAccountName", "volumes", "restartPolicy"] {
        assert_eq!(pod[same], copying[same], "{same}");
    }
    assert_eq!(
        pod["containers"][0]["args"],
        json!([
            "restore",
            "--database=/data/logpilot.db",
            format!("--from=/backups/{FROM}"),
            "--request-id=a"
        ])
    );
    assert_eq!(of(job, "/spec/podReplacementPolicy"), "Failed");
    let labels = of(job, "/spec/template/metadata/labels");
    assert_eq!(
        (labels["app.kubernetes.io/component"].as_str(), labels["logpilot.io/data"].as_str()),
        (Some("restore"), Some("logpilot-data"))
    );
    let unknown = Facts { operator_image: OperatorImage(None), ..Facts::default() };
    assert!(names(&super::plan(&cluster(&asking("a")), &unknown), "Job").is_empty());
}

/// The Job's hash is unknown when the patch is written, and most of the time no such Job exists.
#[test]
fn a_restore_job_patch_is_never_reported_unmatched() {
    let patch =
        "patches: [{ target: { kind: Job, name: logpilot-restore }, patch: { spec: { backoffLimit: 0 } } }]";
    let asked = asking("a").replace("backup:", &format!("{patch}, backup:"));
    assert_eq!(object(&planned(&asked), "Job", &name("a")).body["spec"]["backoffLimit"], 0);
    let quiet = cluster(&format!("{{ {patch}, backup: {{}} }}"));
    let plan = super::plan(&quiet, &Facts::default());
    assert!(crate::logpilot::patches::unmatched(&quiet, &plan).is_empty());
}
