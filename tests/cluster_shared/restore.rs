//! A backup replaces the data: what stops, when the Job is created, what is restored, and never
//! twice. Pods are simulated; the test writes the termination message of a Job's pod as the kubelet
//! would.

use super::*;

const FROM: &str = "logpilot-20260102T030001.000Z.db";

fn spec(case: &Case, restore: Option<&str>) -> Value {
    let mut spec = json!({
        "image": IMAGE,
        "components": {
            "all": { "replicas": 2 },
            "rest": { "autoscaling": { "minReplicas": 2, "maxReplicas": 10 } },
        },
        "backup": {},
        "patches": [with_image(case, "image-pull:1")],
    });
    if let Some(id) = restore {
        spec["restore"] = json!({ "requestId": id, "from": FROM });
    }
    spec
}

/// The simulated kubelet reads the pod's behaviour from its image.
fn with_image(case: &Case, image: &str) -> Value {
    json!({
        "target": { "kind": "Job", "name": format!("{}-restore", case.name) }, "type": "Strategic",
        "patch": { "spec": { "backoffLimit": 0, "template": { "spec": { "containers": [{ "name": "restore", "image": image }] } } } },
    })
}

async fn jobs(case: &Case) -> Vec<String> {
    case.children(kind("Job")).await.into_iter().filter_map(|job| job.metadata.name).collect()
}

/// Names of the pods of a component.
async fn pods(case: &Case, component: &str) -> Vec<String> {
    let of = |pod: &kube::api::DynamicObject| {
        let labels = pod.metadata.labels.as_ref()?;
        (labels.get("app.kubernetes.io/component")? == component).then(|| pod.metadata.name.clone())?
    };
    case.children(kind("Pod")).await.iter().filter_map(of).collect()
}

