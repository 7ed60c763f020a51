//! Many stacks next to some `LogPilotCluster`s: idle, started, repaired, and next to a stack that is edited
//! without a pause.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fault_proxy::Record;
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::watches::PAGE,
    kinds::{KINDS, SERVICE_STACK},
};
use serde_json::{Value, json};

use super::{
    cluster::{behind, case::SOON},
    fleet::Fleet,
    many::{QUIET, ready, until_no_list_is_due},
    process::Process,
    quickstart, size,
};

/// Most writes to create a stack of 28 objects.
const WRITES: usize = 30;
/// Most objects of a stack, with those that Kubernetes creates for it.
const OBJECTS: usize = 54;
/// Services that are deleted to measure a repair, each of another resource.
const REPAIRS: usize = 10;

/// Eight components in five tiers, with a database, a generated Secret and a Job.
fn shop() -> Value {
    let ports = json!([{ "name": "http", "port": 8080 }]);
    let web = |name: &str, on: &str| json!({ "image": format!("example/{name}:1"), "ports": ports, "dependsOn": [on] });
    json!({
        "secrets": { "db": { "generate": ["password"] } },
        "components": {
            "db": {
                "kind": "StatefulSet", "image": "example/db:1", "ports": [{ "name": "db", "port": 5432 }],
                "env": { "PASSWORD": "$(secrets.db.password)" },
                "volumes": { "data": { "path": "/data", "size": "1Gi" } },
            },
            "cache": { "kind": "StatefulSet", "image": "example/cache:1", "ports": [{ "name": "cache", "port": 6379 }] },
            "migrate": {
                "kind": "Job", "image": "example/migrate:1", "dependsOn": ["db"],
                "env": { "URL": "db://user:$(secrets.db.password)@$(db.address)/shop" },
            },
            "users": web("users", "migrate"),
            "orders": web("orders", "migrate"),
            "mail": web("mail", "cache"),
            "gateway": web("gateway", "orders"),
            "front": web("front", "gateway"),
        },
    })
}

/// The Service of a resource that is deleted, and its namespace.
type Victim = (String, String);

