//! Pods that share a volume are drained off their node: the real scheduler rejects the new pods
//! while the old ones still exist, and would retry after 5 minutes. The suite is exclusive, because
//! a new or uncordoned node would trigger the scheduler too.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{EvictParams, PostParams},
};
use local_cluster::{audit::Marker, nodes};
use logpilot_operator::{
    engine::{api_client::ApiClient, lease::Leadership, plan::Key},
    kinds::Managed,
    reasons,
};

use super::*;

const HOLD: &str = "tests.logpilot.io/still-ending";
const REFUSED: &str = "didn't match pod affinity rules";

fn pods(case: &Case) -> Api<Pod> {
    Api::namespaced(case.client.clone(), case.ns())
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Creates nodes that no other pods select or tolerate.
async fn own_nodes(case: &Case, count: usize) -> Vec<String> {
    let taints = json!([{ "key": "dedicated", "value": case.name, "effect": "NoSchedule" }]);
    let mut names = Vec::new();
    for number in 1..=count {
        names.push(case.node(&format!("{}-{number}", case.name), &taints).await.name_any());
    }
    names
}

/// Four pods of three components on one volume, all on the case's own nodes.
fn four(case: &Case, paused: bool) -> Value {
    let there = |replicas: i32| {
        json!({
            "replicas": replicas, "nodeSelector": { "only-for": case.name },
            "tolerations": [{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }],
        })
    };
    json!({
        "image": IMAGE, "components": { "all": there(2), "rest": there(1), "grpc": there(1) },
        "operation": { "paused": paused },
    })
}

/// Waits for this many pods, each of which satisfies a predicate.
async fn until(case: &Case, what: &str, count: usize, predicate: impl Fn(&Pod) -> bool) -> Vec<Pod> {
    wait_for(format!("{}: {count} pods {what}", case.name), SOON, async || {
        let found = pods(case).list(&ListParams::default()).await.unwrap().items;
        let good = found.len() == count && found.iter().all(&predicate);
        if good { Ok(found) } else { Err(serde_json::to_string_pretty(&found).unwrap()) }
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"))
}

fn is_refused(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let words = |text: &String| text.contains(REFUSED);
    conditions.into_iter().any(|it| it.type_ == "PodScheduled" && it.message.as_ref().is_some_and(words))
}

/// Returns the node of all pods, whose number must be correct.
async fn one_node(case: &Case, count: usize) -> String {
    let all = until(case, "with a node", count, |pod| {
        pod.metadata.deletion_timestamp.is_none() && node_of(pod).is_some()
    })
    .await;
    let nodes: BTreeSet<_> = all.iter().filter_map(node_of).collect();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    nodes.first().unwrap().to_string()
}

/// Drains a node like `kubectl drain`: cordons it and evicts its pods, which terminate slowly.
/// Returns those pods when the new ones wait.
async fn drain(case: &Case, from: &str, refused: impl Fn(&Pod) -> bool) -> Vec<String> {
    nodes::cordon(&case.client, from).await.unwrap();
    let old = pods(case).list(&ListParams::default()).await.unwrap().items;
    for pod in &old {
        let held = json!({ "metadata": { "finalizers": [HOLD] } });
        kinds::edit(&case.client, kind("Pod"), case.ns(), &pod.name_any(), &held).await;
        pods(case).evict(&pod.name_any(), &EvictParams::default()).await.unwrap();
    }
    until(case, "old and new, the new ones refused", 2 * old.len(), |pod| {
        pod.metadata.deletion_timestamp.is_some() || refused(pod)
    })
    .await;
    old.iter().map(ResourceExt::name_any).collect()
}

async fn end(case: &Case, pod: &str) {
    let free = json!({ "metadata": { "finalizers": null } });
    kinds::edit(&case.client, kind("Pod"), case.ns(), pod, &free).await;
    case.gone("Pod", pod, SOON).await;
}

/// Returns the operator's successful evictions. One may be late if the pod was written in the meantime.
async fn evictions(case: &Case, since: Option<&Marker>) -> usize {
    let asked = case.requests(since).await;
    let asked: Vec<_> = asked.iter().filter(|it| it.subresource == "eviction").collect();
    assert!(asked.iter().all(|it| [201, 409].contains(&it.code)), "{asked:#?}");
    asked.iter().filter(|it| it.code == 201).count()
}

/// Makes the operator reconcile the resource once more.
async fn look(case: &Case, spec: &Value, why: &str) {
    let mut spec = spec.clone();
    spec["commonAnnotations"] = json!({ "why": why });
    case.apply(spec).await;
    case.until(why, SOON, |_| true).await;
}

#[tokio::test]
async fn one_eviction_moves_all_pods_on_a_drain() {
    let (_alone, world) = alone().await;
    let _operator = world.start_operator(planner()).await;
    let case = Case::new(world, "follow").await;
    let nodes = own_nodes(&case, 2).await;
    case.apply(four(&case, false)).await;
    case.ready().await;
    let from = one_node(&case, 4).await;
    let to = nodes.iter().find(|&name| *name != from).unwrap().clone();

    let since = world.marker().await;
    let mut old = drain(&case, &from, is_refused).await;
    let last = old.pop().unwrap();
    for pod in &old {
        end(&case, pod).await;
    }
    look(&case, &four(&case, false), "one is left").await;
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 0, "while {last} still ends");
    }
    let began = Instant::now();
    end(&case, &last).await;
    case.ready().await;
    assert_eq!(one_node(&case, 4).await, to);
    println!(
        "4 pods of one volume ready elsewhere {:.1} s after the last one ended",
        began.elapsed().as_secs_f64()
    );
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 1);
    }
    let events: Api<Event> = Api::namespaced(case.client.clone(), "default");
    let field = format!("regarding.name={},reason={}", case.name, reasons::STUCK_POD_EVICTED);
    let told = events.list(&ListParams::default().fields(&field)).await.unwrap().items;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].note.as_ref().unwrap().contains("Pod follow/follow-"), "{told:#?}");

    // Uncordoned again, while the operator may not write.
    let paused = four(&case, true);
    nodes::uncordon(&case.client, &from).await.unwrap();
    case.apply(paused.clone()).await;
    case.reason("Applied", "False", reasons::PAUSED).await;
    let since = world.marker().await;
    for pod in drain(&case, &to, is_refused).await {
        end(&case, &pod).await;
    }
    look(&case, &paused, "all have ended").await;
    until(&case, "that wait", 4, is_refused).await;
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 0, "while paused");
    }
    case.apply(four(&case, false)).await;
    case.ready().await;
    assert_eq!(one_node(&case, 4).await, from);
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 1);
    }
    case.delete().await;
    remove(&case, &nodes).await;
}

