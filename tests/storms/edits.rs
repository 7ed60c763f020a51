//! A resource that is edited faster than it can be reconciled, and one that is reconciled a hundred
//! times.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::StreamExt;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, ValidationDirective, WatchEvent, WatchParams},
};
use local_cluster::wait_for;
use serde_json::{Value, json};

use super::{
    cluster::{
        self,
        case::{Case, SOON},
        kinds::{self, kind},
    },
    fleet::Fleet,
    quickstart, size,
};

/// The time at which each generation appeared in the status.
type Seen = Arc<Mutex<Vec<(Instant, i64)>>>;

/// Records every generation that the status reports, from now on.
async fn follow(case: &Case) -> (Seen, tokio::task::JoinHandle<()>) {
    let api: Api<DynamicObject> = Api::all_with(case.client.clone(), &cluster::resource());
    let of = WatchParams::default().fields(&format!("metadata.name={}", case.name));
    let from = case.get().await.metadata.resource_version.unwrap();
    let seen = Seen::default();
    let task = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut events = api.watch(&of, &from).await.unwrap().boxed();
            while let Some(event) = events.next().await {
                let WatchEvent::Modified(object) = event.unwrap() else { continue };
                let Some(generation) = object.data["status"]["observedGeneration"].as_i64() else { continue };
                let mut seen = seen.lock().unwrap();
                if seen.last().map(|(_, last)| *last) != Some(generation) {
                    seen.push((Instant::now(), generation));
                }
            }
        }
    });
    (seen, task)
}

/// Fault catalogue: F75.
#[tokio::test]
async fn fifty_edits_a_second_starve_no_resource() {
    let Some(_turn) = super::alone().await else { return };
    let fleet = Fleet::new("edited").await;
    let operator = fleet.operator().await;
    let case = fleet.case("edited").await;
    fleet.apply(&case, &quickstart()).await;
    case.ready().await;
    let (seen, follower) = follow(&case).await;
    let (began, lasting) = (Instant::now(), Duration::from_secs(size(5, 60)));
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    // The cheaper write leaves the API server room for more of them.
    let plainly =
        PatchParams { field_validation: Some(ValidationDirective::Ignore), ..PatchParams::default() };
    let edit = async |edit: String| {
        let patch = json!({ "spec": { "commonAnnotations": { "edit": edit } } });
        let asked = Instant::now();
        case.api().patch_metadata(&case.name, &plainly, &Patch::Merge(&patch)).await.unwrap();
        asked.elapsed()
    };
    let (mut edits, mut slowest) = (0, Duration::ZERO);
    while began.elapsed() < lasting {
        // Delays are made up. Sequentially: with four concurrent edits of one object, the API
        // server tries each 3.4 times, and would itself be under test.
        pace.tick().await;
        slowest = slowest.max(edit(edits.to_string()).await);
        edits += 1;
    }
    edit("last".to_owned()).await;
    let ended = Instant::now();
    let last = case.get().await.metadata.generation.unwrap();
    wait_for("the last edit to be seen", SOON, async || {
        let newest = seen.lock().unwrap().last().map(|(_, generation)| *generation);
        if newest == Some(last) { Ok(()) } else { Err(format!("{newest:?} of {last}")) }
    })
    .await
    .unwrap();
    let won = ended.elapsed();
    follower.abort();
    let seen = seen.lock().unwrap().clone();
    assert!(seen.is_sorted_by_key(|(_, generation)| *generation), "observedGeneration goes back: {seen:?}");
    let times = [began].into_iter().chain(seen.iter().map(|(at, _)| *at));
    let times: Vec<Instant> = times.collect();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!(
        "FIGURE storm: {edits} edits in {} s: {} generations reported, longest silence {} ms, the last one after {} ms; the slowest edit took {} ms",
        lasting.as_secs(),
        seen.len(),
        longest.as_millis(),
        won.as_millis(),
        slowest.as_millis()
    );
    // Fewer would be no load. Concurrently with other tests it is as fast as possible.
    assert!(edits >= size(0, 45 * 60), "{edits}");
    // One second, and as much again for whatever else is tested on this machine in the meantime.
    let promised = Duration::from_secs(size(2, 1));
    assert!(longest < promised, "{longest:?}");
    assert!(won < promised, "{won:?}");
    let service = case.child("Service", "edited-all").await;
    assert_eq!(service.metadata.annotations.unwrap()["edit"], "last");
    let deployment = case.child("Deployment", "edited-all").await.metadata.annotations.unwrap();
    assert_eq!(deployment["edit"], "last");
    assert_eq!(deployment["deployment.kubernetes.io/revision"], "1", "pods are not concerned");
    case.ready().await;
    fleet.unmake().await;
    operator.kill();
}

/// Returns what the API server allocated for the Services.
async fn allocated(case: &Case) -> Vec<Value> {
    let mut all = Vec::new();
    for service in case.children(kind("Service")).await {
        let spec = &service.data["spec"];
        let ports = spec["ports"].as_array().unwrap().iter().map(|port| port["nodePort"].clone());
        all.push(json!({
            "name": service.metadata.name, "uid": service.metadata.uid, "address": spec["clusterIP"],
            "addresses": spec["clusterIPs"], "ports": ports.collect::<Vec<_>>(),
        }));
    }
    all
}

/// Fault catalogue: F70.
#[tokio::test]
async fn allocated_values_survive_a_hundred_reconciles() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("allocated").await;
    let mut operator = fleet.operator().await;
    let case = fleet.case("allocated").await;
    let mut spec = quickstart();
    spec["components"]["all"]["nodePort"] = json!({});
    spec["components"]["all"]["loadBalancer"] = json!({});
    fleet.apply(&case, &spec).await;
    case.until("Applied", SOON, |status| cluster::case::condition(status, "Applied").0 == "True").await;
    let before = allocated(&case).await;
    assert!(before.iter().any(|it| it["ports"][0].as_i64().is_some()), "{before:#?}");
    for number in 0..100 {
        if number == 50 {
            operator.kill();
            operator = fleet.operator().await;
        }
        // Each edit writes every Service.
        spec["commonAnnotations"] = json!({ "number": number.to_string() });
        fleet.apply(&case, &spec).await;
        case.child_until("Service", "allocated-all-nodeport", "written", SOON, |seen| {
            seen.metadata.annotations.as_ref().is_some_and(|all| all["number"] == number.to_string())
        })
        .await;
    }
    assert_eq!(allocated(&case).await, before);
    // Nor does a manual change of another field.
    let edit = json!({ "spec": { "sessionAffinity": "ClientIP" } });
    kinds::edit(&case.client, kind("Service"), case.ns(), "allocated-all-nodeport", &edit).await;
    fleet.quiet(Duration::from_secs(1), SOON).await;
    assert_eq!(allocated(&case).await, before);
    fleet.unmake().await;
    operator.kill();
}
