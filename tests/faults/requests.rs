//! Requests that fail, are carried out nevertheless, or are never answered.

use std::time::{Duration, Instant};

use fault_proxy::{Fault, Reply, Rule, Times, When};
use kube::api::{DeleteParams, PostParams};
use local_cluster::wait_for;
use logpilot_operator::api;
use rstest::rstest;
use serde_json::json;

use super::{
    cluster::{
        self,
        case::{SOON, problems},
        kinds,
    },
    full, many, quickstart,
    trial::{Trial, gaps, refused},
    with_replicas,
};

/// Fault catalogue: F12.
#[tokio::test]
async fn an_object_behind_a_504_is_created_once() {
    let trial = Trial::behind(Vec::new()).await;
    let timeout = Fault::AnswerAfter(Reply::new(504, "Timeout"));
    let rule = trial.rule(When::writes(), Times::First(12), timeout);
    trial.apply(&quickstart()).await;
    assert_eq!(trial.slot.proxy.acted(rule), 12);
    // A key that was generated twice, or mistaken for another, would have rolled the pods.
    let deployment = trial.case.child("Deployment", &format!("{}-all", trial.case.name)).await;
    assert_eq!(deployment.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"], "1");
    trial.end().await;
}

/// A change whose status write is in transit for this long.
async fn told_late(millis: u64) -> Trial {
    let trial = Trial::running(&quickstart()).await;
    let rule = trial.rule(When::of("patch", api::PLURAL), Times::First(1), Fault::Delay { millis });
    trial.case.apply(with_replicas(2)).await;
    trial.hit(rule).await;
    trial
}

/// The API server ignores a UID in a status write: for a resource recreated in the meantime, the
/// write would report the state of its predecessor.
#[tokio::test]
async fn a_status_write_never_reaches_the_next_resource() {
    let trial = told_late(1500).await;
    trial.case.delete().await;
    let live = trial.case.apply(quickstart()).await;
    // Not until Ready: that waits for the garbage collector, which learns of a new kind every 30 s.
    trial.case.until("told of", SOON, |status| status["observedGeneration"].is_i64()).await;
    let late = trial.requests(|record| record.fault.is_some());
    assert_eq!(late.iter().map(|record| record.status).collect::<Vec<_>>(), [409], "{late:#?}");
    let told = trial.slot.witness.history(&trial.case).await;
    let told: Vec<_> = told
        .iter()
        .filter(|seen| seen.object["metadata"]["uid"] == json!(live.metadata.uid))
        .map(|seen| &seen.object["status"]["observedGeneration"])
        .filter(|generation| !generation.is_null())
        .collect();
    assert!(!told.is_empty() && told.iter().all(|generation| **generation == 1), "{told:?}");
    trial.end().await;
}

#[tokio::test]
async fn a_status_overtaken_by_an_edit_is_rewritten() {
    let trial = told_late(500).await;
    trial.case.annotate("example.com/note", "overtaken").await;
    trial.is_settled(&with_replicas(2)).await;
    let told = trial.requests(|record| record.asked.resource == api::PLURAL);
    let late = told.iter().position(|record| record.fault.is_some()).unwrap();
    let then: Vec<_> = told[late..].iter().map(|it| (it.asked.verb.as_str(), it.status)).take(3).collect();
    assert_eq!(then, [("patch", 409), ("get", 200), ("patch", 200)]);
    let pause = told[late + 2].millis - told[late].millis;
    assert!(pause < 1000, "{pause} ms after it was sent first, of which 500 on its way");
    trial.end().await;
}

/// Fault catalogue: F13.
#[tokio::test]
async fn a_third_of_all_requests_may_fail() {
    // The same third every time.
    let unlucky = (1..400_u64).filter(|nth| ((nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) & 0xff) < 85);
    let rules = unlucky.map(|nth| {
        let then = if nth % 2 == 0 { refused(500, "InternalError") } else { refused(502, "BadGateway") };
        Rule { when: When::default(), times: Times::Nth(nth), then }
    });
    let trial = Trial::behind(rules.collect()).await;
    trial.apply(&quickstart()).await;
    trial.apply(&with_replicas(2)).await;
    let failed = trial.requests(|record| record.status >= 500).len();
    let written = trial.requests(|record| record.asked.writes()).len();
    println!("{failed} requests failed, {written} were writes");
    assert!(failed >= 15 && written <= 120, "{failed} failed, {written} were writes");
    trial.end().await;
}

/// Fault catalogue: F14.
#[tokio::test]
async fn retry_after_is_respected() {
    let trial = Trial::running(&quickstart()).await;
    let later = Reply { retry_after_seconds: Some(3), ..Reply::new(429, "TooManyRequests") };
    let rule = trial.rule(When::writes(), Times::Every, Fault::Answer(later));
    let before = trial.slot.proxy.count(|_| true);
    let lost = trial.lose("NetworkPolicy").await;
    let attempts = gaps(&trial.attempted("networkpolicies", before, 3).await);
    assert!(attempts.iter().all(|gap| *gap >= Duration::from_millis(2900)), "{attempts:?}");
    trial.slot.proxy.lift(rule);
    trial.back(&lost, SOON).await;
    trial.is_settled(&quickstart()).await;
    trial.end().await;
}

/// Fault catalogue: F16.
#[tokio::test]
async fn conflicts_are_retried_with_backoff() {
    let trial = Trial::running(&quickstart()).await;
    let when = When { resource: Some("networkpolicies".to_owned()), ..When::writes() };
    trial.rule(when, Times::First(6), refused(409, "Conflict"));
    let before = trial.slot.proxy.count(|_| true);
    let lost = trial.lose("NetworkPolicy").await;
    trial.back(&lost, SOON).await;
    trial.is_settled(&quickstart()).await;
    let attempts = gaps(&trial.attempts("networkpolicies", before));
    // Each attempt is two writes, as a new object and as the known one, and an event may have
    // advanced one of them.
    assert!(attempts.len() <= 8, "{attempts:?}");
    assert!(attempts.iter().max() >= Some(&Duration::from_millis(1400)), "{attempts:?}");
    trial.end().await;
}

#[rstest]
#[case(403, "Forbidden")]
// No later event is needed to trigger the retry.
#[case(409, "Conflict")]
#[tokio::test]
async fn a_refused_status_is_retried_with_backoff(#[case] code: u16, #[case] reason: &str) {
    let trial = Trial::running(&quickstart()).await;
    let status = When { subresource: Some("status".to_owned()), ..When::writes() };
    trial.rule(status, Times::First(3), refused(code, reason));
    let before = trial.slot.proxy.count(|_| true);
    let mut spec = quickstart();
    // One write, and no event after it.
    spec["networkPolicy"] = json!({ "clients": [{ "namespaceSelector": {} }] });
    trial.apply(&spec).await;
    // Another event may have occurred in between; a constant second would be no backoff.
    let attempts = gaps(&trial.attempts(api::PLURAL, before));
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert!(attempts[2] >= Duration::from_millis(2800), "{attempts:?}");
    trial.end().await;
}

/// Fault catalogue: F18, F20.
#[tokio::test]
async fn refused_objects_block_no_other_and_are_reported() {
    let trial = Trial::behind(Vec::new()).await;
    let refuse = |resource: &str, status, reason: &str, message: &str| {
        let reply = Reply { message: message.to_owned(), ..Reply::new(status, reason) };
        let when = When { resource: Some(resource.to_owned()), ..When::writes() };
        trial.rule(when, Times::Every, Fault::Answer(reply))
    };
    let rules = [
        refuse("poddisruptionbudgets", 422, "Invalid", "spec.maxUnavailable: Invalid value: 1"),
        refuse("networkpolicies", 413, "RequestEntityTooLarge", "etcdserver: request is too large"),
    ];
    let mut spec = quickstart();
    spec["components"]["all"]["podDisruptionBudget"] = json!({ "maxUnavailable": 1 });
    trial.case.apply(spec.clone()).await;
    let status = trial
        .case
        .until("told", SOON, |status| {
            let told = problems(status);
            told.contains("Invalid") && told.contains("TooLarge")
        })
        .await;
    assert!(status.to_string().contains("spec.maxUnavailable: Invalid value: 1"), "{status:#}");
    trial
        .case
        .child_until("Deployment", &format!("{}-all", trial.case.name), "running beside them", SOON, |seen| {
            seen.data.pointer("/status/readyReplicas").is_some()
        })
        .await;
    for rule in rules {
        trial.slot.proxy.lift(rule);
    }
    trial.is_settled(&spec).await;
    trial.end().await;
}

/// Fault catalogue: F19.
#[tokio::test]
async fn a_denying_admission_policy_is_quoted() {
    let trial = Trial::running(&quickstart()).await;
    let (name, client) = (format!("denies-{}", trial.case.name), &trial.case.client);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": name },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": ["networkpolicies"],
                }],
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": trial.case.ns() } },
            },
            "validations": [{ "expression": "false", "message": "networks are for the platform team" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": name }, "spec": { "policyName": name, "validationActions": ["Deny"] },
    });
    cluster::apply(client, &policy).await;
    let binding = cluster::apply(client, &binding).await;
    let policies = kinds::api(client, kinds::kind("NetworkPolicy"), trial.case.ns());
    let trying = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "trying" },
        "spec": { "podSelector": {} },
    });
    let trying = serde_json::from_value(trying).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    wait_for("the policy", SOON, async || match policies.create(&dry, &trying).await {
        Err(error) if error.to_string().contains(&name) => Ok(()),
        other => Err(format!("{:?}", other.map(drop))),
    })
    .await
    .unwrap();
    let lost = trial.lose("NetworkPolicy").await;
    let status = trial
        .case
        .until("told", SOON, |status| problems(status).contains("AdmissionDenied"))
        .await
        .to_string();
    assert!(status.contains(&name) && status.contains("platform team"), "{status}");
    let resource = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
    ));
    let bindings = kube::Api::<kube::api::DynamicObject>::all_with(client.clone(), &resource);
    bindings.delete(&binding.metadata.name.unwrap(), &DeleteParams::default()).await.unwrap();
    trial.back(&lost, SOON).await;
    trial.is_settled(&quickstart()).await;
    trial.end().await;
}

