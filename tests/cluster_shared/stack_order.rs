//! Starts, changes and outages of a `ServiceStack`, as the audit log shows them.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{
    cluster::stack::{START, Stack, row, two},
    *,
};

/// The reason why a component waits.
fn why(status: &Value, component: &str) -> String {
    row(status, component)["blockedBy"][0]["why"].as_str().unwrap_or_default().to_lowercase()
}

/// The status of a pod that its kubelet has started.
fn running(ready: bool) -> Value {
    let word = if ready { "True" } else { "False" };
    let now = Timestamp::now();
    let now = Timestamp::from_second(now.as_second()).unwrap().to_string();
    let condition = |type_: &str| json!({ "type": type_, "status": word, "lastTransitionTime": now });
    json!({
        "phase": "Running",
        "conditions": [condition("Ready"), condition("ContainersReady")],
        "containerStatuses": [{
            "name": "db", "image": "example/cannot-mount:1", "imageID": "x", "ready": ready, "restartCount": 0,
            "started": true, "state": { "waiting": null, "running": { "startedAt": now } },
        }],
    })
}

/// Scenario 1.
#[tokio::test]
async fn a_slow_database_is_waited_for_and_explained() {
    let stack = Stack::new("stack-slow", "shop").await;
    let case = case("stack-slow").await;
    let mut spec = two("example/cannot-mount:1", "example/app:1");
    spec["components"]["db"]["nodeSelector"] = json!({ "only-for": "stack-slow" });
    spec["components"]["db"]["progressDeadlineSeconds"] = json!(15);
    let since = stack.world.marker().await;
    stack.apply(&spec).await;
    stack.until("no node", SOON, |status| why(status, "app").contains("unschedulable")).await;
    case.node("stack-slow-1", &json!([])).await;
    stack.until("preparing", SOON, |status| why(status, "app").contains("volumes")).await;
    let sandbox = json!({ "type": "PodReadyToStartContainers", "status": "True" });
    stack.report_of_pod("db-0", &json!({ "conditions": [sandbox] })).await;
    stack.until("pulling", SOON, |status| why(status, "app").contains("pulling image")).await;
    stack.report_of_pod("db-0", &running(false)).await;
    stack.until("not ready", SOON, |status| why(status, "app") == "0 of 1 ready").await;
    let status =
        stack.until("stalled", START, |status| condition(status, "Stalled").1 == "DependencyFailed").await;
    assert!(message(&status, "Stalled").starts_with("db: 0 of 1 ready"), "{status:#}");
    assert_eq!(row(&status, "app")["phase"], "Waiting");
    let of_app = |it: &&local_cluster::audit::AuditEvent| it.resource == "deployments" && it.name == "app";
    let writes = stack.writes_since(since.as_ref()).await;
    assert_eq!(writes.iter().filter(of_app).count(), 0, "{writes:#?}");
    stack.report_of_pod("db-0", &running(true)).await;
    let status = stack.ready().await;
    assert_eq!(condition(&status, "Stalled").0, "", "{status:#}");
    case.delete_node("stack-slow-1").await;
}

/// Scenario 4.
#[tokio::test]
async fn drift_is_repaired_during_an_outage() {
    let stack = Stack::new("stack-out", "shop").await;
    let mut spec = two("example/db:1", "example/app:1");
    spec["components"]["app"]["replicas"] = json!(2);
    stack.apply(&spec).await;
    stack.ready().await;
    stack.outage("db-0").await;
    let is_down = |status: &Value| row(status, "db")["phase"] == "Degraded";
    stack.until("db is down", SOON, is_down).await;
    for (what, kind_) in [("deleted", "Service"), ("scaled", "Deployment"), ("deleted", "Deployment")] {
        let before = stack.object(kind_, "app").await.unwrap();
        let since = stack.world.marker().await;
        if what == "scaled" {
            let scale = json!({ "spec": { "replicas": 5 } });
            kinds::edit(&stack.client, kind(kind_), &stack.namespace, "app", &scale).await;
        } else {
            kinds::delete(&stack.client, kind(kind_), &stack.namespace, "app").await;
        }
        wait_for(format!("the {kind_} that was {what} to be repaired"), REPAIR, async || {
            let now = stack.object(kind_, "app").await.ok_or("it does not exist".to_owned())?;
            let repaired = meant(&now) == meant(&before) && (what == "scaled" || uid(&now) != uid(&before));
            repaired.then_some(()).ok_or(kinds::show(&now))
        })
        .await
        .unwrap();
        stack.until("app runs", SOON, |status| row(status, "app")["ready"] == "2/2" && is_down(status)).await;
        if since.is_some() {
            let writes = stack.object_writes_since(since.as_ref()).await;
            assert_eq!(writes.len(), 1, "{kind_} {what}: {writes:#?}");
        }
    }
}

