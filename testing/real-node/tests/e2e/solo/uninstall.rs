//! Uninstallation in every order: nothing hangs, no server stops unintentionally, and the data remains.
//!
//! These tests remove the operator, which all other tests need. They come last, because tests start
//! in the order of their names.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Case, OPERATOR_NAMESPACE, ROLLOUT, World, alone, quick, spec};

/// These steps wait only for the termination of a few pods.
const AT_ONCE: &str = "--timeout=60s";
const CRD: &str = "crd/logpilotclusters.logpilot.io";
const CHANNEL: &str = "kept";

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn reinstalling_the_manifest_restarts_no_pod() {
    let world = alone().await;
    let case = with_a_record(&world, "orphan").await;
    let pods = case.uids("all");
    let took = uninstall(&world).await;
    assert_serves(&case, "without").await;
    assert_eq!((case.uids("all"), case.restarts("all")), (pods.clone(), 0), "nothing stopped");

    // The next operator does what was requested in the meantime, and nothing else.
    case.patch(&json!({ "spec": { "components": { "all": { "replicas": 2 } } } }));
    world.install().await;
    case.ready().await;
    let after = case.uids("all");
    assert!(after.is_superset(&pods) && after.len() == 2, "{pods:?} {after:?}");
    println!(
        "FIGURE install.yaml deleted under a living cluster: {took:.1} s, no pod stopped, nor when it came back"
    );
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn operator_then_resource_then_crd_are_deleted() {
    let world = alone().await;
    let case = with_a_record(&world, "operator-first").await;
    uninstall(&world).await;
    let began = Instant::now();
    case.world.kubectl.must(&format!("delete logpilotcluster/{} {AT_ONCE}", case.name));
    children_are_gone(&case).await;
    let took = began.elapsed().as_secs_f64();
    case.world.kubectl.must(&format!("delete {CRD} {AT_ONCE}"));
    comes_back_with_its_data(&case).await;
    println!("FIGURE resource deleted without an operator: all but the data deleted after {took:.1} s");
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn resource_then_operator_and_crd_are_deleted() {
    let world = alone().await;
    let case = with_a_record(&world, "resource-first").await;
    let began = Instant::now();
    case.world.kubectl.must(&format!("delete logpilotcluster/{} {AT_ONCE}", case.name));
    children_are_gone(&case).await;
    let took = began.elapsed().as_secs_f64();
    // Everything in one step, as in the install command, after the annotation that a policy requires.
    case.world.kubectl.must("annotate crd servicestacks.logpilot.io logpilot.io/allow-deletion=true");
    case.world.kubectl.must(&format!("delete -f crds/ -f install.yaml {AT_ONCE}"));
    comes_back_with_its_data(&case).await;
    println!("FIGURE resource deleted: all but the data deleted after {took:.1} s");
    case.remove().await;
}

/// Without the policy the deletion is not denied, and without the operator nothing is cleaned up:
/// the data remains nevertheless.
#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn without_its_policy_the_crd_is_deleted() {
    let world = alone().await;
    let case = with_a_record(&world, "definition-first").await;
    uninstall(&world).await;
    let began = Instant::now();
    case.world.kubectl.must(&format!("delete {CRD} {AT_ONCE}"));
    children_are_gone(&case).await;
    let took = began.elapsed().as_secs_f64();
    comes_back_with_its_data(&case).await;
    println!(
        "FIGURE CRD deleted under a living cluster, by force of having no policy: ended after {took:.1} s, data kept"
    );
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn crd_deletion_is_denied_while_resources_exist() {
    let world = alone().await;
    let case = with_a_record(&world, "defined").await;
    let pods = case.uids("all");
    let refusal = case.world.kubectl.run(&format!("delete {CRD} {AT_ONCE}")).unwrap_err();
    assert!(refusal.contains("LogPilotCluster 'defined' exists"), "{refusal}");
    let crd = case.world.kubectl.get(CRD).unwrap();
    assert!(crd["metadata"]["deletionTimestamp"].is_null(), "{crd}");
    assert_serves(&case, "refused").await;
    assert_eq!((case.uids("all"), case.restarts("all")), (pods, 0));
    case.remove().await;
    case.world.kubectl.must(&format!("delete {CRD} {AT_ONCE}"));
    world.install().await;
}

/// A resource that serves and has data to lose.
async fn with_a_record<'a>(world: &'a World, name: &str) -> Case<'a> {
    // The previous test may have failed without it.
    world.install().await;
    let case = Case::new(world, name, &one_pod());
    case.ready().await;
    assert_serves(&case, "first").await;
    case
}

fn one_pod() -> Value {
    spec(&json!({ "all": quick(&json!({})) }))
}

async fn assert_serves(case: &Case<'_>, message: &str) {
    let (client, _reach) = case.answering("all").await;
    client.send(CHANNEL, message).unwrap();
    let read = client.consume(CHANNEL, message, 100).unwrap();
    assert_eq!(read.last().map(String::as_str), Some(message), "{read:?}");
}

/// Deletes the objects of install.yaml, and returns the seconds it took.
async fn uninstall(world: &World) -> f64 {
    let began = Instant::now();
    world.kubectl.must(&format!("delete -f install.yaml {AT_ONCE}"));
    let namespace = format!("namespace/{OPERATOR_NAMESPACE}");
    world.kubectl.until(&namespace, "is gone", ROLLOUT, Value::is_null).await;
    began.elapsed().as_secs_f64()
}

/// The PVC and the namespace stay, and no other object of the resource.
async fn children_are_gone(case: &Case<'_>) {
    let of_it = format!(
        "all,configmap,secret,pdb,serviceaccount,networkpolicy -n {} -l app.kubernetes.io/instance={}",
        case.namespace, case.name
    );
    let none = |seen: &Value| seen["items"].as_array().is_none_or(Vec::is_empty);
    case.world.kubectl.until(&of_it, "are gone", ROLLOUT, none).await;
    let claim = case.world.kubectl.get(&format!("pvc/{}-data -n {}", case.name, case.namespace)).unwrap();
    assert!(claim["metadata"]["deletionTimestamp"].is_null(), "{claim}");
    assert_eq!(claim["status"]["phase"], "Bound");
}

async fn comes_back_with_its_data(case: &Case<'_>) {
    case.world.install().await;
    case.apply(&one_pod()).unwrap();
    case.ready().await;
    let (client, _reach) = case.answering("all").await;
    assert_eq!(client.consume(CHANNEL, "heir", 100).unwrap(), ["first"]);
}
