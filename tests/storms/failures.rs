//! Permanent failures: how often the operator retries, what it reports, and which resources it delays.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Reply, Rule, RuleId, Times, When};
use k8s_openapi::api::{core::v1::Service, events::v1::Event};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use local_cluster::wait_for;
use logpilot_operator::api;
use serde_json::{Value, json};

use super::{
    cluster::{
        apply, behind,
        case::{Case, SOON, condition, message, problems},
        kinds::{self, kind},
    },
    fleet::Fleet,
    quickstart, size,
};

fn refuse(fleet: &Fleet, resource: &str, namespace: &str) -> RuleId {
    let reply = Reply {
        message: "spec.podSelector: Invalid value: this is never right".to_owned(),
        ..Reply::new(422, "Invalid")
    };
    let when =
        When { writes: true, resource: Some(resource.to_owned()), ..When::default() }.within(namespace);
    fleet.proxy.rule(Rule { when, times: Times::Every, then: Fault::Answer(reply) })
}

/// Event objects about a resource or its objects, by reason.
async fn events(case: &Case, reason: &str) -> Vec<Event> {
    let mut found = Vec::new();
    for namespace in ["default", case.ns()] {
        let api: Api<Event> = Api::namespaced(case.client.clone(), namespace);
        found.extend(api.list(&ListParams::default()).await.unwrap().items.into_iter().filter(|event| {
            event.reason.as_deref() == Some(reason)
                && event.reporting_controller.as_deref() == Some("logpilot-operator")
                && (namespace == case.ns()
                    || event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(&case.name))
        }));
    }
    found
}

/// One resource with a permanently rejected object, and one whose pods start and stop: each change
/// of theirs triggers a reconcile, and none retries what was rejected a moment ago.
/// Fault catalogue: F18, F69.
#[tokio::test]
async fn permanently_refused_objects_are_retried_with_backoff() {
    let Some(turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("refused").await;
    let operator = fleet.operator().await;
    let (calm, restless) = (fleet.case("refused-calm").await, fleet.case("refused-restless").await);
    let mut flapping = quickstart();
    flapping["image"] = json!("danpung2/logpilot-flapping:2");
    for case in [&calm, &restless] {
        refuse(&fleet, "networkpolicies", case.ns());
    }
    let began = Instant::now();
    fleet.apply(&calm, &quickstart()).await;
    fleet.apply(&restless, &flapping).await;
    for case in [&calm, &restless] {
        let status = case.reason("Stalled", "True", "Invalid").await;
        assert!(message(&status, "Stalled").contains("this is never right"), "{status:#}");
    }
    // The other objects all exist.
    calm.child_until("Deployment", "refused-calm-all", "running", SOON, |seen| {
        seen.data.pointer("/status/readyReplicas").is_some()
    })
    .await;
    let watched = Duration::from_secs(size(20, 240));
    super::watch(turn, watched.saturating_sub(began.elapsed())).await;
    for case in [&calm, &restless] {
        let tried = fleet.writes().into_iter().filter(|record| {
            record.asked.resource == "networkpolicies" && record.asked.namespace.as_deref() == Some(case.ns())
        });
        let tried = tried.count();
        let told = fleet.sent().into_iter().filter(|record| {
            record.asked.subresource.is_some() && record.asked.name.as_deref() == Some(&case.name)
        });
        let told = told.count();
        let said = [events(case, "Invalid").await.len(), events(case, "Progressing").await.len()];
        println!(
            "FIGURE storm: {} in {} s: {tried} attempts of rejected writes, {told} status writes, {said:?} Event objects",
            case.name,
            watched.as_secs()
        );
        // 1 + 2 + 4 + 8 … s, up to 300 s, less a quarter: 6 in 20 s, 9 in 4 min; and the first attempt.
        assert!(tried <= size(7, 10), "{tried} in {watched:?}");
        assert!(said[0] <= 2, "one of the resource, one of its child: {said:?}");
        // Its readiness changes once a second; each change is reported at most once.
        let changes = if case.name == restless.name { watched.as_secs() * 2 } else { 0 };
        assert!(told as u64 <= 8 + changes, "{told} status writes");
    }
    let status = restless.status().await;
    assert_eq!(condition(&status, "Stalled").0, "True", "{status:#}");
    let _turn = super::beside_others().await;
    fleet.proxy.forget();
    // A new spec is a new attempt.
    let mut next = quickstart();
    next["commonAnnotations"] = json!({ "next": "one" });
    for case in [&calm, &restless] {
        fleet.apply(case, &next).await;
        case.ready().await;
    }
    fleet.unmake().await;
    operator.kill();
}

async fn repair_of(case: &Case) -> Duration {
    let services: Api<Service> = Api::namespaced(case.client.clone(), case.ns());
    let name = format!("{}-all", case.name);
    services.delete(&name, &DeleteParams::default()).await.unwrap();
    let deleted = Instant::now();
    wait_for("the Service", SOON, async || {
        services.get(&name).await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    deleted.elapsed()
}

async fn slowest_repair(case: &Case, of: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..of {
        slowest = slowest.max(repair_of(case).await);
    }
    slowest
}

/// Their requests are never answered, so each request occupies its slot until its deadline.
/// Fault catalogue: F74.
#[tokio::test]
async fn hanging_requests_delay_no_other_resource() {
    let Some(_turn) = super::beside_others().await else { return };
    let poisoned = size(4, 16);
    let fleet = Fleet::new("poison").await;
    let operator = fleet.operator().await;
    let healthy = fleet.case("healthy").await;
    fleet.apply(&healthy, &quickstart()).await;
    healthy.ready().await;
    let tries = size(8, 40);
    let before = slowest_repair(&healthy, tries).await;
    for number in 0..poisoned {
        // Not the key, which precedes everything else: then as many as run concurrently.
        let hang =
            When { verb: Some("patch".to_owned()), namespace: Some(fleet.name(number)), ..When::default() };
        fleet.proxy.rule(Rule { when: hang, times: Times::Every, then: Fault::Hang });
    }
    fleet.make(poisoned, |_| quickstart()).await;
    wait_for("the poison to work", SOON, async || {
        let held = fleet.proxy.records().iter().filter(|record| record.fault.is_some()).count();
        // The slot of each resource, and as many of the shared slots.
        if held >= poisoned * 2 { Ok(()) } else { Err(format!("{held} held")) }
    })
    .await
    .unwrap();
    let beside = slowest_repair(&healthy, tries).await;
    println!(
        "FIGURE storm: slowest recreation of {tries}: {} ms alone, {} ms next to {poisoned} resources whose requests hang",
        before.as_millis(),
        beside.as_millis()
    );
    assert!(beside < Duration::from_secs(1).max(before.mul_f64(1.5)), "{beside:?}, alone {before:?}");
    fleet.proxy.forget();
    fleet
        .until_all("healed", poisoned + 1, Duration::from_secs(60), |status| {
            condition(status, "Ready").0 == "True"
        })
        .await;
    fleet.unmake().await;
    operator.kill();
}

/// Rejected by the namespace's own quota: reported with the API server's message, and created once
/// the quota permits them.
/// Fault catalogue: F64.
#[tokio::test]
async fn quota_refusals_are_reported_until_the_quota_allows() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("quota").await;
    let operator = fleet.operator().await;
    let case = fleet.case("quota").await;
    let quota = |deployments: &str| {
        json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small", "namespace": "quota" },
            "spec": { "hard": { "count/deployments.apps": deployments } },
        })
    };
    apply(&case.client, &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "quota" } }))
        .await;
    apply(&case.client, &quota("0")).await;
    wait_for("the quota to be counted", SOON, async || {
        let quotas = kinds::api(&case.client, kind("ResourceQuota"), "quota");
        let counted = quotas.get("small").await.unwrap();
        counted.data.pointer("/status/used").map(drop).ok_or("not yet".to_owned())
    })
    .await
    .unwrap();
    fleet.apply(&case, &quickstart()).await;
    let status = case.reason("Ready", "False", "QuotaExceeded").await;
    assert!(message(&status, "Ready").contains("exceeded quota: small"), "{status:#}");
    case.child("Service", "quota-all").await;
    apply(&case.client, &quota("1")).await;
    case.ready().await;
    fleet.unmake().await;
    operator.kill();
}