/// Scenario 7.
#[tokio::test]
async fn a_cycle_changes_nothing_and_heals() {
    let stack = Stack::new("stack-cycle", "ring").await;
    let one = |on: &[&str]| json!({ "image": "example/x:1", "dependsOn": on });
    let spec = |a: &[&str]| json!({ "components": { "a": one(a), "b": one(&["a"]), "c": one(&["b"]) } });
    stack.apply(&spec(&[])).await;
    stack.ready().await;
    let since = stack.world.marker().await;
    stack.apply(&spec(&["c"])).await;
    let status =
        stack.until("the cycle is refused", SOON, |status| condition(status, "Accepted").0 == "False").await;
    assert_eq!(condition(&status, "Accepted").1, "InvalidSpec");
    assert!(message(&status, "Accepted").contains("a → c → b → a"), "{status:#}");
    assert_eq!(condition(&status, "Stalled").0, "True");
    assert_eq!(row(&status, "c")["phase"], "Ready", "what runs is reported as it was: {status:#}");
    stack.apply(&spec(&[])).await;
    stack.ready().await;
    let writes = stack.object_writes_since(since.as_ref()).await;
    assert!(writes.is_empty(), "{writes:#?}");
}

/// Scenario 8: the component is created before the status is written.
#[tokio::test]
async fn a_removed_edge_is_followed_in_one_reconcile() {
    let stack = Stack::new("stack-cut", "shop").await;
    let mut spec = two("example/never-ready:1", "example/app:1");
    stack.apply(&spec).await;
    stack.until("waiting for db", SOON, |status| row(status, "db")["ready"] == "0/1").await;
    let since = stack.world.marker().await;
    spec["components"]["app"].as_object_mut().unwrap().remove("dependsOn");
    let edited = Timestamp::now();
    stack.apply(&spec).await;
    stack.until("app is ready", SOON, |status| row(status, "app")["phase"] == "Ready").await;
    if since.is_some() {
        let writes = stack.object_writes_since(since.as_ref()).await;
        let made = writes.iter().find(|it| it.resource == "deployments").unwrap();
        let all = stack.writes_since(since.as_ref()).await;
        let accepted = all.iter().filter(|it| it.subresource == "status").map(|it| it.received.clone());
        let since_edit = |at: &String| at.parse::<Timestamp>().unwrap() > edited;
        let before: Vec<_> = accepted.filter(|at| since_edit(at) && *at < made.received).collect();
        // One reconcile may have been on its way when the spec was edited.
        assert!(before.len() <= 1, "created only after the status was written: {all:#?}");
    }
}

