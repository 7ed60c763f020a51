//! Many resources, and many foreign objects.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Rule, Times, When};
use futures::{StreamExt, stream};
use logpilot_operator::{
    api,
    engine::relist::{RELIST, SOONEST},
};
use serde_json::{Value, json};

use super::{
    cluster::{
        apply, behind,
        case::{SOON, condition},
        create,
    },
    fleet::Fleet,
    process::Process,
    quickstart, size,
};

pub const QUIET: Duration = Duration::from_secs(2);

pub fn ready(status: &Value) -> bool {
    condition(status, "Ready").0 == "True"
}

/// Creates foreign objects of kinds that the operator watches, and a namespace for each hundred.
async fn strangers(fleet: &Fleet, count: usize) {
    let home = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "strangers" } });
    apply(&fleet.client, &home).await;
    let named = |kind: &str, version: &str, number: usize, rest: Value| {
        let mut object = rest;
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        object["metadata"] = json!({ "name": format!("stranger-{number}"), "namespace": "strangers" });
        object
    };
    let objects = (0..count).flat_map(|number| {
        let data = json!({ "data": { "text": "x".repeat(1000) } });
        // Without an address, and paused: the controllers would create two more objects for each.
        let ports = json!({ "spec": { "type": "ExternalName", "externalName": "strangers.example.com" } });
        let pods = json!({ "spec": {
            "replicas": 0, "paused": true, "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
        } });
        let space = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": format!("stranger-{number}") },
        });
        let mut made = vec![
            named("ConfigMap", "v1", number, data),
            named("Service", "v1", number, ports),
            named("Deployment", "apps/v1", number, pods),
        ];
        made.extend((number % 10 == 0).then_some(space));
        made
    });
    let made = stream::iter(objects.map(async |object| create(&fleet.client, &object).await));
    made.buffer_unordered(24).collect::<Vec<()>>().await;
}

/// Returns how long after this age of an operator a window begins in which it lists no kind again:
/// it does so for the k-th time between [`SOONEST`] k and k times [`RELIST`].
pub fn until_no_list_is_due(age: Duration, window: Duration) -> Duration {
    let room = Duration::from_secs(5);
    let mut all = (0..10).map(|k| (age.max(RELIST * k + room), RELIST.mul_f64(SOONEST) * (k + 1)));
    let begin = all.find(|(begin, end)| *begin + window + room < *end).map_or(age, |(begin, _)| begin);
    begin.saturating_sub(age)
}

#[tokio::test]
async fn memory_grows_with_the_number_of_resources() {
    let Some(_turn) = super::alone().await else { return };
    let fleet = Fleet::new("memory").await;
    let Some(plane) = fleet.world.env.control_plane() else {
        println!("skipped: the program's own kubeconfig file needs a local control plane");
        return;
    };
    let kubeconfig = plane.write_kubeconfig("memory", &fleet.kubeconfig).unwrap();
    let program = Process::start(env!("CARGO_BIN_EXE_logpilot-operator"), &kubeconfig).await;
    let (mut made, alone) = (0, program.anonymous());
    for count in [0, size(2, 20), size(6, 200)] {
        let names: Vec<String> = (made..count).map(|number| format!("memory-{number:03}")).collect();
        fleet.apply_all(names.iter().map(|name| fleet.manifest(name, &quickstart())).collect()).await;
        fleet.until_all("Ready", count, Duration::from_secs(size(60, 600)), ready).await;
        fleet.quiet(QUIET, Duration::from_secs(120)).await;
        made = count;
        println!(
            "FIGURE storm: {count} resources: {} KiB anonymous, {} KiB resident",
            program.anonymous(),
            program.resident()
        );
    }
    let each = (program.anonymous().saturating_sub(alone)) / u64::try_from(made).unwrap();
    assert!(each < 4_000, "{each} KiB for each resource");
}

