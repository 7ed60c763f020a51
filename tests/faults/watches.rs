//! Watches that fall silent, end, lie, or cannot be opened.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Rule, Times, When};
use futures::future::join_all;
use logpilot_operator::{
    api,
    engine::{kind::Management, relist::RELIST, watches::WATCH_TIMEOUT},
    kinds::KINDS,
    logpilot::{report::COUNTS, requeue_after::LOOK_AGAIN},
};
use serde_json::{Value, json};

use super::{
    cluster::{behind, case::SOON, whole_campaign},
    full, many, quickstart,
    trial::{Trial, gaps, refused},
    with_replicas,
};

/// The maximum cost of a dead watch: its timeout, what kube adds, and a reconnect.
const NOTICED: Duration = Duration::from_secs(125);

fn watched() -> Vec<&'static str> {
    let kinds =
        KINDS.iter().filter(|kind| kind.management.watched() && !kind.optional).map(|kind| kind.plural);
    kinds.chain([api::PLURAL]).collect()
}

fn expired() -> Value {
    json!({
        "type": "ERROR",
        "object": { "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired" },
    })
}

/// Fault catalogue: F25, F26.
#[tokio::test]
async fn silent_watches_are_detected() {
    if !full("a watch that is dead until it times out") {
        return;
    }
    let trial = Trial::running(&quickstart()).await;
    for resource in [api::PLURAL, "deployments"] {
        trial.rule(When::of("watch", resource), Times::First(1), Fault::Freeze { events: 0 });
    }
    trial.slot.proxy.cut();
    trial.slot.quiet().await.unwrap();
    let lost = trial.lose("Deployment").await;
    trial.case.apply(with_replicas(2)).await;
    let child = trial.back(&lost, NOTICED).await;
    trial.case.until("the new spec", NOTICED, |status| status["pods"] == "2/2").await;
    println!(
        "FIGURE dead watches (timeout {} s): a child's noticed after {} s, the resource's after {} s",
        WATCH_TIMEOUT.as_secs(),
        child.as_secs(),
        lost.at.elapsed().as_secs()
    );
    assert!(lost.at.elapsed() < NOTICED);
    trial.end().await;
}

/// Fault catalogue: F22, F23.
#[tokio::test]
async fn unanswered_watches_and_lists_time_out() {
    if !full("answers that are waited for") {
        return;
    }
    let trial = Trial::running(&quickstart()).await;
    trial.rule(When::of("watch", "networkpolicies"), Times::First(1), refused(410, "Expired"));
    let slow = Fault::Throttle { bytes_per_second: 1 };
    let list = trial.rule(When::of("list", "networkpolicies"), Times::First(1), slow);
    trial.watch_meets("services", Fault::Hang).await;
    trial.hit(list).await;
    let (service, policy) = (trial.lose("Service").await, trial.lose("NetworkPolicy").await);
    let (watch, list) = tokio::join!(trial.back(&service, NOTICED), trial.back(&policy, NOTICED));
    println!(
        "FIGURE no answer: to a watch noticed after {} s, to a list after {} s",
        watch.as_secs(),
        list.as_secs()
    );
    trial.is_settled(&quickstart()).await;
    trial.end().await;
}

/// Fault catalogue: F27.
#[tokio::test]
async fn watches_recover_from_three_refusals() {
    let trial = Trial::running(&quickstart()).await;
    let rules: Vec<_> = watched()
        .into_iter()
        .map(|resource| trial.rule(When::of("watch", resource), Times::First(3), Fault::Refuse))
        .collect();
    trial.slot.proxy.cut();
    let lost = trial.lose("Service").await;
    let took = trial.back(&lost, SOON).await;
    trial.apply(&with_replicas(2)).await;
    for rule in rules {
        assert_eq!(trial.slot.proxy.acted(rule), 3);
    }
    println!(
        "FIGURE all watches refused three times: a lost Service was recreated after {} ms",
        took.as_millis()
    );
    trial.end().await;
}

/// Deletes an object of each kind but this one; returns the longest time until one was recreated.
async fn repairs(trial: &Trial, but: &str) -> Duration {
    let mut longest = Duration::ZERO;
    for kind in KINDS.iter().filter(|kind| kind.management == Management::Managed && kind.plural != but) {
        // The deletion of a Namespace deletes everything in it; the Gateway API is not installed here.
        if kind.kind == "Namespace"
            || kind.group == "gateway.networking.k8s.io"
            || trial.case.children(kind).await.is_empty()
        {
            continue;
        }
        let lost = trial.lose(kind.kind).await;
        let took = trial.back(&lost, SOON).await;
        println!("{}: recreated after {} ms", kind.kind, took.as_millis());
        longest = longest.max(took);
    }
    longest
}