/// Fault catalogue: F21.
#[tokio::test]
async fn truncated_responses_are_requested_again() {
    let cut = |when| Rule { when, times: Times::First(6), then: Fault::Truncate { bytes: 40 } };
    let lists = When { verb: Some("list".to_owned()), ..When::default() };
    let trial = Trial::behind(vec![cut(lists), cut(When::writes())]).await;
    trial.apply(&quickstart()).await;
    let cut = trial.requests(|record| record.fault.is_some()).len();
    assert_eq!(cut, 12);
    trial.end().await;
}

/// Fault catalogue: F22, F23.
#[tokio::test]
async fn an_unanswered_write_times_out_and_is_retried() {
    let trial = Trial::behind(Vec::new()).await;
    trial.rule(When::of("patch", "services"), Times::Nth(1), Fault::Hang);
    // Carried out, and answered at a byte per second.
    trial.rule(When::of("patch", "deployments"), Times::Nth(1), Fault::Throttle { bytes_per_second: 1 });
    let began = Instant::now();
    trial.apply(&quickstart()).await;
    let took = began.elapsed();
    println!("FIGURE writes without an answer: converged after {} s", took.as_secs());
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(40), "{took:?}");
    assert_eq!(trial.attempts("services", 0).len(), 2);
    trial.end().await;
}

