//! The operator goes away in the middle of its work, and nobody but it is restarted for that.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Case, OPERATOR, OPERATOR_NAMESPACE, ROLLOUT, World, quick, spec, world};

const REPLICAS: u64 = 3;

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_leader_that_is_killed_in_the_middle_of_a_rollout_is_followed_by_the_other() {
    let kill = |world: &World| {
        let leader = world.leader();
        world.kubectl.must(&format!("delete pod {leader} -n {OPERATOR_NAMESPACE} --force --grace-period=0"));
    };
    rollout_goes_on("killed", kill).await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_leader_that_is_evicted_in_the_middle_of_a_rollout_is_followed_by_the_other() {
    let evict = |world: &World| {
        let leader = world.leader();
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{leader}/eviction");
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": leader, "namespace": OPERATOR_NAMESPACE },
        });
        let said = world.kubectl.pipe(&format!("create --raw {path} -f -"), &eviction.to_string());
        said.unwrap();
    };
    rollout_goes_on("evicted", evict).await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_operator_is_upgraded_in_the_middle_of_a_rollout() {
    let world = world().await;
    let Some(nodes) = world.nodes("an upgrade of the operator") else { return };
    let image = world.operator_image();
    let next = format!("{}:upgraded", image.split(':').next().unwrap());
    let full = |name: &str| format!("docker.io/library/{name}");
    nodes.tag(&full(&image), &full(&next));
    let manifest =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../install.yaml")).unwrap();
    let upgrade = |world: &World| {
        let manifest = manifest.replace(&image, &next);
        world.kubectl.pipe("apply --server-side -f -", &manifest).unwrap();
    };
    rollout_goes_on("upgraded", upgrade).await;
    world.operator_is_ready().await;
    assert_eq!(world.operator_image(), next);
    world.install().await;
    assert_eq!(world.operator_image(), image);
}

/// Two resources: one rolls, the other has nothing to do. The operator is disturbed while the first is half done.
async fn rollout_goes_on(how: &str, disturb: impl FnOnce(&World)) {
    let world = world().await;
    let rolling = Case::new(world, &format!("{how}-rolling"), &with(REPLICAS));
    let bystander = Case::new(world, &format!("{how}-bystander"), &with(1));
    rolling.ready().await;
    bystander.ready().await;
    let before = rolling.uids("all");
    let untouched = bystander.uids("all");
    let old_leader = world.leader();

    rolling.patch(&json!({ "spec": { "config": { "logLevels": { "root": "WARN" } } } }));
    let deployment = format!("deployment/{}-all -n {}", rolling.name, rolling.namespace);
    let half = |seen: &Value| {
        let new = seen["status"]["updatedReplicas"].as_u64();
        new.is_some_and(|new| (1..REPLICAS).contains(&new))
            && seen["metadata"]["generation"] == seen["status"]["observedGeneration"]
    };
    world.kubectl.until(&deployment, "is half rolled out", ROLLOUT, half).await;
    let began = Instant::now();
    disturb(world);
    let lease = format!("lease/{OPERATOR} -n {OPERATOR_NAMESPACE}");
    let other = |seen: &Value| {
        let holder = seen["spec"]["holderIdentity"].as_str().unwrap_or_default();
        !holder.is_empty() && !holder.starts_with(&old_leader)
    };
    world.kubectl.until(&lease, "has another holder", ROLLOUT, other).await;
    let handover = began.elapsed();
    rolling.ready().await;
    let took = began.elapsed();

    let after = rolling.uids("all");
    assert_eq!(after.len() as u64, REPLICAS);
    assert!(after.is_disjoint(&before), "every pod was replaced: {before:?} {after:?}");
    assert_eq!(created(&rolling), 2 * REPLICAS, "pods that were ever made");
    assert_eq!(rolling.restarts("all"), 0);
    let seen = world.kubectl.get(&deployment).unwrap();
    assert_eq!(seen["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2", "one change");
    assert_eq!(bystander.uids("all"), untouched, "who has nothing to do is left alone");
    assert_eq!(bystander.restarts("all"), 0);
    world.operator_is_ready().await;
    let memory = memory(world);
    println!(
        "FIGURE operator {how} in the middle of a rollout: handover {:.1} s, rollout complete after {:.1} s, no pod restarted; memory of the operator's pods: {memory}",
        handover.as_secs_f64(),
        took.as_secs_f64(),
    );
    rolling.remove().await;
    bystander.remove().await;
}

fn with(replicas: u64) -> Value {
    spec(&json!({ "all": quick(&json!({ "replicas": replicas })) }))
}

/// Pods that ReplicaSets made in the namespace of a resource so far.
fn created(case: &Case) -> u64 {
    let events = format!("events -n {} --field-selector=reason=SuccessfulCreate", case.namespace);
    let events = case.world.kubectl.get(&events).unwrap();
    let of_sets =
        events["items"].as_array().unwrap().iter().filter(|it| it["involvedObject"]["kind"] == "ReplicaSet");
    of_sets.map(|event| event["count"].as_u64().unwrap_or(1)).sum()
}

fn memory(world: &World) -> String {
    let Some(nodes) = world.nodes("the memory of the operator's pods") else { return "unknown".to_owned() };
    let pods = world.operator_pods();
    let each: Vec<_> = pods.iter().map(|pod| format!("{} KiB", nodes.memory(pod) / 1024)).collect();
    each.join(" and ")
}