/// Fault catalogue: F28.
#[tokio::test]
async fn an_unwatchable_kind_delays_no_other() {
    let mut trial = Trial::running(&many()).await;
    let broken = "networkpolicies";
    // Observed once, and then no more.
    for verb in ["watch", "list"] {
        trial.rule(When::of(verb, broken), Times::Every, refused(403, "Forbidden"));
    }
    trial.slot.proxy.cut();
    let later = repairs(&trial, broken).await;
    // Never observed.
    trial.slot.proxy.forget();
    let gone = [("list", refused(404, "NotFound")), ("watch", refused(404, "NotFound"))];
    let rule = |(verb, then)| Rule { when: When::of(verb, broken), times: Times::Every, then };
    trial.restart(gone.map(rule).into()).await;
    let never = repairs(&trial, broken).await;
    println!(
        "FIGURE one kind's watch broken permanently: the slowest recreation of another kind took {} ms (was listed once) and {} ms (never)",
        later.as_millis(),
        never.as_millis()
    );
    // The promise is one second. Concurrently with other suites, this only rules out a shared
    // backoff, which is up to half a minute.
    let promised = if whole_campaign() { Duration::from_secs(1) } else { SOON / 5 };
    assert!(later < promised && never < promised, "{later:?}, {never:?}");
    trial.end().await;
}

/// Fault catalogue: F29, F30.
#[tokio::test]
async fn deletions_missed_by_a_watch_are_reverted() {
    let trial = Trial::running(&quickstart()).await;
    let away = |verb, resource| trial.rule(When::of(verb, resource), Times::Every, Fault::Refuse);
    // One watch resumes; one gets the response that its version is too old, and one gets that as an
    // event.
    trial.rule(When::of("watch", "networkpolicies"), Times::First(1), refused(410, "Expired"));
    let rules =
        [away("watch", "services"), away("list", "networkpolicies"), away("watch", "serviceaccounts")];
    let line = Fault::Insert { event: 1, line: expired() };
    trial.rule(When::of("watch", "serviceaccounts"), Times::Every, line);
    let before = trial.slot.proxy.count(|_| true);
    trial.slot.proxy.cut();
    let lost =
        [trial.lose("Service").await, trial.lose("NetworkPolicy").await, trial.lose("ServiceAccount").await];
    for rule in rules {
        trial.slot.proxy.lift(rule);
    }
    for lost in &lost {
        trial.back(lost, SOON).await;
    }
    trial.is_settled(&quickstart()).await;
    let records = trial.requests(|_| true);
    let lists = |resource| {
        let of =
            records[before..].iter().filter(|record| record.asked.verb == "list" && record.status == 200);
        of.filter(|record| record.asked.resource == resource).count()
    };
    assert_eq!((lists("services"), lists("networkpolicies")), (0, 1));
    assert!(lists("serviceaccounts") >= 1);
    trial.end().await;
}

/// Fault catalogue: F31.
#[tokio::test]
async fn dropped_events_are_covered_by_later_ones() {
    let spec = quickstart();
    join_all((1..=3).map(async |event| {
        let when = When::of("watch", "deployments");
        let skip = Rule { when, times: Times::Every, then: Fault::Skip { event } };
        let trial = Trial::behind(vec![skip]).await;
        trial.apply(&spec).await;
        trial.end().await;
    }))
    .await;
}

/// Fault catalogue: F32.
#[tokio::test]
async fn a_lost_event_is_compensated() {
    if !full("the next list of everything") {
        return;
    }
    let trial = Trial::running(&quickstart()).await;
    trial.watch_meets("networkpolicies", Fault::Skip { event: 1 }).await;
    trial.slot.quiet().await.unwrap();
    let lost = trial.lose("NetworkPolicy").await;
    let took = trial.back(&lost, RELIST + SOON).await;
    println!("FIGURE a lost event: compensated after {} s", took.as_secs());
    trial.end().await;
}

