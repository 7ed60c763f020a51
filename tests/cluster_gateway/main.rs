//! Gateway API and patches on a real API server, with the Gateway API's own CRDs. No Gateway
//! controller runs here: the tests write its status.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::duration_suboptimal_units,
    clippy::single_match_else,
    clippy::default_trait_access,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    reason = "a test that cannot continue fails"
)]

use harness::cluster;
use std::time::Duration;

use cluster::{
    case::{Case, SOON, condition, message, problems, writes},
    kinds::{self, kind},
    shared_operator,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const IMAGE: &str = "danpung2/logpilot:1.2.0";

async fn case(name: &str) -> Case {
    Case::new(shared_operator().await, name).await
}

fn spec(gateway: &Value) -> Value {
    json!({
        "image": IMAGE, "components": { "all": { "replicas": 1 } }, "exposure": { "gateway": gateway },
    })
}

fn conditions(types: [&str; 2], verdict: (&str, &str, &str)) -> Value {
    let (status, reason, message) = verdict;
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    // The first condition is the one under test; a controller sets the other one to good.
    json!([condition(types[0], status, reason), condition(types[1], "True", types[1])])
}

/// Writes a status as a Gateway controller does.
async fn say(case: &Case, kind_name: &str, name: &str, status: Value) {
    let mut status = status;
    let object = case.child(kind_name, name).await;
    let generation = object.metadata.generation.unwrap();
    stamp(&mut status, generation);
    let api = kinds::api(&case.client, kind(kind_name), case.ns());
    let parameters =
        PatchParams { field_manager: Some("gateway-controller".into()), ..PatchParams::default() };
    api.patch_status(name, &parameters, &Patch::Merge(json!({ "status": status }))).await.unwrap();
}

fn stamp(value: &mut Value, generation: i64) {
    match value {
        Value::Object(fields) if fields.contains_key("lastTransitionTime") => {
            fields.insert("observedGeneration".into(), generation.into());
        }
        Value::Object(fields) => fields.values_mut().for_each(|it| stamp(it, generation)),
        Value::Array(items) => items.iter_mut().for_each(|it| stamp(it, generation)),
        _ => {}
    }
}

fn answer(parent: Value, verdict: (&str, &str, &str)) -> Value {
    json!({ "parents": [{
        "parentRef": parent, "controllerName": "example.com/gateway",
        "conditions": conditions(["Accepted", "ResolvedRefs"], verdict),
    }] })
}

#[tokio::test]
async fn a_gateway_and_routes_are_written_once() {
    let case = case("gw-made").await;
    let since = case.world.marker().await;
    case.apply(spec(&json!({
        "className": "envoy",
        "rules": [
            { "host": "a.example.com" }, { "host": "a.example.com", "path": "/v2" }, { "host": "*.b.example.com" },
            { "host": "grpc.example.com", "protocol": "Grpc", "path": "/logpilot.LogService/Send" },
        ],
        "tls": { "secretName": "tls", "issuerRef": { "kind": "ClusterIssuer", "name": "letsencrypt" } },
    })))
    .await;
    let status = case.ready().await;
    assert_eq!(status["url"], "https://a.example.com");
    // Without an answer of a controller: reported, because a wrong class would never cause one.
    assert!(problems(&status).contains("GatewayNotProgrammed"), "{status:#}");
    assert!(problems(&status).contains("RouteNotAccepted"), "{status:#}");
    for (kind, name) in [
        ("Gateway", "gw-made"),
        ("HTTPRoute", "gw-made"),
        ("HTTPRoute", "gw-made-2"),
        ("HTTPRoute", "gw-made-redirect"),
        ("GRPCRoute", "gw-made"),
    ] {
        case.child(kind, name).await;
    }
    case.annotate("look", "again").await;
    case.ready().await;
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        let ours: Vec<_> = writes(&requests)
            .into_iter()
            .filter(|it| ["gateways", "httproutes", "grpcroutes"].contains(&it.resource.as_str()))
            .collect();
        assert_eq!(ours.len(), 5, "one write each, and none for defaults of the CRD's schema: {ours:#?}");
    }
    let log = case.world.log_of("stores this object otherwise");
    assert!(!log.contains("gw-made"), "{log}");
    // Removed and restored.
    case.apply(spec(
        &json!({ "enabled": false, "className": "envoy", "rules": [{ "host": "a.example.com" }] }),
    ))
    .await;
    for (kind, name) in [("Gateway", "gw-made"), ("HTTPRoute", "gw-made"), ("GRPCRoute", "gw-made")] {
        case.gone(kind, name, SOON).await;
    }
    let status = case.ready().await;
    assert!(!problems(&status).contains("RouteNotAccepted"), "{status:#}");
}

