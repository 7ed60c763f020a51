//! The meaning of live autoscalers and pods for a stack.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod},
    jiff::Timestamp,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    engine::{cache::Snapshot, child::Child, deadlines::DeadlineTracker, kind::Kind},
    kinds::Managed,
    stack::{model::Stack, resolve::resolve, scalers, warnings},
    workload::{
        foreign_autoscalers::{ForeignScaler, Found},
        names::claim_label,
        unschedulable_eviction::StuckPodEvictor,
    },
};

fn stack(operation: &Value) -> Stack {
    let volumes = json!({ "data": { "path": "/d", "size": "1Gi" } });
    let cr = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "shop", "namespace": "n", "uid": "u" },
        "spec": { "operation": operation, "components": {
            "web": { "image": "a:1", "replicas": 3 },
            "store": { "image": "a:1", "replicas": 2, "volumes": volumes },
            "jvm": { "image": "a:1", "autoscaling": { "minReplicas": 2, "maxReplicas": 5, "targetMemoryUtilizationPercentage": 80 },
                     "resources": { "requests": { "memory": "1Gi" } } },
        } },
    }))
    .unwrap();
    resolve(&cr).unwrap()
}

fn snapshot(kind: &'static Kind, objects: &[Value]) -> Snapshot {
    let children = objects.iter().map(|object| {
        let child = Child::read(kind, object).unwrap();
        ((kind.plural, child.key.clone()), child.into())
    });
    Snapshot { children: children.collect(), ..Snapshot::default() }
}

/// Minutes since it scaled last, usage in percent.
#[rstest]
#[case::long_at_the_target(31, 80, true)]
#[case::not_for_long(29, 80, false)]
#[case::it_scales_down(31, 60, false)]
fn memory_at_the_maximum_is_a_warning(#[case] minutes: i64, #[case] usage: i64, #[case] warned: bool) {
    let now = 1_800_000_000;
    let metric = |field: &str, percent: i64| json!([{ "type": "Resource", "resource": { "name": "memory", field: { "averageUtilization": percent } } }]);
    let live = json!({
        "metadata": { "name": "jvm", "namespace": "n", "uid": "h" },
        "spec": { "minReplicas": 2, "maxReplicas": 5, "metrics": metric("target", 80) },
        "status": {
            "currentReplicas": 5, "currentMetrics": metric("current", usage),
            "lastScaleTime": Timestamp::from_second(now - minutes * 60).unwrap().to_string(),
        },
    });
    let snapshot = snapshot(HorizontalPodAutoscaler::KIND, &[live]);
    let clock = DeadlineTracker::at(Timestamp::from_second(now).unwrap());
    let found = warnings::at_maximum(&stack(&json!({})), &snapshot, &clock);
    let reasons: Vec<_> = found.iter().map(|it| it.problem.reason.as_str()).collect();
    assert_eq!(reasons, if warned { vec!["AutoscalerAtMaximum"] } else { vec![] });
    if warned {
        assert_eq!(found[0].component.as_deref(), Some("jvm"));
        assert!(found[0].problem.message.contains("5 pods") && found[0].problem.message.contains("memory"));
    } else if usage == 80 {
        assert_eq!(clock.next().unwrap().as_secs(), 60, "it is looked at again");
    }
}

/// A Deployment whose number of pods another client wrote.
fn scaled(name: &str, replicas: i64) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": name,
            "ownerReferences": [{
                "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack", "name": "shop", "uid": "u", "controller": true,
            }],
            "managedFields": [{
                "manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
                "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:replicas": {} } },
            }],
        },
        "spec": { "replicas": replicas },
    })
}

#[rstest]
#[case::it_decides(2, true, false, json!({}), true)]
#[case::no_autoscaler(2, false, false, json!({}), false)]
#[case::zero_pods(0, true, false, json!({}), false)]
#[case::scaled_to_zero(0, true, true, json!({}), true)]
#[case::a_stopped_stack(2, true, false, json!({ "stopped": true }), false)]
fn another_autoscaler_decides(
    #[case] pods: i64,
    #[case] exists: bool,
    #[case] scales_to_zero: bool,
    #[case] operation: Value,
    #[case] decides: bool,
) {
    let stack = stack(&operation);
    let snapshot = snapshot(Deployment::KIND, &[scaled("web", pods), scaled("jvm", pods)]);
    let query = scalers::query(&stack, &snapshot);
    assert_eq!(query.scaled, if stack.stopped { vec![] } else { vec!["web".to_owned()] });
    let scaler = ForeignScaler { name: "theirs".into(), most: 9, scales_to_zero };
    let found: Found = exists.then(|| ("web".to_owned(), scaler)).into_iter().collect();
    let left = scalers::decided_by_others(&stack, &snapshot, &found);
    assert_eq!(left, if decides { BTreeSet::from(["web".to_owned()]) } else { BTreeSet::new() });
}

#[test]
fn one_pod_of_a_volume_is_evicted_after_a_drain() {
    let stack = stack(&json!({}));
    let pod = |name: &str, claim: &str, node: Option<&str>| {
        json!({
            "metadata": {
                "name": name, "namespace": "n", "uid": name, "labels": { "logpilot.io/data": claim_label(claim) },
                "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true },
                ],
            },
            "spec": { "nodeName": node },
            "status": { "phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/2 nodes are available: 1 node(s) didn't match pod affinity rules, 1 node(s) were unschedulable.",
            }] },
        })
    };
    let mut evictor = StuckPodEvictor::default();
    let mut due = |pods: &[Value]| {
        let snapshot = snapshot(Pod::KIND, pods);
        let due = evictor.due(stack.co_scheduled_claims(), &snapshot);
        due.into_iter().map(|(_, child)| child.key.name.clone()).collect::<Vec<_>>()
    };
    let refused = [pod("a", "store-data", None), pod("b", "store-data", None), pod("c", "other", None)];
    assert_eq!(due(&refused), ["a"]);
    let terminating = [pod("a", "store-data", None), pod("b", "store-data", Some("node-1"))];
    assert_eq!(due(&terminating), [""; 0], "the volume is still on a node");
}
