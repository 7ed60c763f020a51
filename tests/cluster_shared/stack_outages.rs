//! Outages in a `ServiceStack`: the status names the cause, and dependents in crash backoff start again
//! when it returns.

use k8s_openapi::{
    api::{core::v1::Pod, events::v1::Event},
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, api::ListParams};

use super::{
    cluster::stack::{Stack, row, two},
    *,
};

/// The conditions of a pod that is ready, or not, since a moment.
fn conditions(ready: bool, since: Timestamp) -> Value {
    let status = if ready { "True" } else { "False" };
    json!([
        { "type": "Ready", "status": status, "lastTransitionTime": since },
        { "type": "ContainersReady", "status": status, "lastTransitionTime": since },
    ])
}

/// A pod that waits in crash backoff since a moment.
fn in_backoff(name: &str, since: Timestamp) -> Value {
    json!({ "conditions": conditions(false, since), "containerStatuses": [{
        "name": name, "image": "example/app:1", "imageID": "", "ready": false, "started": false, "restartCount": 3,
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container" } },
        "lastState": { "terminated": {
            "exitCode": 1, "reason": "Error", "message": "connection refused", "startedAt": since, "finishedAt": since,
        } },
    }] })
}

/// The only pod of a component.
async fn pod_of(stack: &Stack, component: &str) -> Option<Pod> {
    let mut found = stack.pods_of(component).await;
    found.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    (found.len() == 1).then(|| found.remove(0))
}

async fn set_status(stack: &Stack, component: &str, status: Value) -> Pod {
    let pod = pod_of(stack, component).await.unwrap();
    stack.report_of_pod(pod.metadata.name.as_ref().unwrap(), &status).await;
    pod
}

/// Messages of the events about a stack with this reason.
async fn told(stack: &Stack, reason: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let all = events.list(&ListParams::default()).await.unwrap().items.into_iter();
    let ours = all.filter(|it| {
        it.reason.as_deref() == Some(reason)
            && it.regarding.as_ref().is_some_and(|of| of.kind.as_deref() == Some("ServiceStack"))
    });
    ours.filter_map(|it| it.note).collect()
}

fn of_component<'a>(status: &'a Value, component: &str) -> Vec<&'a Value> {
    let all = status["problems"].as_array().into_iter().flatten();
    all.filter(|it| it["component"] == component).collect()
}

#[tokio::test]
async fn dependents_of_a_returned_database_start_immediately() {
    let stack = Stack::new("stack-wake", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    let now = Timestamp::now();
    let before = |seconds: i64| now - SignedDuration::from_secs(seconds);

    // The database is down, and its dependent crashes: one cause, one problem.
    set_status(&stack, "db", json!({ "conditions": conditions(false, before(100)) })).await;
    let crashed = set_status(&stack, "app", in_backoff("app", before(60))).await;
    let status = stack
        .until("db is the cause", SOON, |status| {
            of_component(status, "db").iter().any(|it| it["affects"] == json!(["app"]))
                && row(status, "app")["ready"] == "0/1"
        })
        .await;
    assert_eq!(of_component(&status, "app"), [] as [&Value; 0], "{status:#}");
    assert_eq!(of_component(&status, "db")[0]["reason"], "NotReady");
    assert!(message(&status, "Ready").contains("StatefulSet stack-wake/db: "), "{status:#}");

    // It returns: the dependent does not wait for the rest of its backoff.
    let marker = stack.world.marker().await;
    set_status(&stack, "db", json!({ "conditions": conditions(true, before(10)) })).await;
    wait_for("another pod of app", SOON, async || {
        let pod = pod_of(&stack, "app").await.filter(|pod| pod.metadata.uid != crashed.metadata.uid);
        pod.map(drop).ok_or("the same pod".to_owned())
    })
    .await
    .unwrap();
    stack.ready().await;
    let notes = told(&stack, "BackoffPodEvicted").await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("in crash backoff since before db became available"), "{notes:?}");
    if marker.is_some() {
        let writes = stack.writes_since(marker.as_ref()).await;
        let evictions = writes.iter().filter(|it| it.subresource == "eviction").count();
        assert_eq!(evictions, 1, "{writes:#?}");
    }

    // It crashes while the database is ready: its own problem, and its own pace.
    let crashed = set_status(&stack, "app", in_backoff("app", before(5))).await;
    let status = stack
        .until("app crashes", SOON, |status| {
            of_component(status, "app").iter().any(|it| it["reason"] == "CrashLoopBackOff")
        })
        .await;
    let problem = of_component(&status, "app")[0];
    assert!(problem["message"].as_str().unwrap().contains("connection refused"), "{problem}");
    assert_eq!(pod_of(&stack, "app").await.unwrap().metadata.uid, crashed.metadata.uid);
}

#[tokio::test]
async fn a_stateful_set_recovers_from_a_reverted_image() {
    let stack = Stack::new("stack-revert", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    stack.apply(&two("example/image-pull:1", "example/app:1")).await;
    let status = stack
        .until("the image does not exist", SOON, |status| {
            of_component(status, "db").iter().any(|it| it["reason"] == "ImagePullBackOff")
        })
        .await;
    assert_eq!(of_component(&status, "db")[0]["affects"], json!(["app"]), "{status:#}");

    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
}
