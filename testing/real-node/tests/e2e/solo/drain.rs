//! Nodes are drained: pods that share one volume move together, and report that before; other pods
//! move one by one.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    AS_LIBRARIES, Case, Kubectl, SOON, World, Writer, alone, assert_unharmed, problems, quick, spec,
};

/// Longer than any of the drains here take on a given cluster.
const SECONDS: u64 = 75;

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_drain_moves_two_pods_with_their_volume() {
    let world = alone().await;
    let Some(nodes) = two_nodes(&world) else { return };
    let case = Case::new(&world, "drained", &two_pods(&json!({})));
    let status = case.ready().await;
    let told = problems(&status);
    assert!(told.contains("DrainInterrupts") && told.contains("StorageSingleNode"), "{status}");
    let from = one_node(&case);
    for pod in case.pods("all") {
        let to = format!("http://{}:8080", pod["status"]["podIP"].as_str().unwrap());
        case.takes_logs(&to).await;
    }

    let to = nodes.iter().find(|&node| *node != from).unwrap();
    let from = Cordoned::new(&world, &from);
    let writing = writer(&case).await;
    let began = Instant::now();
    from.drain();
    let drain_took = began.elapsed();
    // The scheduler rejected the new pods while the old ones existed, and would retry in 5 minutes.
    // Only the operator intervenes here; docs/storage.md.
    case.ready().await;
    let took = began.elapsed();
    writing.stop();
    let report = writing.report().await;
    assert_eq!(&one_node(&case), to);
    // All pods stopped at the same time, for longer than a client waits.
    assert_eq!([&report["lost"], &report["duplicated"]], [0, 0], "{report}");
    assert!(report["unread"].is_null(), "{report}");
    println!(
        "FIGURE drain of the node with 2 pods on one SQLite volume: {:.1} s, all Ready elsewhere after {:.1} s, {} pods evicted for it by the operator; no answer for {} ms, {} records, {} failed, 0 lost",
        drain_took.as_secs_f64(),
        took.as_secs_f64(),
        requeued(&world),
        report["longestGapMillis"],
        report["acked"],
        report["failed"],
    );
    case.remove().await;
}

/// The one case in which the pods of a component may be on several nodes: a volume that several
/// nodes can mount, accepted as such.
#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_drain_within_the_pdb_fails_no_request() {
    let world = alone().await;
    let Some(nodes) = two_nodes(&world) else { return };
    let [from, to] = &nodes[..2] else { unreachable!() };
    // All on one node at first, so that the budget has an effect.
    let elsewhere = Cordoned::new(&world, to);
    let storage = json!({
        "volume": { "accessMode": "ReadWriteMany" }, "allowUnsafe": ["SqliteOnSharedFilesystem"],
    });
    let case = Case::new(&world, "spread", &two_pods(&storage));
    let status = case.ready().await;
    assert!(!problems(&status).contains("DrainInterrupts"), "{status}");
    assert_eq!(&one_node(&case), from);
    drop(elsewhere);
    let budget = "pdb/spread-all -n spread";
    let allowed =
        |seen: &Value| seen["status"]["disruptionsAllowed"] == 1 && seen["status"]["expectedPods"] == 2;
    world.kubectl.until(budget, "allows one", SOON, allowed).await;

    let from = Cordoned::new(&world, from);
    let writing = writer(&case).await;
    let began = Instant::now();
    let draining = tokio::task::spawn_blocking(move || {
        from.drain();
        from
    });
    let mut fewest = i64::MAX;
    while !draining.is_finished() {
        let seen = world.kubectl.get(budget).unwrap();
        fewest = fewest.min(seen["status"]["currentHealthy"].as_i64().unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _from = draining.await.unwrap();
    let drain_took = began.elapsed();
    case.ready().await;
    writing.stop();
    let report = writing.report().await;
    assert_eq!(fewest, 1, "pods that served during the drain");
    assert_eq!(&one_node(&case), to);
    println!(
        "FIGURE drain with 2 pods and a budget: {:.1} s, at least {fewest} serving",
        drain_took.as_secs_f64()
    );
    assert_unharmed("drain with a budget", &report);
    case.remove().await;
}

fn two_pods(storage: &Value) -> Value {
    let mut spec = spec(&json!({ "all": quick(&json!({ "replicas": 2 })) }));
    spec["storage"] = storage.clone();
    spec
}

/// It needs no DNS, which is drained too, and starts on a node that accepts pods.
async fn writer<'a>(case: &'a Case<'_>) -> Writer<'a> {
    case.write("writing", &case.address("all"), SECONDS, AS_LIBRARIES).await
}

/// The nodes that accept pods, if one can be drained and another is left.
fn two_nodes(world: &World) -> Option<Vec<String>> {
    let nodes = world.kubectl.get("nodes").unwrap();
    let free = nodes["items"].as_array().unwrap().iter().filter(|node| {
        node["spec"]["unschedulable"] != true && node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
    });
    let names: Vec<_> = free.map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    if names.len() < 2 {
        println!("SKIPPED a drain: it needs two nodes that take pods");
        return None;
    }
    Some(names)
}

fn one_node(case: &Case<'_>) -> String {
    let nodes: BTreeSet<_> = case.pods("all").iter().map(|pod| pod["spec"]["nodeName"].to_string()).collect();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    nodes.first().unwrap().trim_matches('"').to_owned()
}

/// The number of evictions by the operator, according to events.
fn requeued(world: &World) -> u64 {
    let events = world.kubectl.get("events -n default --field-selector=reason=PodRequeued").unwrap();
    events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["series"]["count"].as_u64().unwrap_or(1))
        .sum()
}

/// A node that accepts no pods until this is dropped.
struct Cordoned {
    kubectl: Kubectl,
    node: String,
}

impl Cordoned {
    fn new(world: &World, node: &str) -> Self {
        world.kubectl.must(&format!("cordon {node}"));
        Self { kubectl: world.kubectl.clone(), node: node.to_owned() }
    }

    fn drain(&self) {
        let arguments = "--ignore-daemonsets --delete-emptydir-data --timeout=180s";
        self.kubectl.must(&format!("drain {} {arguments}", self.node));
    }
}

impl Drop for Cordoned {
    fn drop(&mut self) {
        let _ = self.kubectl.run(&format!("uncordon {}", self.node));
    }
}
