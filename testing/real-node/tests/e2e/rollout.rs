//! A change of image or configuration, while clients write.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{AS_LIBRARIES, Case, ROLLOUT, SERVER_IMAGE, assert_unharmed, quick, shared, spec};

/// The examples' image under another name: a rollout for Kubernetes, without a download.
const NEXT: &str = "danpung2/logpilot:1.2.0-next";
/// Long enough for the two rollouts of a test on a given cluster.
const SECONDS: u64 = 60;

/// An endpoint of the server that shows its configuration, including `info.stage`.
fn shown(stage: &str) -> Value {
    json!({ "management": { "info": { "env": { "enabled": true } } }, "info": { "stage": stage } })
}

/// Returns the `info.stage` of a pod's server.
fn stage(case: &Case<'_>, pod: &Value) -> Result<Value, String> {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let path = format!("/api/v1/namespaces/{}/pods/{name}:8081/proxy/actuator/info", case.namespace);
    let said = case.world.kubectl.run(&format!("get --raw {path}"))?;
    let said: Value = serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
    Ok(said["stage"].clone())
}

/// Patches, and waits until the new pods are ready and the old ones deleted.
async fn roll(case: &Case<'_>, what: &str, components: &[&str], patch: &Value) {
    let old: Vec<Value> = components.iter().flat_map(|component| case.pods(component)).collect();
    let began = Instant::now();
    case.patch(patch);
    case.ready().await;
    let ready = began.elapsed();
    for pod in &old {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let pod = format!("pod/{name} -n {}", case.namespace);
        case.world.kubectl.until(&pod, "is gone", ROLLOUT, Value::is_null).await;
    }
    println!(
        "FIGURE {}, {what}: Ready after {:.1} s, old pods deleted after {:.1} s",
        case.name,
        ready.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
}

/// Rolls image and configuration of these components while clients write to each of these addresses.
async fn rolls_unnoticed(case: &Case<'_>, components: &[&str], writers: &[(&str, String, &[&str])]) {
    case.ready().await;
    let mut loads = Vec::new();
    for (name, to, more) in writers {
        loads.push((name, case.write(name, to, SECONDS, more).await));
    }
    if let Some(nodes) = case.world.nodes("a rollout to another image") {
        nodes.tag(&format!("docker.io/{SERVER_IMAGE}"), &format!("docker.io/{NEXT}"));
        roll(case, "image", components, &json!({ "spec": { "image": NEXT } })).await;
        for pod in components.iter().flat_map(|component| case.pods(component)) {
            assert_eq!(pod["spec"]["containers"][0]["image"], NEXT);
        }
    }
    roll(case, "configuration", components, &json!({ "spec": { "config": { "overlay": shown("second") } } }))
        .await;
    for pod in components.iter().flat_map(|component| case.pods(component)) {
        assert_eq!(stage(case, &pod).unwrap(), "second");
    }
    for (_, load) in &loads {
        load.stop();
    }
    for (name, load) in loads {
        assert_unharmed(&format!("{}, {name}", case.name), &load.report().await);
    }
    for component in components {
        assert_eq!(case.restarts(component), 0, "{component}");
    }
}

fn service(case: &str, component: &str, protocol: &str) -> String {
    let port = if protocol == "grpc" { 50051 } else { 8080 };
    format!("{protocol}://{case}-{component}.{case}.svc:{port}")
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_single_pod_rollout_loses_no_request() {
    let name = "rollout-one";
    let world = shared().await;
    let case = Case::new(&world, name, &spec(&json!({ "all": quick(&json!({})) })));
    let (rest, grpc) = (service(name, "all", "http"), service(name, "all", "grpc"));
    rolls_unnoticed(&case, &["all"], &[("kept-rest", rest, AS_LIBRARIES), ("kept-grpc", grpc, AS_LIBRARIES)])
        .await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_shared_volume_rollout_loses_no_request() {
    let name = "rollout-more";
    let two = quick(&json!({ "replicas": 2 }));
    let world = shared().await;
    let case = Case::new(&world, name, &spec(&json!({ "rest": two, "grpc": two })));
    let (rest, grpc) = (service(name, "rest", "http"), service(name, "grpc", "grpc"));
    // Without any retry.
    let fresh: &[&str] = &["--fresh-connections"];
    let writers = [
        ("kept-rest", rest.clone(), AS_LIBRARIES),
        ("fresh-rest", rest, fresh),
        ("kept-grpc", grpc, AS_LIBRARIES),
    ];
    rolls_unnoticed(&case, &["rest", "grpc"], &writers).await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn the_server_shows_the_changed_configuration() {
    let mut first = spec(&json!({ "all": quick(&json!({})), "rest": quick(&json!({ "replicas": 2 })) }));
    first["config"]["overlay"] = shown("first");
    let world = shared().await;
    let case = Case::new(&world, "config-reaches", &first);
    let say = |expected: &str| {
        for pod in ["all", "rest"].iter().flat_map(|component| case.pods(component)) {
            assert_eq!(stage(&case, &pod).unwrap(), expected, "{}", pod["metadata"]["name"]);
        }
    };
    case.ready().await;
    say("first");
    let second = json!({ "spec": { "config": { "overlay": { "info": { "stage": "second" } } } } });
    roll(&case, "configuration", &["all", "rest"], &second).await;
    say("second");
    let back = json!({ "spec": { "config": { "overlay": { "info": { "stage": "first" } } } } });
    roll(&case, "configuration reverted", &["all", "rest"], &back).await;
    say("first");
    case.remove().await;
}