/// Waits for the one pod of the one Job, which the simulated kubelet leaves waiting, and completes
/// it with this termination message.
pub(super) async fn end_well(case: &Case, words: &Value) {
    let pod = wait_for("the restore's pod to have its node", SOON, async || {
        let names = pods(case, "restore").await;
        let [name] = names.as_slice() else { return Err(format!("{names:?}")) };
        let pod = case.child("Pod", name).await;
        let waits = pod.data["status"].pointer("/containerStatuses/0/state/waiting/reason");
        if waits == Some(&json!("ImagePullBackOff")) { Ok(name.clone()) } else { Err(kinds::show(&pod)) }
    })
    .await
    .unwrap();
    let ended = json!({ "exitCode": 0, "reason": "Completed", "message": words.to_string(),
        "startedAt": "2026-01-03T00:00:00Z", "finishedAt": "2026-01-03T00:00:05Z" });
    let status = json!({ "status": { "phase": "Succeeded", "containerStatuses": [{
        "name": "restore", "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": { "terminated": ended },
    }] } });
    kinds::api(&case.client, kind("Pod"), case.ns())
        .patch_status(&pod, &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
}

fn said() -> Value {
    json!({ "file": FROM, "takenAt": "2026-01-02T03:00:01Z", "rows": 12, "before": "logpilot.db.before-restore-x", "durationMillis": 5 })
}

async fn finalize(case: &Case, pod: &str, finalizers: Value) {
    let patch = json!({ "metadata": { "finalizers": finalizers } });
    kinds::edit(&case.client, kind("Pod"), case.ns(), pod, &patch).await;
}

#[tokio::test]
async fn a_restore_runs_once_after_all_pods_stop() {
    let case = case("back").await;
    case.apply(spec(&case, None)).await;
    case.ready().await;
    scale(&case, "back-rest", 3).await;
    case.until("5 pods", SOON, |status| status["pods"] == "5/5").await;
    // One pod terminates slowly.
    let slow = pods(&case, "rest").await.remove(0);
    finalize(&case, &slow, json!(["tests.logpilot.io/slow"])).await;
    case.apply(spec(&case, Some("first"))).await;
    let status = case
        .until("all but one pod to end", SOON, |status| {
            status["restore"]["message"] == format!("waits for Pod back/{slow} to terminate")
        })
        .await;
    assert_eq!(status["restore"]["phase"], "Stopping");
    assert_eq!(condition(&status, "Ready"), ("False".into(), "Restoring".into()));
    assert_eq!(condition(&status, "Reconciling"), ("True".into(), "Restoring".into()));
    assert_eq!(
        (status["summary"].as_str(), condition(&status, "Stalled").0.as_str()),
        (Some("Restoring"), "")
    );
    assert_eq!(jobs(&case).await, [""; 0], "a pod still has the database open");
    assert_eq!(case.child("CronJob", "back-backup").await.data["spec"]["suspend"], true);
    finalize(&case, &slow, json!(null)).await;
    let status = case.until("its Job", SOON, |status| status["restore"]["phase"] == "Restoring").await;
    assert_eq!(status["pods"], "0/0");
    end_well(&case, &said()).await;
    let status = case
        .until("Ready with 5 pods", SOON, |status| {
            condition(status, "Ready").0 == "True"
                && status["pods"] == "5/5"
                && status["restore"]["rows"] == 12
        })
        .await;
    let told = &status["restore"];
    assert_eq!(
        (told["phase"].as_str(), told["replaced"].as_str()),
        (Some("Succeeded"), Some("logpilot.db.before-restore-x"))
    );
    assert_eq!(
        (told["takenAt"].as_str(), told["completionTime"].is_string()),
        (Some("2026-01-02T03:00:01Z"), true)
    );
    let [job] = jobs(&case).await.try_into().expect("its log can be read");
    assert_eq!(case.child("CronJob", "back-backup").await.data["spec"]["suspend"], false);
    let claim = case.child("PersistentVolumeClaim", "back-data").await;
    assert_eq!(claim.metadata.annotations.unwrap()["logpilot.io/restores"], "first=Succeeded");
    // The restore is complete: a revert is the only write.
    let since = case.world.marker().await;
    let service = uid(&case.child("Service", "back-all").await);
    kinds::delete(&case.client, kind("Service"), case.ns(), "back-all").await;
    case.child_until("Service", "back-all", "made again", REPAIR, |seen| uid(seen) != service).await;
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        let wrote: Vec<_> = writes(&requests).into_iter().map(|it| it.resource.as_str()).collect();
        assert_eq!(wrote, ["services"], "{requests:#?}");
    }
    // Git still contains the request when the resource is recreated.
    let since = case.world.marker().await;
    case.delete().await;
    case.gone("Job", &job, Duration::from_secs(90)).await;
    case.gone("Deployment", "back-all", Duration::from_secs(90)).await;
    case.apply(spec(&case, Some("first"))).await;
    let status = case.ready().await;
    assert_eq!(status["restore"]["phase"], "Succeeded");
    assert!(status["restore"]["message"].as_str().unwrap().contains("was carried out before on this PVC"));
    assert_eq!(jobs(&case).await, [""; 0]);
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        assert!(writes(&requests).iter().all(|it| it.resource != "jobs"), "{requests:#?}");
    }
    let claim = case.child("PersistentVolumeClaim", "back-data").await;
    assert_eq!(claim.metadata.annotations.unwrap()["logpilot.io/restores"], "first=Succeeded");
}

/// Servers wait for the restore, so a problem must be reported; correcting the spec must be enough
/// to resolve it.
#[tokio::test]
async fn an_unschedulable_restore_is_reported_and_cancellable() {
    let case = case("astray").await;
    let mut before = spec(&case, None);
    before["components"] = json!({ "all": { "replicas": 1 } });
    case.apply(before.clone()).await;
    case.ready().await;
    let stuck = async |id: &str| {
        let mut asked = before.clone();
        asked["restore"] = json!({ "requestId": id, "from": FROM });
        let right = asked.clone();
        asked["components"]["all"]["nodeSelector"] = json!({ "no": "node" });
        case.apply(asked).await;
        let status = case.reason("Ready", "False", "Unschedulable").await;
        assert_eq!(status["restore"]["phase"], "Restoring", "{status:#}");
        right
    };
    let right = stuck("first").await;
    let [job] = jobs(&case).await.try_into().expect("one Job");
    let old = uid(&case.child("Job", &job).await);
    case.apply(right).await;
    case.child_until("Job", &job, "made again", SOON, |seen| uid(seen) != old).await;
    end_well(&case, &said()).await;
    assert_eq!(case.ready().await["restore"]["phase"], "Succeeded");

    stuck("second").await;
    case.apply(before.clone()).await;
    case.ready().await;
    let claim = case.child("PersistentVolumeClaim", "astray-data").await;
    assert_eq!(claim.metadata.annotations.unwrap()["logpilot.io/restores"], "first=Succeeded");
    assert_eq!(jobs(&case).await, [""; 0]);
}

