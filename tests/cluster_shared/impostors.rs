//! A user who may create pods in one namespace affects no resource in another, whatever the pods'
//! labels say.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::*;

async fn pod(case: &Case, namespace: &str, component: &str, image: &str) {
    let labels = json!({
        "app": "impostor-all", "app.kubernetes.io/name": "logpilot", "app.kubernetes.io/instance": case.name,
        "app.kubernetes.io/managed-by": "logpilot-operator", "app.kubernetes.io/component": component,
        "logpilot.io/cluster": case.name, "logpilot.io/data": format!("{}-data", case.name),
    });
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": component, "namespace": namespace, "labels": labels },
        "spec": { "containers": [{ "name": "c", "image": image }] },
    });
    cluster::apply(&case.client, &manifest).await;
}

#[tokio::test]
async fn foreign_namespace_pods_affect_neither_servers_nor_status() {
    let case = case("impostor").await;
    let mut spec = quickstart();
    case.apply(spec.clone()).await;
    case.ready().await;
    let elsewhere = "impostors-own";
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": elsewhere } });
    cluster::apply(&case.client, &namespace).await;
    // A pod that claims to restore the data, so that no server may run, and a server that does not run.
    pod(&case, elsewhere, "restore", IMAGE).await;
    pod(&case, elsewhere, "all", "danpung2/logpilot:1.3.0-image-pull").await;
    let pods: Api<Pod> = Api::namespaced(case.client.clone(), elsewhere);
    for (name, state) in [("restore", "running"), ("all", "waiting")] {
        wait_for(format!("the impostor '{name}' to be {state}"), SOON, async || {
            let status = serde_json::to_value(pods.get(name).await.unwrap().status).unwrap();
            let seen = status["containerStatuses"][0]["state"].clone();
            if seen.get(state).is_some() { Ok(()) } else { Err(status.to_string()) }
        })
        .await
        .unwrap();
    }
    // A later reconcile.
    spec["components"]["all"]["terminationGracePeriodSeconds"] = json!(41);
    case.apply(spec).await;
    let status = case.ready().await;
    assert_eq!(status["pods"], "1/1", "{status:#}");
    assert_eq!(problems(&status), [].into(), "{status:#}");
    assert_eq!(case.child("Deployment", "impostor-all").await.data["spec"]["replicas"], 1);
}