/// Fault catalogue: F33.
#[tokio::test]
async fn events_may_be_late_duplicated_and_reordered() {
    let odd = watched().into_iter().enumerate().map(|(place, resource)| {
        let millis = u64::try_from(place).unwrap() * 700 % 3000;
        let then = if place % 3 == 0 { Fault::Repeat { event: 1 } } else { Fault::Late { event: 1, millis } };
        Rule { when: When::of("watch", resource), times: Times::Every, then }
    });
    let trial = Trial::behind(odd.collect()).await;
    trial.apply(&many()).await;
    // A protective setting is turned off explicitly; omitting it would be refused.
    let mut fewer = quickstart();
    fewer["networkPolicy"] = json!({ "enabled": false });
    fewer["backup"] = json!({ "enabled": false });
    trial.apply(&fewer).await;
    let deployments = trial.case.children(super::cluster::kinds::kind("Deployment")).await;
    assert_eq!(deployments.len(), 1, "the other one was deleted");
    trial.end().await;
}

/// Fault catalogue: F35.
#[tokio::test]
async fn an_unreadable_event_causes_a_new_list() {
    let trial = Trial::running(&quickstart()).await;
    let garble = |pointer: &str, value| Fault::Garble { event: 1, pointer: pointer.to_owned(), value };
    trial.rule(When::of("watch", api::PLURAL), Times::First(1), garble("/object/metadata", json!("none")));
    trial.rule(When::of("watch", "networkpolicies"), Times::First(1), garble("/object/metadata", json!(3)));
    trial.rule(
        When::of("watch", "deployments"),
        Times::First(1),
        garble("/object/spec", json!({ "replicas": "x" })),
    );
    trial.slot.proxy.cut();
    trial.slot.quiet().await.unwrap();
    let lost = trial.lose("NetworkPolicy").await;
    trial.back(&lost, SOON).await;
    trial.apply(&with_replicas(2)).await;
    trial.end().await;
}

/// Fault catalogue: F36.
#[tokio::test]
async fn an_ending_watch_restarts_once_a_second() {
    let trial = Trial::running(&quickstart()).await;
    trial.rule(When::of("watch", "services"), Times::Every, Fault::Close { millis: 100 });
    trial.slot.proxy.cut();
    let lost = trial.lose("Service").await;
    trial.back(&lost, SOON).await;
    let started = || {
        let watch = |record: &fault_proxy::Record| {
            record.asked.verb == "watch" && record.asked.resource == "services"
        };
        let hit = trial.requests(|record| watch(record) && record.fault.is_some());
        hit.iter().map(|record| Duration::from_millis(record.millis)).collect::<Vec<_>>()
    };
    let starts = local_cluster::wait_for("six watches", SOON, async || {
        let starts = started();
        if starts.len() >= 6 { Ok(starts) } else { Err(format!("{}", starts.len())) }
    })
    .await
    .unwrap();
    // On average: each start was observed here with its own delay.
    let gaps = gaps(&starts);
    assert!(gaps.iter().sum::<Duration>() >= Duration::from_millis(900) * 5, "{starts:?}");
    trial.end().await;
}

/// The garbage collector immediately deletes what is created for a deleted resource. Recreated
/// immediately, this would continue until the operator learns that the resource is deleted.
/// Fault catalogue: F25.
#[tokio::test]
async fn nothing_is_recreated_for_a_deleted_resource() {
    let trial = Trial::running(&quickstart()).await;
    trial.watch_meets(api::PLURAL, Fault::Freeze { events: 0 }).await;
    trial.case.delete().await;
    let told = |record: &fault_proxy::Record| record.asked.resource == api::PLURAL && record.status == 404;
    local_cluster::wait_for("a status that has no resource", Duration::from_mins(1), async || {
        if trial.requests(told).is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
    behind::quiet(&trial.slot.proxy, LOOK_AGAIN / 2, SOON).await.unwrap();
    trial.end().await;
}

/// Fault catalogue: F37.
#[tokio::test]
async fn nothing_is_concluded_before_the_initial_list() {
    let mut trial = Trial::running(&quickstart()).await;
    // A change of counts alone is written up to 2 s later, or by the next operator.
    behind::quiet(&trial.slot.proxy, COUNTS + Duration::from_millis(500), SOON).await.unwrap();
    trial.stop();
    trial.slot.proxy.forget();
    let slow = |resource| Rule {
        when: When::of("list", resource),
        times: Times::Every,
        then: Fault::Delay { millis: 3000 },
    };
    let began = Instant::now();
    trial.restart(["services", "configmaps", "deployments"].map(slow).into()).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "ready before the last list");
    trial.slot.quiet().await.unwrap();
    let written = trial.requests(|record| record.asked.writes());
    assert!(written.is_empty(), "{written:#?}");
    trial.end().await;
}