#[tokio::test]
async fn a_refused_route_is_not_ready_until_accepted() {
    let case = case("gw-refused").await;
    case.apply(spec(&json!({
        "parentRefs": [{ "name": "shared", "namespace": "infra" }], "rules": [{ "host": "a.example.com" }],
    })))
    .await;
    case.ready().await;
    let parent = json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "shared", "namespace": "infra" });
    let refusal = ("False", "NotAllowedByListeners", "namespace is not allowed");
    say(&case, "HTTPRoute", "gw-refused", answer(parent.clone(), refusal)).await;
    let status = case.reason("Ready", "False", "RouteNotAccepted").await;
    assert_eq!(condition(&status, "Stalled"), ("True".into(), "RouteNotAccepted".into()));
    let told = message(&status, "Ready");
    for word in [
        "HTTPRoute gw-refused/gw-refused",
        "infra/shared",
        "NotAllowedByListeners",
        "namespace is not allowed",
    ] {
        assert!(told.contains(word), "{told}");
    }
    say(&case, "HTTPRoute", "gw-refused", answer(parent.clone(), ("True", "Accepted", ""))).await;
    let status = case.ready().await;
    assert_eq!(problems(&status).len(), 0, "{status:#}");
    assert_eq!(status["url"], "a.example.com");
    // Accepted, and then a backend that the controller does not find.
    let mut lost = answer(parent, ("True", "Accepted", ""));
    lost["parents"][0]["conditions"][1]["status"] = json!("False");
    lost["parents"][0]["conditions"][1]["reason"] = json!("BackendNotFound");
    say(&case, "HTTPRoute", "gw-refused", lost).await;
    case.reason("Ready", "False", "RouteNotAccepted").await;
    // Nothing was written into the other namespace.
    assert!(kinds::get(&case.client, kind("Gateway"), "infra", "shared").await.is_none());
}

#[tokio::test]
async fn a_gateway_failure_quotes_its_controller() {
    let case = case("gw-class").await;
    case.apply(spec(&json!({ "className": "nobody", "rules": [{ "host": "a.example.com" }] }))).await;
    case.ready().await;
    let verdict = ("False", "InvalidParameters", "no such class");
    say(
        &case,
        "Gateway",
        "gw-class",
        json!({ "conditions": conditions(["Accepted", "Programmed"], verdict) }),
    )
    .await;
    let status = case.reason("Ready", "False", "GatewayNotProgrammed").await;
    assert!(message(&status, "Ready").contains("InvalidParameters: no such class"), "{status:#}");
    let good = ("True", "Accepted", "");
    say(&case, "Gateway", "gw-class", json!({ "conditions": conditions(["Accepted", "Programmed"], good) }))
        .await;
    let parent = json!({ "name": "gw-class", "sectionName": "http" });
    say(&case, "HTTPRoute", "gw-class", answer(parent, good)).await;
    let status = case.until("no problem", SOON, |status| problems(status).is_empty()).await;
    assert_eq!(condition(&status, "Ready").0, "True");
}

