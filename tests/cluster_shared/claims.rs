//! Two resources that need the same host and path.

use super::*;

fn behind(class: &str, host: &str) -> Value {
    let mut spec = quickstart();
    spec["exposure"] = json!({ "ingress": { "className": class, "rules": [{ "host": host }] } });
    spec
}

/// The API server records ages to the second.
pub async fn grows_older(case: &Case) {
    let made = case.get().await.metadata.creation_timestamp.unwrap().0;
    wait_for(format!("{} to be older than the next resource", case.name), SOON, async || {
        let now = k8s_openapi::jiff::Timestamp::now();
        (now.as_second() > made.as_second()).then_some(()).ok_or_else(|| now.to_string())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_younger_resource_waits_for_a_host() {
    // Age decides, not the name.
    let (older, younger) = (case("claims-z").await, case("claims-a").await);
    older.apply(behind("nginx", "claims.example.com")).await;
    older.ready().await;
    grows_older(&older).await;
    let since = older.world.marker().await;
    younger.apply(behind("nginx", "claims.example.com")).await;
    let status = younger.reason("Ready", "False", "RouteConflict").await;
    let told = "host 'claims.example.com' path '/' is already used by LogPilotCluster 'claims-z'";
    assert!(message(&status, "Ready").contains(told), "{status:#}");
    assert_eq!(condition(&status, "Stalled"), ("True".into(), "RouteConflict".into()));
    assert_eq!(status["url"], Value::Null, "the address is another's");
    // Everything else runs.
    younger.until("its pod", SOON, |status| status["pods"] == "1/1").await;
    younger.child("Service", "claims-a-all").await;
    assert!(kinds::get(&younger.client, kind("Ingress"), "claims-a", "claims-a").await.is_none());
    assert_eq!(condition(&older.status().await, "Ready").0, "True");
    if since.is_some() {
        // Its status may still count its own pods.
        let requests = older.requests(since.as_ref()).await;
        assert_eq!(writes(&requests).len(), 0, "the older one is not touched: {requests:#?}");
    }

    older.apply(behind("nginx", "elsewhere.claims.example.com")).await;
    assert_eq!(younger.ready().await["url"], "http://claims.example.com");
    let made = younger.child("Ingress", "claims-a").await;

    // The conflict is back: the younger resource keeps its objects, and the conflict is reported.
    older.apply(behind("nginx", "claims.example.com")).await;
    younger.reason("Ready", "False", "RouteConflict").await;
    older.ready().await;
    let mut wish = behind("nginx", "claims.example.com");
    wish["exposure"]["ingress"]["annotations"] = json!({ "example.com/a": "b" });
    younger.apply(wish).await;
    younger.reason("Ready", "False", "RouteConflict").await;
    let held = younger.child("Ingress", "claims-a").await;
    assert_eq!(held.metadata.resource_version, made.metadata.resource_version);

    older.delete().await;
    younger.ready().await;
    let freed = younger.child("Ingress", "claims-a").await;
    assert_eq!(
        (uid(&freed), freed.metadata.annotations.unwrap()["example.com/a"].as_str()),
        (uid(&made), "b")
    );
}

#[tokio::test]
async fn both_route_kinds_wait_for_a_shared_host() {
    let on_gateway = |protocol: &str| {
        let mut spec = quickstart();
        spec["exposure"] = json!({ "gateway": {
            "parentRefs": [{ "name": "claims", "namespace": "infra" }],
            "rules": [{ "host": "claims-gw.example.com", "protocol": protocol }],
        } });
        spec
    };
    let (older, younger) = (case("claims-gw-a").await, case("claims-gw-b").await);
    older.apply(on_gateway("Http")).await;
    older.ready().await;
    younger.apply(on_gateway("Grpc")).await;
    let status = younger.reason("Ready", "False", "RouteConflict").await;
    assert!(message(&status, "Ready").contains("spec.exposure.gateway: host"), "{status:#}");
    assert!(kinds::get(&younger.client, kind("GRPCRoute"), "claims-gw-b", "claims-gw-b").await.is_none());
    // A disabled exposure counts as free.
    let mut off = on_gateway("Http");
    off["exposure"]["gateway"]["enabled"] = json!(false);
    older.apply(off).await;
    younger.child_until("GRPCRoute", "claims-gw-b", "made", SOON, |_| true).await;
    younger.ready().await;
}