#[tokio::test]
async fn pods_that_fit_no_node_are_not_evicted() {
    let (_alone, world) = alone().await;
    let _operator = world.start_operator(planner()).await;
    let case = Case::new(world, "stuck").await;
    let nodes = own_nodes(&case, 1).await;
    case.apply(four(&case, false)).await;
    case.ready().await;
    let only = one_node(&case, 4).await;
    let since = world.marker().await;
    let is_unschedulable = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|it| it.reason.as_deref() == Some("Unschedulable"))
    };
    let old = drain(&case, &only, is_unschedulable).await;
    for pod in old {
        end(&case, &pod).await;
    }
    look(&case, &four(&case, false), "all have ended").await;
    let waiting = until(&case, "that wait", 4, is_unschedulable).await;
    nodes::uncordon(&case.client, &only).await.unwrap();
    case.ready().await;
    let names = |all: &[Pod]| all.iter().map(ResourceExt::name_any).collect::<BTreeSet<_>>();
    assert_eq!(names(&until(&case, "placed", 4, |pod| node_of(pod).is_some()).await), names(&waiting));
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 0);
    }
    case.delete().await;
    remove(&case, &nodes).await;
}

/// The scheduler sees a pod that the operator does not: its message never becomes outdated.
#[tokio::test]
async fn pods_rejected_again_are_not_evicted_again() {
    let (_alone, world) = alone().await;
    let _operator = world.start_operator(planner()).await;
    let case = Case::new(world, "held").await;
    let nodes = own_nodes(&case, 2).await;
    case.apply(four(&case, false)).await;
    case.ready().await;
    let from = one_node(&case, 4).await;
    let theirs = json!({
        "metadata": { "name": "theirs", "labels": { "logpilot.io/data": "held-data" } },
        "spec": { "nodeName": from, "containers": [{ "name": "c", "image": IMAGE }],
            "tolerations": [{ "operator": "Exists" }],
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } } },
    });
    let mut theirs: Pod = serde_json::from_value(theirs).unwrap();
    theirs.spec.as_mut().unwrap().containers[0].security_context = serde_json::from_value(json!({
        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
    }))
    .unwrap();
    let since = world.marker().await;
    let old = drain(&case, &from, is_refused).await;
    pods(&case).create(&PostParams::default(), &theirs).await.unwrap();
    for pod in old {
        end(&case, &pod).await;
    }
    let is_theirs = |pod: &Pod| pod.name_any() == "theirs";
    for turn in ["first", "second", "third"] {
        look(&case, &four(&case, false), turn).await;
        until(&case, "theirs and four that wait", 5, |pod| is_theirs(pod) || is_refused(pod)).await;
    }
    if since.is_some() {
        assert_eq!(evictions(&case, since.as_ref()).await, 1);
    }
    case.delete().await;
    pods(&case).delete("theirs", &DeleteParams::default()).await.unwrap();
    remove(&case, &nodes).await;
}

#[tokio::test]
async fn a_late_eviction_evicts_no_pod() {
    let (_alone, world) = alone().await;
    let _operator = world.start_operator(planner()).await;
    let case = Case::new(world, "late").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let pod = until(&case, "that runs", 1, |pod| node_of(pod).is_some()).await.remove(0);
    let key = Key { namespace: Some(case.ns().to_owned()), name: pod.name_any() };
    let writer = ApiClient::new(case.client.clone(), Leadership::default());
    let version: u64 = pod.resource_version().unwrap().parse().unwrap();
    let evict =
        async |uid: &str, version| writer.evict(Pod::KIND, &key, uid, version).await.unwrap_err().code();
    let uid = pod.uid().unwrap();
    assert_eq!(evict(&uid, version - 1).await, Some(409), "it was written since");
    assert_eq!(evict("another", version).await, Some(409), "another one has its name");
    let after = pods(&case).get(&key.name).await.unwrap();
    assert!(after.metadata.deletion_timestamp.is_none(), "{after:#?}");
    writer.evict(Pod::KIND, &key, &uid, after.resource_version().unwrap().parse().unwrap()).await.unwrap();
    case.gone("Pod", &key.name, SOON).await;
    let gone = writer.evict(Pod::KIND, &key, &uid, version).await.unwrap_err();
    assert_eq!(gone.code(), Some(404), "{gone}");
}

/// The garbage collector pauses after a CRD was created or deleted, as in other tests of this binary.
async fn remove(case: &Case, nodes: &[String]) {
    let api = pods(case);
    wait_for(format!("the pods of {} to be deleted", case.name), Duration::from_secs(150), async || {
        let left = api.list(&ListParams::default()).await.unwrap().items.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await
    .unwrap();
    for name in nodes {
        case.delete_node(name).await;
    }
}