#[tokio::test]
async fn a_failed_restore_is_reported_and_servers_restart() {
    let case = case("sound").await;
    let mut asked = spec(&case, Some("bad"));
    asked["components"] = json!({ "all": { "replicas": 2 } });
    let mut before = asked.clone();
    before.as_object_mut().unwrap().remove("restore");
    case.apply(before).await;
    case.ready().await;
    let claim = uid(&case.child("PersistentVolumeClaim", "sound-data").await);
    asked["patches"] = json!([with_image(&case, "job-fail:1")]);
    case.apply(asked.clone()).await;
    let status = case
        .until("the failure, with its pods back", SOON, |status| {
            status["restore"]["phase"] == "Failed"
                && status["pods"] == "2/2"
                && condition(status, "Ready").0 == "True"
        })
        .await;
    assert!(status["restore"]["message"].as_str().unwrap().contains("disk full"), "{status:#}");
    let told =
        status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "RestoreFailed").unwrap();
    assert!(told["action"].as_str().unwrap().contains("spec.restore.requestId"), "{told:#}");
    let now = case.child("PersistentVolumeClaim", "sound-data").await;
    assert_eq!(
        (uid(&now), now.metadata.annotations.unwrap()["logpilot.io/restores"].as_str()),
        (claim, "bad=Failed")
    );
    let [failed] = jobs(&case).await.try_into().expect("its log can be read");
    // Corrected, under another name; the API server requires that the two differ.
    asked["restore"]["from"] = json!("logpilot-20260101T030001.000Z.db");
    let refused = case.try_apply(asked.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("spec.restore.requestId"), "{refused}");
    asked["restore"]["requestId"] = json!("good");
    asked["patches"] = json!([with_image(&case, "image-pull:1")]);
    case.apply(asked).await;
    case.until("its Job", SOON, |status| status["restore"]["phase"] == "Restoring").await;
    case.gone("Job", &failed, SOON).await;
    wait_for("the failed pod to be deleted", SOON, async || match pods(&case, "restore").await.len() {
        1 => Ok(()),
        other => Err(other.to_string()),
    })
    .await
    .unwrap();
    end_well(&case, &said()).await;
    let status = case
        .until("Ready", SOON, |status| {
            status["restore"]["phase"] == "Succeeded"
                && status["pods"] == "2/2"
                && condition(status, "Ready").0 == "True"
        })
        .await;
    assert!(!problems(&status).contains("RestoreFailed"), "{status:#}");
}

#[tokio::test]
async fn a_restore_precedes_the_first_server_start() {
    let case = case("reborn").await;
    let mut asked = spec(&case, Some("disaster"));
    asked["components"] = json!({ "all": { "replicas": 1 } });
    asked["backup"] = json!({ "volume": { "existingClaim": "saved" } });
    case.apply(asked).await;
    let status = case.until("its Job", SOON, |status| status["restore"]["phase"] == "Restoring").await;
    assert_eq!(condition(&status, "Ready"), ("False".into(), "Restoring".into()));
    assert_eq!(case.child("Deployment", "reborn-all").await.data["spec"]["replicas"], 0);
    assert_eq!(
        case.child("Deployment", "reborn-all").await.metadata.generation,
        Some(1),
        "never more than 0"
    );
    let saved = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "saved", "namespace": case.ns() },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    cluster::apply(&case.client, &saved).await;
    let mut words = said();
    words.as_object_mut().unwrap().remove("before");
    end_well(&case, &words).await;
    let status = case.ready().await;
    assert_eq!(status["restore"]["phase"], "Succeeded");
    assert!(
        status["restore"]["message"].as_str().unwrap().contains("no database existed before"),
        "{status:#}"
    );
}
