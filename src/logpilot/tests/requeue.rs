//! Which pods are evicted so that a scheduler considers them again.

use std::sync::Arc;

use super::*;
use crate::{
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    logpilot::labels,
    workload::unschedulable_eviction::StuckPodEvictor,
};

const NEAR: &str =
    "0/2 nodes are available: 1 node(s) didn't match pod affinity rules, 1 node(s) were unschedulable.";

/// A pod without a node that the scheduler rejected with this message.
fn refused(name: &str, words: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "logpilot", "uid": name, "resourceVersion": "7",
            "labels": { labels::DATA: "logpilot-data" },
            "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true },
            ],
        },
        "spec": {},
        "status": { "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words },
        ] },
    })
}

/// Returns the pod with another value at a pointer.
fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    pod.pointer_mut(parent).expect("a place")[field.replace("~1", "/")] = value;
    pod
}

fn placed(name: &str) -> Value {
    with(refused(name, ""), "/spec/nodeName", json!("node-1"))
}

fn world(pods: &[Value]) -> Snapshot {
    let kind = k8s_openapi::api::core::v1::Pod::KIND;
    let children = pods.iter().map(|pod| {
        let child = Child::read(kind, pod).expect("a pod");
        ((kind.plural, child.key.clone()), Arc::new(child))
    });
    Snapshot { children: children.collect(), ..Snapshot::default() }
}

const SHARED: &str = "{ components: { all: { replicas: 2 }, rest: {}, grpc: {} } }";

/// Returns PVC and pod of each eviction that is due.
fn due(requeue: &mut StuckPodEvictor, spec: &str, pods: &[Value]) -> Vec<String> {
    let snapshot = world(pods);
    let due = requeue.due(cluster(spec).co_scheduled_claims(), &snapshot);
    due.into_iter().map(|(claim, child)| format!("{claim}: {}", child.key.name)).collect()
}

fn at_first_sight(spec: &str, pods: &[Value]) -> Vec<String> {
    due(&mut StuckPodEvictor::default(), spec, pods)
}

#[test]
fn one_affinity_blocked_pod_is_evicted() {
    let waiting = [refused("all-2", NEAR), refused("grpc-2", NEAR), refused("rest-2", NEAR)];
    assert_eq!(at_first_sight(SHARED, &waiting), ["logpilot-data: all-2"]);

    let beside = |pod: Value| [&waiting[..], &[pod]].concat();
    let going = with(placed("all-1"), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let backup = with(placed("backup-1"), "/metadata/labels/batch.kubernetes.io~1job-name", json!("backup"));
    for (why, pod) in
        [("one still runs", placed("all-1")), ("one is on its way out", going), ("a backup runs", backup)]
    {
        assert!(at_first_sight(SHARED, &beside(pod)).is_empty(), "{why}");
    }
    for (why, pod) in [
        ("one has ended", with(placed("all-1"), "/status/phase", json!("Failed"))),
        ("another volume's runs", with(placed("x"), "/metadata/labels/logpilot.io~1data", json!("other"))),
    ] {
        assert_eq!(at_first_sight(SHARED, &beside(pod)).len(), 1, "{why}");
    }
}

#[test]
fn a_pod_not_helped_by_eviction_stays() {
    let full = "0/2 nodes are available: 2 Insufficient cpu.";
    let gated = with(refused("p", NEAR), "/status/conditions/0/reason", json!("SchedulingGated"));
    for (why, pod) in [
        ("no node has room for it", refused("p", full)),
        ("the scheduler has not refused it", with(refused("p", NEAR), "/status/conditions", json!([]))),
        ("it is kept from the scheduler", gated),
        (
            "it is being deleted",
            with(refused("p", NEAR), "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ),
        ("no controller would recreate it", with(refused("p", NEAR), "/metadata/ownerReferences", json!([]))),
        ("a Job counts its pods", with(refused("p", NEAR), "/metadata/ownerReferences/0/kind", json!("Job"))),
        (
            "it is of no volume",
            with(refused("p", NEAR), "/metadata/labels/logpilot.io~1data", json!("other")),
        ),
    ] {
        assert!(at_first_sight(SHARED, &[pod]).is_empty(), "{why}");
    }
    let anywhere = "{ components: { all: { replicas: 2 } }, storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] } }";
    assert!(at_first_sight(anywhere, &[refused("p", NEAR)]).is_empty(), "its pods share no node");
}

#[test]
fn each_volume_gets_one_eviction_until_scheduling() {
    let mut requeue = StuckPodEvictor::default();
    let waiting = |name: &str| [refused(name, NEAR)];
    assert_eq!(due(&mut requeue, SHARED, &waiting("all-2")), ["logpilot-data: all-2"]);
    assert_eq!(due(&mut requeue, SHARED, &waiting("all-2")).len(), 1, "it was not carried out");
    requeue.done("logpilot-data");
    assert!(due(&mut requeue, SHARED, &waiting("all-3")).is_empty(), "the next pod is refused too");
    assert!(due(&mut requeue, SHARED, &[]).is_empty());
    assert!(due(&mut requeue, SHARED, &waiting("all-4")).is_empty());
    assert!(due(&mut requeue, SHARED, &[placed("all-5")]).is_empty());
    assert_eq!(due(&mut requeue, SHARED, &waiting("all-6")), ["logpilot-data: all-6"], "the next drain");
}

#[test]
fn evictions_are_counted_per_volume() {
    let own = "{ components: { all: {}, rest: {} }, storage: { sharing: PerComponent } }";
    let of = |name: &str, claim: &str| {
        with(refused(name, NEAR), "/metadata/labels/logpilot.io~1data", json!(claim))
    };
    let pods = [of("all-2", "logpilot-all-data"), of("rest-2", "logpilot-rest-data")];
    assert_eq!(at_first_sight(own, &pods), ["logpilot-all-data: all-2", "logpilot-rest-data: rest-2"]);
}