/// Scenario 10.
#[tokio::test]
async fn a_failed_migration_keeps_the_old_pods_serving() {
    let stack = Stack::new("stack-migrate", "shop").await;
    let spec = |migration: &str, app: &str| {
        let mut spec = two("example/db:1", app);
        let components = spec["components"].as_object_mut().unwrap();
        let job = json!({ "kind": "Job", "image": migration, "dependsOn": ["db"], "job": { "retries": 0 } });
        components.insert("migrate".to_owned(), job);
        components["app"]["dependsOn"] = json!(["db", "migrate"]);
        spec
    };
    let jobs = async || -> BTreeSet<String> {
        let all = kinds::api(&stack.client, kind("Job"), &stack.namespace).list(&Default::default()).await;
        all.unwrap().items.into_iter().filter_map(|it| it.metadata.name).collect()
    };
    stack.apply(&spec("example/migrate:1", "example/app:1")).await;
    stack.ready().await;
    let (first, pod) = (jobs().await, stack.pods_of("app").await[0].metadata.uid.clone());
    stack.apply(&spec("example/job-fail:2", "example/app:2")).await;
    let status = stack.until("failed", SOON, |status| problems(status).contains("JobFailed")).await;
    let told = status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "JobFailed").unwrap();
    assert!(told["message"].as_str().unwrap().contains("backup failed: disk full"), "{told:#}");
    assert_eq!(told["affects"], json!(["app"]));
    let status = stack.until("stalled", SOON, |status| condition(status, "Stalled").1 == "JobFailed").await;
    assert_eq!(row(&status, "app")["ready"], "1/1");
    assert_eq!(stack.image("app").await.unwrap(), "example/app:1");
    assert_eq!(stack.pods_of("app").await[0].metadata.uid, pod);
    let second = jobs().await;
    // A failed Job that is deleted runs again, as its advice says.
    let failed = second.difference(&first).next().unwrap();
    let before = uid(&stack.object("Job", failed).await.unwrap());
    kinds::delete(&stack.client, kind("Job"), &stack.namespace, failed).await;
    wait_for("the Job to run again", SOON, async || match stack.object("Job", failed).await {
        Some(now) if uid(&now) != before => Ok(()),
        other => Err(format!("{:?}", other.map(|it| uid(&it)))),
    })
    .await
    .unwrap();
    stack.until("failed again", SOON, |status| condition(status, "Stalled").1 == "JobFailed").await;
    stack.apply(&spec("example/migrate:3", "example/app:2")).await;
    let status = stack.ready().await;
    assert!(!problems(&status).contains("JobFailed"), "{status:#}");
    assert_eq!(stack.image("app").await.unwrap(), "example/app:2");
    let third = jobs().await;
    assert!(third.is_disjoint(&first) && third.is_disjoint(&second) && third.len() == 1, "{third:?}");
    assert!(!stack.world.log_of("stack-migrate").contains("immutable"));
}

/// Scenario 18.
#[tokio::test]
async fn an_existing_deployment_is_left_alone() {
    let stack = Stack::new("stack-taken", "shop").await;
    let labels = json!({ "made": "by-hand" });
    let theirs = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "db", "namespace": "stack-taken" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "example/c:1" }] } },
        },
    });
    cluster::apply(&stack.client, &theirs).await;
    let before = stack.object("Deployment", "db").await.unwrap();
    let spec = json!({ "components": {
        "db": { "image": "example/db:1", "ports": [{ "name": "db", "port": 5432 }] },
        "app": { "image": "example/app:1", "dependsOn": ["db"] },
        "other": { "image": "example/other:1" },
    } });
    stack.apply(&spec).await;
    let status = stack
        .until("a conflict", SOON, |status| {
            problems(status).contains("NameConflict")
                && row(status, "other")["phase"] == "Ready"
                && why(status, "app").contains("nameconflict")
        })
        .await;
    assert_eq!(condition(&status, "Ready"), ("False".to_owned(), "NameConflict".to_owned()));
    let told =
        status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "NameConflict").unwrap();
    assert_eq!((&told["object"], &told["component"]), (&json!("Deployment stack-taken/db"), &json!("db")));
    assert_eq!(told["affects"], json!(["app"]));
    assert_eq!(row(&status, "app")["phase"], "Waiting");
    assert!(stack.deployment("app").await.is_none());
    let now = stack.object("Deployment", "db").await.unwrap();
    assert_eq!((uid(&now), meant(&now)), (uid(&before), meant(&before)));
    // The way out.
    kinds::delete(&stack.client, kind("Deployment"), "stack-taken", "db").await;
    stack.ready().await;
}

/// Scenario 32.
#[tokio::test]
async fn an_external_dependency_is_not_checked() {
    let stack = Stack::new("stack-extern", "shop").await;
    let spec = json!({ "components": {
        "db": { "kind": "External", "external": { "host": "db.does-not-exist.invalid", "port": 5432 } },
        "app": { "image": "example/app:1", "dependsOn": ["db"], "env": { "URL": "db://$(db.address)/x" } },
    } });
    let since = stack.world.marker().await;
    stack.apply(&spec).await;
    let status = stack.ready().await;
    assert_eq!(status["ready"], "2/2");
    assert_eq!(row(&status, "db")["phase"], "NotChecked");
    let object = stack.object("Deployment", "app").await.unwrap().data.to_string();
    assert!(object.contains("db://db.does-not-exist.invalid:5432/x"), "{object}");
    let writes = stack.object_writes_since(since.as_ref()).await;
    let of_db: Vec<_> = writes.iter().filter(|it| it.name.starts_with("db")).collect();
    assert!(of_db.is_empty(), "{of_db:#?}");
}