/// Deletes each Service in turn, and returns how long each was away.
async fn repairs(fleet: &Fleet, victims: &[Victim]) -> Vec<Duration> {
    let mut times = Vec::new();
    for (namespace, name) in victims {
        let services: Api<Service> = Api::namespaced(fleet.client.clone(), namespace);
        services.delete(name, &DeleteParams::default()).await.unwrap();
        let deleted = Instant::now();
        wait_for(format!("the Service {namespace}/{name}"), SOON, async || {
            services.get(name).await.map(drop).map_err(|error| error.to_string())
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
        times.push(deleted.elapsed());
    }
    times.sort();
    times
}

fn median(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

/// The number of writes of objects in each namespace.
fn by_namespace(writes: &[Record]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in writes {
        *counts.entry(record.asked.namespace.clone().unwrap_or_default()).or_default() += 1;
    }
    counts
}

/// Fault catalogue: F66, F75.
#[tokio::test]
async fn a_fleet_of_stacks_is_idle_and_repaired() {
    let Some(_turn) = super::alone().await else { return };
    let (count, clusters) = (size(20, 200), size(4, 20));
    let fleet = Fleet::new("stacks").await;
    let Some(plane) = fleet.world.env.control_plane() else {
        println!("skipped: the program's own kubeconfig file needs a local control plane");
        return;
    };
    let kubeconfig = plane.write_kubeconfig("stacks", &fleet.kubeconfig).unwrap();
    let program = env!("CARGO_BIN_EXE_logpilot-operator");
    let (running, started) = (Process::start(program, &kubeconfig).await, Instant::now());
    let long = Duration::from_secs(size(120, 1200));
    fleet.make(clusters, |_| quickstart()).await;
    fleet.until_all("Ready", clusters, long, ready).await;
    fleet.quiet(QUIET, SOON).await;
    let (before, without) = (Instant::now(), running.anonymous());
    let names: Vec<String> = (0..count).map(|number| format!("shop-{number:03}")).collect();
    let home =
        |name: &String| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    fleet.apply_all(names.iter().map(home).collect()).await;
    fleet.apply_all(names.iter().map(|name| fleet.stack(name, &shop())).collect()).await;
    fleet.until_all_of(&SERVICE_STACK, "Ready", count, long, ready).await;
    fleet.quiet(QUIET, SOON).await;
    let took = before.elapsed().saturating_sub(QUIET);
    let written = by_namespace(&fleet.writes());
    let each = written[&names[0]];
    println!(
        "FIGURE storm: {count} stacks of 8 components next to {clusters} LogPilotClusters: Ready after {} s, {each} writes for one; the operator computed {:.1} s",
        took.as_secs(),
        running.busy()
    );
    assert!(names.iter().all(|name| written[name] <= WRITES), "{written:#?}");

    // Idle: no request between two of the lists that are made every 5 minutes.
    let window = Duration::from_secs(size(5, 60));
    tokio::time::sleep(until_no_list_is_due(started.elapsed(), window)).await;
    fleet.quiet(QUIET, Duration::from_secs(60)).await;
    let (sent, busy) = (fleet.sent().len(), running.busy());
    // The promise is about this time window, so the sleep is not a wait for a condition.
    tokio::time::sleep(window).await;
    let share = (running.busy() - busy) / window.as_secs_f64();
    let idle: Vec<_> = fleet.sent()[sent..].iter().map(behind::shown).collect();
    assert!(idle.is_empty(), "idle: {idle:#?}");
    let per_stack = running.anonymous().saturating_sub(without) / u64::try_from(count).unwrap();
    println!(
        "FIGURE storm: {count} idle stacks: 0 requests in {} s, {:.2} % of a processor; {per_stack} KiB for one, {} KiB anonymous in all, {without} KiB without stacks",
        window.as_secs(),
        share * 100.0,
        running.anonymous()
    );
    assert!(share < 0.01, "{share} of a processor while idle");
    // Few stacks share more of what the allocator keeps.
    assert!(per_stack < size(3_000, 1_000), "{per_stack} KiB for each stack");
    drop(running);

    // A restart reads each kind, and each generated Secret, and writes nothing.
    fleet.proxy.forget();
    let began = Instant::now();
    let running = Process::start(program, &kubeconfig).await;
    let listed = began.elapsed();
    fleet.quiet(QUIET, Duration::from_secs(60)).await;
    let settled = began.elapsed().saturating_sub(QUIET);
    let sent = fleet.sent();
    let of = |verb: &str| sent.iter().filter(|record| record.asked.verb == verb).count();
    println!(
        "FIGURE storm: started next to {count} stacks and {clusters} LogPilotClusters: ready after {:.1} s, silent after {:.1} s and {} lists and {} reads; {:.1} s computed, {} KiB anonymous",
        listed.as_secs_f64(),
        settled.as_secs_f64(),
        of("list"),
        of("get"),
        running.busy(),
        running.anonymous()
    );
    let writes: Vec<_> = sent.iter().filter(|it| it.asked.writes()).map(behind::shown).collect();
    assert!(writes.is_empty(), "a restart writes nothing: {writes:#?}");
    // One generated Secret for each stack, and the API key of each LogPilotCluster.
    assert!(of("get") <= count + clusters, "{} reads", of("get"));
    // A page of each kind and of the resources and definitions, and a page for as many objects as it holds.
    let pages = KINDS.len() + 4 + count * OBJECTS / PAGE as usize;
    assert!(of("list") <= pages, "{} lists", of("list"));

    hot_loop(&fleet, &names, clusters).await;
    if count <= 20 {
        let api = |name: &String| {
            Api::<DynamicObject>::namespaced_with(fleet.client.clone(), name, &SERVICE_STACK.api_resource())
        };
        for name in &names {
            api(name).delete(name, &DeleteParams::default()).await.unwrap();
        }
        fleet.unmake().await;
    }
    // More of them stay: deleting them takes minutes of the API server.
}

/// The first stack is edited without a pause. The repairs of the others are compared with those before.
async fn hot_loop(fleet: &Fleet, names: &[String], clusters: usize) {
    let stacks = names.iter().skip(1).take(REPAIRS).map(|name| (name.clone(), "users".to_owned()));
    let names_of_clusters = (0..clusters).map(|number| fleet.name(number));
    let victims: Vec<Victim> =
        stacks.chain(names_of_clusters.take(2).map(|name| (name.clone(), format!("{name}-all")))).collect();
    let alone = repairs(fleet, &victims).await;
    fleet.quiet(QUIET, SOON).await;
    let before = fleet.writes().len();
    let hot = names[0].clone();
    let edits = tokio::spawn({
        let (client, hot) = (fleet.client.clone(), hot.clone());
        let api: Api<DynamicObject> = Api::namespaced_with(client, &hot, &SERVICE_STACK.api_resource());
        async move {
            for number in 0.. {
                let clients =
                    json!([{ "namespaceSelector": { "matchLabels": { "edit": format!("e{number}") } } }]);
                // Every NetworkPolicy is another one, and no pod.
                let patch = json!({ "spec": { "networkPolicy": { "clients": clients } } });
                api.patch(&hot, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            }
        }
    });
    let of_hot = || by_namespace(&fleet.writes()[before..]).get(&hot).copied().unwrap_or_default();
    wait_for("the edited stack to be written", SOON, async || {
        let written = of_hot();
        if written > 100 { Ok(()) } else { Err(format!("{written} writes")) }
    })
    .await
    .unwrap();
    let beside = repairs(fleet, &victims).await;
    edits.abort();
    let written = by_namespace(&fleet.writes()[before..]);
    println!(
        "FIGURE storm: next to a stack with {} writes by edits without a pause, a repair takes {:.1} times as long ({} ms, {} ms alone; the slowest {} ms, {} ms alone)",
        written[&hot],
        median(&beside).as_secs_f64() / median(&alone).as_secs_f64(),
        median(&beside).as_millis(),
        median(&alone).as_millis(),
        beside.last().unwrap().as_millis(),
        alone.last().unwrap().as_millis()
    );
    for (namespace, name) in &victims {
        assert_eq!(written.get(namespace), Some(&1), "writes for {namespace}/{name}: {written:#?}");
    }
    assert_eq!(written.len(), victims.len() + 1, "others are not written: {written:#?}");
    fleet.until_all_of(&SERVICE_STACK, "Ready again", names.len(), Duration::from_secs(60), ready).await;
    fleet.quiet(QUIET, SOON).await;
}