/// Its pods become ready and unready once a second: reported, and nothing else is done.
/// Fault catalogue: F77.
#[tokio::test]
async fn flapping_readiness_writes_only_the_status() {
    let Some(turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("flaps").await;
    let operator = fleet.operator().await;
    let case = fleet.case("flaps").await;
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot-flapping:2");
    fleet.apply(&case, &spec).await;
    case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    let (writes, sent) = (fleet.writes().len(), fleet.sent().len());
    let watched = Duration::from_secs(size(10, 120));
    super::watch(turn, watched).await;
    assert_eq!(
        fleet.writes().len(),
        writes,
        "{:#?}",
        fleet.writes().iter().map(behind::shown).collect::<Vec<_>>()
    );
    let sent: Vec<_> = fleet.sent().split_off(sent);
    let told = sent.iter().filter(|record| record.asked.resource == api::PLURAL).count();
    let counted = sent.iter().filter(|record| record.asked.resource == "events").count();
    let all = [self::events(&case, "Ready").await, self::events(&case, "Progressing").await];
    println!(
        "FIGURE storm: readiness flapping for {} s: {told} status writes, {counted} writes of {:?} Event objects",
        watched.as_secs(),
        all.each_ref().map(Vec::len)
    );
    assert!(
        told > 0 && told as u64 <= 2 * watched.as_secs(),
        "{:#?}",
        sent.iter().map(behind::shown).collect::<Vec<_>>()
    );
    // Each direction has one Event object, whose series counts the rest: no more than the status
    // changes.
    assert!(counted <= told, "{:#?}", sent.iter().map(behind::shown).collect::<Vec<_>>());
    for events in all {
        let series = events.iter().filter_map(|event| event.series.as_ref()).map(|series| series.count).max();
        assert!(events.len() == 1 && series > Some(1), "{events:#?}");
    }
    let _turn = super::beside_others().await;
    fleet.apply(&case, &quickstart()).await;
    let status = case.ready().await;
    assert!(problems(&status).is_empty() || !problems(&status).contains("Progressing"), "{status:#}");
    assert_eq!(status["pods"], Value::from("1/1"));
    fleet.unmake().await;
    operator.kill();
}
