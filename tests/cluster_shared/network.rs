//! Network policies and the namespace's limits on a real API server.

use kube::api::PostParams;

use super::*;

#[tokio::test]
async fn network_policies_are_optional_and_follow_the_spec() {
    let case = case("policies").await;
    let mut spec = quickstart();
    case.apply(spec.clone()).await;
    case.ready().await;
    let rules = async |way: &str| case.child("NetworkPolicy", "policies-all").await.data["spec"][way].clone();
    assert_eq!(
        rules("ingress").await[0],
        json!({ "ports": [{ "port": 8080, "protocol": "TCP" }, { "port": 50051, "protocol": "TCP" }] })
    );
    assert_eq!(rules("ingress").await[1]["ports"][0]["port"], 8081);
    // The API server accepts every form of a peer, and stores it as written.
    spec["networkPolicy"] = json!({
        "clients": [
            { "namespaceSelector": {} }, { "podSelector": { "matchLabels": { "a": "b" } } },
            { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] }, { "cidr": "2001:db8::/32" },
        ],
        "monitoring": { "namespaceSelector": { "matchLabels": { "team": "sre" } }, "podSelector": {} },
        "egress": [{ "to": [{ "cidr": "10.0.0.1/32" }], "ports": [{ "port": 443, "endPort": 445 }, { "port": 5353, "protocol": "UDP" }] }],
    });
    case.apply(spec.clone()).await;
    case.ready().await;
    assert_eq!(rules("ingress").await[0]["from"].as_array().unwrap().len(), 4);
    assert_eq!(rules("egress").await[1]["ports"][0]["endPort"], 445);
    let since = case.world.marker().await;
    case.annotate("look", "again").await;
    // The scrapers are omitted only where the default is written explicitly.
    let monitoring =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } } });
    spec["networkPolicy"] = json!({ "clients": [], "monitoring": monitoring });
    case.apply(spec.clone()).await;
    case.child_until("NetworkPolicy", "policies-all", "closed", SOON, |seen| {
        seen.data["spec"]["ingress"].as_array().unwrap().len() == 1
    })
    .await;
    case.ready().await;
    if since.is_some() {
        // The reconcile wrote nothing: the stored form of every peer is the written one.
        let requests = case.requests(since.as_ref()).await;
        assert_eq!(writes(&requests).len(), 1, "{requests:#?}");
    }
    spec["networkPolicy"] = json!({ "enabled": false, "clients": [] });
    case.apply(spec).await;
    case.gone("NetworkPolicy", "policies-all", SOON).await;
    case.ready().await;
}

#[tokio::test]
async fn namespace_limits_apply_and_small_quotas_warn() {
    let case = case("limits").await;
    let mut spec = quickstart();
    spec["limits"] = json!({
        "defaults": { "limits": { "memory": "1024Mi", "ephemeral-storage": "1Gi" } },
        "quota": { "pods": 5, "requests": { "cpu": "2000m", "memory": "2Gi" }, "persistentVolumeClaims": 2 },
    });
    case.apply(spec.clone()).await;
    let status = case.ready().await;
    assert!(!problems(&status).contains("QuotaTooSmall"), "{status:#}");
    assert_eq!(status["components"][0]["qosClass"], "Burstable");
    // A container without resources gets the defaults of the LimitRange.
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::namespaced(case.client.clone(), case.ns());
    let pod = serde_json::from_value(json!({
        "metadata": { "name": "guest" },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{ "name": "c", "image": "guest:1", "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }],
        },
    }))
    .unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let guest = pods.create(&dry, &pod).await.unwrap().spec.unwrap().containers.remove(0).resources.unwrap();
    assert_eq!(guest.requests.unwrap()["memory"].0, "256Mi");
    assert_eq!(guest.limits.unwrap()["memory"].0, "1Gi");
    // It is stored in another form than written, and not rewritten because of that.
    let since = case.world.marker().await;
    case.annotate("look", "again").await;
    spec["limits"]["quota"]["pods"] = json!(1);
    case.apply(spec.clone()).await;
    let status = case.until("QuotaTooSmall", SOON, |status| problems(status).contains("QuotaTooSmall")).await;
    assert!(message(&status, "Warning").contains("pods is 1 and up to 2 is needed"), "{status:#}");
    case.ready().await;
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        assert_eq!(writes(&requests).len(), 1, "{requests:#?}");
    }
    let same = json!({ "cpu": 1, "memory": "512Mi" });
    spec["components"]["all"]["resources"] = json!({ "requests": same, "limits": same });
    spec.as_object_mut().unwrap().remove("limits");
    case.apply(spec).await;
    case.gone("ResourceQuota", "limits", SOON).await;
    case.gone("LimitRange", "limits", SOON).await;
    assert_eq!(case.ready().await["components"][0]["qosClass"], "Guaranteed");
}