/// Fault catalogue: F08, F66, F72, F73.
#[tokio::test]
async fn a_fleet_is_created_and_stays_idle() {
    let Some(_turn) = super::alone().await else { return };
    let count = size(12, 1000);
    let fleet = Fleet::new("idle").await;
    let Some(plane) = fleet.world.env.control_plane() else {
        println!("skipped: the program's own kubeconfig file needs a local control plane");
        return;
    };
    let kubeconfig = plane.write_kubeconfig("storms", &fleet.kubeconfig).unwrap();
    let (program, started) =
        (Process::start(env!("CARGO_BIN_EXE_logpilot-operator"), &kubeconfig).await, Instant::now());
    let alone = program.resident();
    let began = Instant::now();
    fleet.make(count, |_| quickstart()).await;
    fleet.until_all("Ready", count, Duration::from_secs(size(60, 900)), ready).await;
    println!(
        "FIGURE storm: {count} resources Ready after {} s, of which the operator computed {:.1} s",
        began.elapsed().as_secs(),
        program.busy()
    );
    let watched = Duration::from_secs(size(5, 60));
    tokio::time::sleep(until_no_list_is_due(started.elapsed(), watched)).await;
    fleet.quiet(QUIET, Duration::from_secs(120)).await;

    let (before, busy) = (fleet.sent().len(), program.busy());
    // The promise is about this time window, so the sleep is not a wait for a condition.
    tokio::time::sleep(watched).await;
    let share = (program.busy() - busy) / watched.as_secs_f64();
    let sent = fleet.sent();
    assert_eq!(
        sent.len(),
        before,
        "idle: {:#?}",
        sent[before..].iter().map(behind::shown).collect::<Vec<_>>()
    );
    println!(
        "FIGURE storm: {count} idle resources: 0 requests in {} s, {:.2} % of a processor, {} KiB resident, {alone} KiB without any",
        watched.as_secs(),
        share * 100.0,
        program.resident()
    );
    assert!(share < 0.01, "{share} of a processor while idle");

    let mine = program.resident();
    let foreign = size(60, 10_000);
    strangers(&fleet, foreign).await;
    let beside = program.resident();
    println!(
        "FIGURE storm: {foreign} foreign objects of each of 3 kinds: {mine} KiB before, {beside} KiB after"
    );
    drop(program);
    fleet.proxy.forget();
    let program = Process::start(env!("CARGO_BIN_EXE_logpilot-operator"), &kubeconfig).await;
    fleet.quiet(QUIET, Duration::from_secs(60)).await;
    let written: Vec<_> =
        fleet.sent().iter().filter(|record| record.asked.writes()).map(behind::shown).collect();
    assert!(written.is_empty(), "a restart among strangers writes nothing: {written:#?}");
    let afresh = program.resident();
    println!("FIGURE storm: started next to {count} resources and the foreign objects: {afresh} KiB");
    // Most of it is the code of a debug build.
    assert!(afresh < alone + 60_000 + 40 * u64::try_from(count).unwrap(), "{afresh} KiB of {alone} KiB");

    // Resources are created and deleted; the state remembered for them is dropped too.
    let churned = size(10, 300);
    let mut after_first = 0;
    for round in 0..3 {
        let short = || {
            json!({
                "image": super::IMAGE, "components": { "all": { "replicas": 1 } },
                "namespace": { "name": "idle-churn" },
                "storage": { "volume": { "deletionPolicy": "Delete" } }, "operation": { "stopped": true },
            })
        };
        let names: Vec<String> = (0..churned).map(|number| format!("churn-{round}-{number:04}")).collect();
        fleet.apply_all(names.iter().map(|name| fleet.manifest(name, &short())).collect()).await;
        let all = count + churned;
        let seen = |status: &Value| status["observedGeneration"].as_i64().is_some();
        fleet.until_all("seen", all, Duration::from_secs(size(60, 300)), seen).await;
        fleet.delete(&names).await;
        fleet.until_all("left", count, Duration::from_secs(120), ready).await;
        // Objects that the garbage collector still has to delete are not forgotten, but not deleted
        // yet.
        fleet.empty("idle-churn", Duration::from_secs(size(60, 300))).await;
        fleet.quiet(QUIET, Duration::from_secs(60)).await;
        if round == 0 {
            after_first = program.resident();
        }
    }
    let at_last = program.resident();
    println!(
        "FIGURE storm: {churned} resources created and deleted: {after_first} KiB after the first time, {at_last} KiB after the third"
    );
    assert!(at_last < after_first + after_first / 10, "{at_last} KiB of {after_first} KiB");
    let metrics = program.get("/metrics").await.unwrap();
    for line in [
        format!("logpilot_operator_clusters{{state=\"ready\"}} {count}"),
        "logpilot_operator_clusters{state=\"not_ready\"} 0".to_owned(),
        "logpilot_operator_longest_not_ready_seconds{kind=\"LogPilotCluster\"} 0".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
    // They stay: deleting them takes minutes of the API server, in which other tests measure.
}

/// Every request takes longer than the one-second resolution of a timestamp.
/// Fault catalogue: F67.
#[tokio::test]
async fn a_slow_api_server_only_delays_a_fleet() {
    let Some(_turn) = super::alone().await else { return };
    let count = size(24, 150);
    let fleet = Fleet::new("slow").await;
    let slow = Rule { when: When::default(), times: Times::Every, then: Fault::Delay { millis: 1200 } };
    let operator = fleet.operator().await;
    let slow = fleet.proxy.rule(slow);
    let began = Instant::now();
    fleet.make(count, |_| quickstart()).await;
    fleet.until_all("Ready", count, Duration::from_secs(size(90, 600)), ready).await;
    let took = began.elapsed();
    fleet.quiet(Duration::from_secs(3), SOON).await;
    let sent = fleet.sent();
    let told = |record: &&fault_proxy::Record| record.asked.subresource.as_deref() == Some("status");
    let statuses = sent.iter().filter(told).count();
    let writes = fleet.writes().len();
    println!(
        "FIGURE storm: {count} resources at 1.2 s a request: Ready after {} s, {writes} writes, {statuses} of status",
        took.as_secs()
    );
    let unwell: Vec<_> =
        sent.iter().filter(|record| record.status == 0 || record.status >= 500).map(behind::shown).collect();
    assert!(unwell.is_empty(), "given up though they were under way: {unwell:#?}");
    for object in fleet.all().await {
        let said = object.data["status"].to_string();
        assert!(!said.contains("no answer"), "{said}");
    }
    let noisy = fleet.world.log_of("no answer within");
    assert!(!noisy.contains("slow-"), "{noisy}");
    // On creation, when applied, when ready, and one for counts in between.
    assert!(statuses <= 4 * count, "{statuses} of {count}");
    fleet.proxy.lift(slow);
    fleet.proxy.forget();
    operator.kill();
    let operator = fleet.operator().await;
    fleet.quiet(QUIET, SOON).await;
    let again =
        fleet.sent().iter().filter(|record| record.asked.writes()).map(behind::shown).collect::<Vec<_>>();
    assert!(again.is_empty(), "{again:#?}");
    assert!(fleet.sent().iter().any(|record| record.asked.resource == api::PLURAL));
    fleet.unmake().await;
    operator.kill();
}
