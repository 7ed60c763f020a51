//! The operator is interrupted during its work, and only the operator itself is restarted.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Case, LEASE, OPERATOR_NAMESPACE, ROLLOUT, World, alone, quick, spec};

const REPLICAS: u64 = 3;

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_force_deleted_leader_is_replaced_during_rollout() {
    let world = alone().await;
    let delete = |leader: &str| {
        world.kubectl.must(&format!("delete pod {leader} -n {OPERATOR_NAMESPACE} --force --grace-period=0"));
        by_other_than(leader)
    };
    rollout_goes_on(&world, "deleted", delete).await;
}

/// No process is notified: the Lease names a process that no longer exists, and a pod that is ready.
#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_killed_leader_process_is_replaced_during_rollout() {
    let world = alone().await;
    let Some(nodes) = world.nodes("a killed process") else { return };
    let kill = |_: &str| {
        nodes.kill(&world.leader(), "SIGKILL");
        let last = world.lease()["renewTime"].clone();
        move |lease: &Value| lease["renewTime"] != last
    };
    rollout_goes_on(&world, "killed", kill).await;
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    assert_eq!(world.operator_pods().iter().filter_map(restarts).sum::<u64>(), 1, "one process was killed");
}

/// A kubelet that terminates it because of its probe sends the same signal.
#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_operator_reports_its_termination_reason() {
    let world = alone().await;
    let Some(nodes) = world.nodes("a process that gets SIGTERM") else { return };
    world.operator_is_ready().await;
    let one = world.operator_pods().remove(0);
    nodes.kill(&one, "SIGTERM");
    let name = one["metadata"]["name"].as_str().unwrap();
    let pod = format!("pod/{name} -n {OPERATOR_NAMESPACE}");
    let message = |pod: &Value| {
        let ended = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"];
        ended.as_str().unwrap_or_default().to_owned()
    };
    let told = |pod: &Value| message(pod).contains("received SIGTERM or SIGINT; ran for ");
    world.kubectl.until(&pod, "reports why it ended", ROLLOUT, told).await;
    let message = message(&world.kubectl.get(&pod).unwrap());
    println!("FIGURE the operator's termination message: {message}");
    // A pod that is seconds old may not have been probed yet.
    assert!(message.contains("; /livez was ") && message.contains("timers were up to "), "{message}");
    // Its restart count is deleted with it.
    world.kubectl.must(&format!("delete {pod}"));
    world.operator_is_ready().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn an_evicted_leader_is_replaced_during_rollout() {
    let world = alone().await;
    let evict = |leader: &str| {
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{leader}/eviction");
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "name": leader, "namespace": OPERATOR_NAMESPACE },
        });
        let said = world.kubectl.pipe(&format!("create --raw {path} -f -"), &eviction.to_string());
        said.unwrap();
        by_other_than(leader)
    };
    rollout_goes_on(&world, "evicted", evict).await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_operator_is_upgraded_during_a_rollout() {
    let world = alone().await;
    let Some(nodes) = world.nodes("an upgrade of the operator") else { return };
    let image = world.operator_image();
    let next = format!("{}:upgraded", image.split(':').next().unwrap());
    let full = |name: &str| format!("docker.io/library/{name}");
    nodes.tag(&full(&image), &full(&next));
    let manifest =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../install.yaml")).unwrap();
    let upgrade = |leader: &str| {
        world.kubectl.pipe("apply --server-side -f -", &manifest.replace(&image, &next)).unwrap();
        by_other_than(leader)
    };
    rollout_goes_on(&world, "upgraded", upgrade).await;
    assert_eq!(world.operator_image(), next);
    world.install().await;
    assert_eq!(world.operator_image(), image);
}

/// Returns whether another pod holds the Lease.
fn by_other_than(leader: &str) -> impl Fn(&Value) -> bool + use<> {
    let leader = leader.to_owned();
    move |lease| lease["holderIdentity"].as_str().is_some_and(|holder| !holder.is_empty() && holder != leader)
}

/// Two resources: one rolls, the other is idle. The leader is disturbed while the first is half
/// done; the disturbance returns how to tell from the Lease that there is a leader again.
async fn rollout_goes_on<L: Fn(&Value) -> bool>(world: &World, how: &str, disturb: impl FnOnce(&str) -> L) {
    let rolling = Case::new(world, &format!("{how}-rolling"), &with(REPLICAS));
    let bystander = Case::new(world, &format!("{how}-bystander"), &with(1));
    rolling.ready().await;
    bystander.ready().await;
    let before = rolling.uids("all");
    let untouched = bystander.uids("all");
    let leader = world.leader();

    rolling.patch(&json!({ "spec": { "config": { "logLevels": { "root": "WARN" } } } }));
    let deployment = format!("deployment/{}-all -n {}", rolling.name, rolling.namespace);
    let half = |seen: &Value| {
        let new = seen["status"]["updatedReplicas"].as_u64();
        new.is_some_and(|new| (1..REPLICAS).contains(&new))
            && seen["metadata"]["generation"] == seen["status"]["observedGeneration"]
    };
    world.kubectl.until(&deployment, "is half rolled out", ROLLOUT, half).await;
    let began = Instant::now();
    let led_again = disturb(leader["metadata"]["name"].as_str().unwrap());
    world.kubectl.until(LEASE, "is led again", ROLLOUT, |lease| led_again(&lease["spec"])).await;
    let handover = began.elapsed();
    rolling.ready().await;
    let took = began.elapsed();

    let after = rolling.uids("all");
    assert_eq!(after.len() as u64, REPLICAS);
    assert!(after.is_disjoint(&before), "every pod was replaced: {before:?} {after:?}");
    assert_eq!(created(&rolling), 2 * REPLICAS, "pods created in total");
    assert_eq!(rolling.restarts("all"), 0);
    let seen = world.kubectl.get(&deployment).unwrap();
    assert_eq!(seen["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2", "one change");
    assert_eq!(bystander.uids("all"), untouched, "an idle resource is left alone");
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

/// The number of pods that ReplicaSets have created in the namespace of a resource.
fn created(case: &Case<'_>) -> u64 {
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