/// Fault catalogue: F24.
#[tokio::test]
async fn everything_may_take_two_seconds() {
    let trial = Trial::behind(Vec::new()).await;
    trial.rule(When::default(), Times::Every, Fault::Delay { millis: 2000 });
    let began = Instant::now();
    trial.apply(&many()).await;
    println!("FIGURE 2 s for each request: everything converged after {} s", began.elapsed().as_secs());
    assert!(began.elapsed() < Duration::from_secs(60));
    trial.end().await;
}

/// An outage of this length, with one change that the operator knows and could not carry out, and
/// one that it has not seen.
async fn outage(seconds: u64) {
    let trial = Trial::running(&quickstart()).await;
    let unwell = trial.rule(When::writes(), Times::Every, Fault::Refuse);
    trial.case.apply(with_replicas(2)).await;
    trial.hit(unwell).await;
    let away = trial.rule(When::default(), Times::Every, Fault::Refuse);
    trial.slot.proxy.cut();
    let lost = trial.lose("Service").await;
    // The time window is the fault itself.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    trial.slot.proxy.lift(unwell);
    trial.slot.proxy.lift(away);
    let (before, began) = (trial.slot.proxy.count(|_| true), Instant::now());
    trial.back(&lost, SOON).await;
    trial.is_settled(&with_replicas(2)).await;
    let took = began.elapsed();
    let requests = trial.slot.proxy.count(|_| true) - before;
    trial.slot.proxy.forget();
    // The requests of a new operator at startup, including watches.
    let mut trial = trial;
    trial.restart(Vec::new()).await;
    trial.slot.quiet().await.unwrap();
    let steady = trial.slot.proxy.count(|_| true);
    println!(
        "FIGURE API server away for {seconds} s: converged {} ms after, {requests} requests, a start sends {steady}",
        took.as_millis()
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(requests <= 2 * steady, "{requests} requests, a start sends {steady}");
    trial.end().await;
}

/// Fault catalogue: F15.
#[tokio::test]
async fn the_operator_recovers_from_an_api_server_outage() {
    outage(6).await;
}

/// Fault catalogue: F15.
#[tokio::test]
async fn the_operator_recovers_from_a_one_minute_outage() {
    if full("an outage of 60 s") {
        outage(60).await;
    }
}