#[tokio::test]
async fn patches_are_written_once_and_follow_the_spec() {
    let case = case("patched").await;
    let base = json!({ "image": IMAGE, "components": { "all": { "replicas": 1, "tolerations": [{ "key": "dedicated", "operator": "Exists" }] } } });
    let mut spec = base.clone();
    spec["patches"] = json!([
        {
            "target": { "kind": "Deployment", "name": "patched-all" }, "type": "Strategic",
            "patch": { "spec": { "template": { "spec": {
                "hostAliases": [{ "ip": "10.0.0.10", "hostnames": ["legacy.example.com"] }],
                "tolerations": null,
            } } } },
        },
        { "target": { "kind": "Service", "name": "patched-rest" }, "patch": { "metadata": { "labels": { "a": "b" } } } },
    ]);
    let since = case.world.marker().await;
    case.apply(spec.clone()).await;
    let status = case.ready().await;
    assert_eq!(condition(&status, "Warning").1, "PatchUnmatched", "{status:#}");
    assert!(message(&status, "Warning").contains("patched-rest"), "{status:#}");
    let pod = |object: &kube::api::DynamicObject| object.data["spec"]["template"]["spec"].clone();
    let seen = pod(&case.child("Deployment", "patched-all").await);
    assert_eq!(seen["hostAliases"][0]["ip"], "10.0.0.10");
    assert!(seen.get("tolerations").is_none(), "removed by null: {seen:#}");
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        assert_eq!(
            writes(&requests).iter().filter(|it| it.resource == "deployments").count(),
            1,
            "{requests:#?}"
        );
    }
    // A manual change is reverted, as for every field that the operator owns.
    let edit = json!({ "spec": { "template": { "spec": { "hostAliases": null } } } });
    kinds::edit(&case.client, kind("Deployment"), case.ns(), "patched-all", &edit).await;
    case.child_until("Deployment", "patched-all", "repaired", Duration::from_secs(2), |seen| {
        pod(seen)["hostAliases"][0]["ip"] == "10.0.0.10"
    })
    .await;
    // A refused patch leaves everything unchanged.
    spec["patches"][0]["patch"] = json!({ "spec": { "replicas": 5 } });
    let since = case.world.marker().await;
    case.apply(spec).await;
    let status = case.reason("Accepted", "False", "InvalidSpec").await;
    assert!(message(&status, "Accepted").contains("spec.patches[0].patch.spec.replicas"), "{status:#}");
    let requests = case.requests(since.as_ref()).await;
    assert_eq!(writes(&requests).len(), 0, "{requests:#?}");
    case.apply(base).await;
    case.ready().await;
    assert!(pod(&case.child("Deployment", "patched-all").await).get("hostAliases").is_none());
}

/// `kubectl apply` without `--server-side` sends an update as a merge patch, in which `null` is
/// lost; `$patch: delete` is not.
#[tokio::test]
async fn patched_removals_survive_kubectl_apply() {
    let case = case("kubectl").await;
    let Some(plane) = case.world.env.control_plane() else {
        println!("skipped: kubectl is the local control plane's");
        return;
    };
    let apply = |patch: Value| {
        let manifest = case.manifest(&json!({
            "image": IMAGE, "components": { "all": { "replicas": 1, "tolerations": [{ "key": "dedicated", "operator": "Exists" }] } },
            "patches": [{ "target": { "kind": "Deployment", "name": "kubectl-all" }, "type": "Strategic", "patch": patch }],
        }));
        let file = std::env::temp_dir().join(format!("patched-{}.json", std::process::id()));
        std::fs::write(&file, manifest.to_string()).unwrap();
        let output = std::process::Command::new(plane.tool("kubectl"))
            .arg("--kubeconfig")
            .arg(plane.admin_kubeconfig_path())
            .args(["apply", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        std::fs::remove_file(file).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let tolerations = async || {
        case.child("Deployment", "kubectl-all").await.data["spec"]["template"]["spec"]
            .get("tolerations")
            .cloned()
    };
    apply(json!({ "spec": { "minReadySeconds": 1 } }));
    case.ready().await;
    assert_eq!(tolerations().await.map(|it| it[0]["key"].clone()), Some(json!("dedicated")));
    // A `null` would be lost here: the API server removes it from what it merges.
    apply(json!({ "spec": { "template": { "spec": { "tolerations": { "$patch": "delete" } } } } }));
    case.ready().await;
    assert_eq!(tolerations().await, None);
}
