//! Tests that need the whole Kubernetes cluster: operators that stop and start, CRDs that are
//! created and deleted, revoked permissions, and the silence of an idle operator. They run one
//! after the other.

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
    reason = "a test that cannot continue fails"
)]

mod drain;
mod leader;
mod online;
mod stacks;
mod surface;

use harness::{bad_input::table, cluster};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use cluster::{
    GATEWAY_CRDS, World,
    case::{Case, SOON, condition, message, problems, reads, writes},
    install_gateway_api, install_service_monitors, kinds,
    kinds::kind,
    world,
};
use k8s_openapi::api::{events::v1::Event, rbac::v1::ClusterRole};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use local_cluster::{Component, wait_for};
use logpilot_operator::{
    api,
    engine::kind::Management,
    kinds::{KINDS, SERVICE_STACK},
    logpilot::plan::planner,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

async fn alone() -> (MutexGuard<'static, ()>, &'static World) {
    let guard = ALONE.lock().await;
    (guard, world().await)
}

const IMAGE: &str = "danpung2/logpilot:1.2.0";

fn quickstart() -> Value {
    json!({ "image": IMAGE, "components": { "all": { "replicas": 1 } } })
}

fn everything() -> Value {
    json!({
        "image": IMAGE,
        "components": {
            "all": { "replicas": 2, "podDisruptionBudget": { "maxUnavailable": 1 }, "loadBalancer": {}, "nodePort": {} },
            "rest": { "autoscaling": { "maxReplicas": 4 } },
            "grpc": {},
        },
        "systemNamespace": { "name": "logs-system" },
        "exposure": {
            "ingress": { "className": "nginx", "rules": [{ "host": "logs.example.com", "component": "rest" }] },
            "gateway": { "className": "envoy", "rules": [
                { "host": "gw.example.com", "component": "rest" },
                { "host": "gw-grpc.example.com", "component": "grpc", "protocol": "Grpc" },
            ] },
        },
        "monitoring": { "serviceMonitor": {}, "scrapeAnnotations": {}, "rules": {}, "slo": {}, "dashboards": {} },
        "networkPolicy": { "clients": [{ "namespaceSelector": {} }] },
        "limits": { "defaults": {}, "quota": { "pods": 50, "requests": { "cpu": "20" } } },
        "config": { "check": {} },
        "backup": {},
        "deletionProtection": false,
    })
}

/// A second kind of resource, whose objects must be as idle.
async fn erp_is_ready(client: &kube::Client) {
    let text = std::fs::read_to_string(harness::root().join("examples/stacks/erp.yaml")).unwrap();
    let stack: Value = serde_yaml::from_str(&text).unwrap();
    let home = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "erp-system" } });
    cluster::apply(client, &home).await;
    cluster::apply(client, &stack).await;
    let api: Api<kube::api::DynamicObject> =
        Api::namespaced_with(client.clone(), "erp-system", &SERVICE_STACK.api_resource());
    wait_for("the ERP stack to be Ready", Duration::from_secs(120), async || {
        let status = api.get("erp").await.unwrap().data["status"].clone();
        let reports = status["problems"].as_array().into_iter().flatten();
        let reports = reports.filter(|it| it["reason"] == "MetricsUnavailable").count();
        // Two autoscalers report that there is no metrics API after an attempt.
        let settled = condition(&status, "Ready").0 == "True" && reports == 2;
        settled.then_some(()).ok_or(status.to_string())
    })
    .await
    .unwrap();
}

/// Fault catalogue: F66.
#[tokio::test]
async fn an_idle_or_restarted_operator_writes_nothing() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    install_service_monitors(&client).await;
    install_gateway_api(&client).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "idle").await;
    let since = world.marker().await;
    case.apply(everything()).await;
    case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    let requests = world.requests(since.as_ref()).await;
    if since.is_some() {
        let made = writes(&requests);
        let children: BTreeSet<_> = made.iter().map(|it| (&it.resource, &it.namespace, &it.name)).collect();
        let told = requests.iter().filter(|it| it.subresource == "status").count();
        println!(
            "everything enabled: {} objects in {} writes, {told} of the status",
            children.len(),
            made.len()
        );
        assert!(children.len() >= 34, "{children:#?}");
        assert_eq!(made.len(), children.len(), "one write per object: {made:#?}");
        assert!(told <= 3, "{requests:#?}");
    }
    case.ready().await;
    // There is no metrics API here, and the autoscaler reports that after an attempt.
    case.until("the autoscaler's report", Duration::from_secs(60), |status| {
        problems(status).contains("MetricsUnavailable")
    })
    .await;
    erp_is_ready(&client).await;
    // Waits until the last status and events are written: a quiet second, observed in the audit log
    // itself.
    let since = wait_for("a quiet second", SOON, async || {
        let since = world.marker().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        match world.requests(since.as_ref()).await.iter().filter(|it| it.verb != "watch").count() {
            0 => Ok(since),
            busy => Err(format!("{busy} requests")),
        }
    })
    .await
    .unwrap();
    // The promise is about this time window, so the sleep is not a wait for a condition.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let requests = world.requests(since.as_ref()).await;
    let sent: Vec<_> = requests.iter().filter(|it| it.verb != "watch").collect();
    assert!(sent.is_empty(), "{sent:#?}");
    println!(
        "60 s idle: {} requests, {} of them watch renewals",
        requests.len(),
        requests.len() - sent.len()
    );

    let since = world.marker().await;
    operator.kill();
    let operator = world.start_operator(planner()).await;
    // The first reconcile ends after it has read the Secret, which is its last read.
    wait_for("the first reconcile", SOON, async || {
        let requests = world.requests(since.as_ref()).await;
        let looked =
            since.is_none() || requests.iter().any(|it| it.resource == "secrets" && it.verb == "get");
        looked.then_some(()).ok_or("no read of the Secret yet".to_owned())
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = world.requests(since.as_ref()).await;
    let written: Vec<_> =
        requests.iter().filter(|it| !["get", "list", "watch"].contains(&it.verb.as_str())).collect();
    assert!(written.is_empty(), "{written:#?}");
    let read = reads(&requests);
    assert!(
        read.iter().all(|it| it.verb == "list" || it.verb == "watch" || it.resource == "secrets"),
        "only lists, watches and the named Secret: {read:#?}"
    );
    println!(
        "restart: {} lists, {} watches, {} Secret reads, 0 writes",
        requests.iter().filter(|it| it.verb == "list").count(),
        requests.iter().filter(|it| it.verb == "watch").count(),
        requests.iter().filter(|it| it.resource == "secrets").count(),
    );
    case.delete().await;
    operator.kill();
}

#[tokio::test]
async fn changes_during_downtime_are_reconciled() {
    let (_alone, world) = alone().await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "away").await;
    case.apply(quickstart()).await;
    case.ready().await;
    operator.kill();
    kinds::delete(&case.client, kind("Service"), case.ns(), "away-all").await;
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot:1.2.1");
    case.apply(spec).await;
    let operator = world.start_operator(planner()).await;
    let status = case.ready().await;
    assert_eq!(status["version"], "1.2.1");
    case.child("Service", "away-all").await;
    case.delete().await;
    operator.kill();
}

/// Fault catalogue: F40, F41, F42.
#[tokio::test]
async fn an_optional_kind_appears_and_disappears_without_restart() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let crds: Api<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    > = Api::all(client.clone());
    let name = "servicemonitors.monitoring.coreos.com";
    let _ = crds.delete(name, &DeleteParams::default()).await;
    local_cluster::wait_for_absence(&crds, name, SOON).await.unwrap();
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "optional").await;
    let mut spec = quickstart();
    spec["monitoring"] = json!({ "serviceMonitor": {} });
    case.apply(spec).await;
    let status = case.ready().await;
    assert_eq!(condition(&status, "Warning").0, "True");
    assert!(problems(&status).contains("CrdNotInstalled"), "{status:#}");
    let installed = Instant::now();
    install_service_monitors(&client).await;
    case.child_until("ServiceMonitor", "optional", "made", Duration::from_secs(30), |_| true).await;
    println!("ServiceMonitor created {:?} after its CRD", installed.elapsed());
    let status = case.until("no warning", SOON, |status| !problems(status).contains("CrdNotInstalled")).await;
    assert_eq!(condition(&status, "Ready").0, "True");
    crds.delete(name, &DeleteParams::default()).await.unwrap();
    case.until("the warning again", SOON, |status| problems(status).contains("CrdNotInstalled")).await;
    // A CRD applied while the old one terminates would be deleted with it.
    local_cluster::wait_for_absence(&crds, name, SOON).await.unwrap();
    install_service_monitors(&client).await;
    case.child_until("ServiceMonitor", "optional", "made again", Duration::from_secs(30), |_| true).await;
    case.delete().await;
    operator.kill();
}

#[tokio::test]
async fn an_outdated_crd_is_reported_until_replaced() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let newest = serde_json::to_value(api::crd::crd()).unwrap();
    let mut older = newest.clone();
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties";
    older.pointer_mut(status).unwrap().as_object_mut().unwrap().remove("effective").unwrap();
    cluster::apply(&client, &older).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "outdated").await;
    case.apply(quickstart()).await;
    let events: Api<Event> = Api::namespaced(client.clone(), "default");
    let told = wait_for("an event", SOON, async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        let reason = Some("CrdOutdated");
        all.items
            .into_iter()
            .find(|it| {
                it.reason.as_deref() == reason
                    && it.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some("outdated")
            })
            .ok_or_else(|| "none".to_owned())
    })
    .await
    .unwrap();
    assert!(told.note.unwrap().contains("kubectl apply"), "what to do");
    cluster::apply(&client, &newest).await;
    case.ready().await;
    case.delete().await;
    operator.kill();
}

#[tokio::test]
async fn the_gateway_api_may_be_installed_later() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let crds: Api<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    > = Api::all(client.clone());
    for name in GATEWAY_CRDS {
        let _ = crds.delete(name, &DeleteParams::default()).await;
        local_cluster::wait_for_absence(&crds, name, SOON).await.unwrap();
    }
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "gwlater").await;
    let mut spec = quickstart();
    spec["exposure"] = json!({ "gateway": { "className": "envoy", "rules": [{ "host": "a.example.com" }] } });
    case.apply(spec).await;
    let status = case.ready().await;
    assert!(problems(&status).contains("CrdNotInstalled"), "{status:#}");
    let installed = Instant::now();
    install_gateway_api(&client).await;
    case.child_until("HTTPRoute", "gwlater", "made", Duration::from_secs(30), |_| true).await;
    case.child_until("Gateway", "gwlater", "made", Duration::from_secs(30), |_| true).await;
    println!("Gateway and route created {:?} after their CRDs", installed.elapsed());
    case.until("no warning", SOON, |status| !problems(status).contains("CrdNotInstalled")).await;
    case.delete().await;
    operator.kill();
}

#[tokio::test]
async fn a_missing_permission_is_reported_until_granted() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let role = roles.get("logpilot-operator").await.unwrap();
    let without = |resource: &str, verbs: &[&str]| {
        let mut role = role.clone();
        role.metadata.managed_fields = None;
        role.metadata.resource_version = None;
        for rule in role.rules.iter_mut().flatten() {
            if rule.resources.iter().flatten().any(|it| it == resource) {
                rule.verbs.retain(|verb| !verbs.contains(&verb.as_str()));
            }
        }
        role
    };
    let put = async |role: &ClusterRole| {
        let mut role = role.clone();
        role.metadata.resource_version = None;
        role.metadata.managed_fields = None;
        let now = roles.get("logpilot-operator").await.unwrap();
        role.metadata.resource_version = now.metadata.resource_version;
        roles.replace("logpilot-operator", &Default::default(), &role).await.unwrap();
    };
    // Permission to write: only that kind is affected.
    put(&without("poddisruptionbudgets", &["create", "patch"])).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "rights").await;
    let mut spec = quickstart();
    spec["components"]["all"]["podDisruptionBudget"] = json!({ "maxUnavailable": 1 });
    case.apply(spec).await;
    let status = case.reason("Stalled", "True", "Forbidden").await;
    assert!(message(&status, "Stalled").contains("poddisruptionbudgets"), "{status:#}");
    case.child_until("Deployment", "rights-all", "running beside it", SOON, |seen| {
        seen.data.pointer("/status/readyReplicas").is_some()
    })
    .await;
    put(&role).await;
    let granted = Instant::now();
    case.until("healed", Duration::from_secs(30), |status| condition(status, "Ready").0 == "True").await;
    println!("healed {:?} after the grant", granted.elapsed());
    operator.kill();
    // Permission to list, from the start: everything else works.
    put(&without("horizontalpodautoscalers", &["list", "watch"])).await;
    let operator = world.start_operator(planner()).await;
    let other = Case::new(world, "rights-list").await;
    other.apply(quickstart()).await;
    other
        .child_until("Deployment", "rights-list-all", "running", SOON, |seen| {
            seen.data.pointer("/status/readyReplicas").is_some()
        })
        .await;
    let status = other.reason("Ready", "False", "Forbidden").await;
    assert!(message(&status, "Ready").contains("horizontalpodautoscalers"), "{status:#}");
    put(&role).await;
    other.until("healed", Duration::from_secs(40), |status| condition(status, "Ready").0 == "True").await;
    case.delete().await;
    other.delete().await;
    operator.kill();
}

/// Fault catalogue: F15.
#[tokio::test]
async fn the_operator_survives_an_api_server_restart() {
    let (_alone, world) = alone().await;
    let Some(plane) = world.env.control_plane() else {
        println!("skipped: a given cluster's API server is not ours to stop");
        return;
    };
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "outage").await;
    case.apply(quickstart()).await;
    case.ready().await;
    plane.stop(Component::ApiServer).await.unwrap();
    let stopped = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let silent = ["services", "resources"].map(|resource| operator.silence(resource));
    assert!(silent.iter().all(|silent| *silent >= stopped.elapsed()), "failures are no news: {silent:?}");
    plane.start_component(Component::ApiServer).await.unwrap();
    let back = Instant::now();
    kinds::delete(&case.client, kind("Service"), case.ns(), "outage-all").await;
    case.child_until("Service", "outage-all", "made again", Duration::from_secs(20), |_| true).await;
    println!("repaired {:?} after the API server was back", back.elapsed());
    case.ready().await;
    // Each watch waits for its own backoff, of 8 s at most.
    for resource in ["services", "resources"] {
        wait_for("news", Duration::from_secs(20), async || {
            let heard = operator.silence(resource) < back.elapsed();
            heard.then_some(()).ok_or(format!("nothing was heard of {resource}"))
        })
        .await
        .unwrap();
    }
    case.delete().await;
    operator.kill();
}

/// The preconditions on which the engine relies, tested on this API server for every kind it writes.
#[tokio::test]
async fn apply_needs_no_read_for_any_kind() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    install_service_monitors(&client).await;
    install_gateway_api(&client).await;
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "preconditions" } });
    cluster::apply(&client, &namespace).await;
    let minimal = |kind: &str| match kind {
        "Deployment" | "StatefulSet" => json!({ "spec": {
            "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
        } }),
        "Service" => json!({ "spec": { "ports": [{ "port": 80 }] } }),
        "Ingress" => {
            json!({ "spec": { "defaultBackend": { "service": { "name": "s", "port": { "number": 80 } } } } })
        }
        "Gateway" => {
            json!({ "spec": { "gatewayClassName": "c", "listeners": [{ "name": "l", "port": 80, "protocol": "HTTP" }] } })
        }
        "HTTPRoute" | "GRPCRoute" => json!({ "spec": { "parentRefs": [{ "name": "g" }] } }),
        "HorizontalPodAutoscaler" => {
            json!({ "spec": { "maxReplicas": 2, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } } })
        }
        "CronJob" => {
            json!({ "spec": { "schedule": "0 3 * * *", "suspend": true, "jobTemplate": { "spec": { "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }],
        } } } } } })
        }
        "PodDisruptionBudget" => json!({ "spec": { "maxUnavailable": 1 } }),
        "PersistentVolumeClaim" => json!({ "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "never", "resources": { "requests": { "storage": "1Gi" } },
        } }),
        _ => json!({}),
    };
    let parameters = PatchParams::apply("pin").force();
    for kind in
        KINDS.iter().filter(|kind| matches!(kind.management, Management::Managed | Management::Retained))
    {
        let api = kinds::api(&client, kind, "preconditions");
        let body = |extra: Value| {
            let mut body = minimal(kind.kind);
            body["apiVersion"] = json!(kind.api_version());
            body["kind"] = json!(kind.kind);
            body["metadata"] = extra;
            body["metadata"]["name"] = json!("pin");
            body
        };
        let send = async |extra: Value| match api.patch("pin", &parameters, &Patch::Apply(body(extra))).await
        {
            Ok(object) => (200, object.metadata.uid.unwrap()),
            Err(kube::Error::Api(status)) => (status.code, status.message.clone()),
            Err(error) => panic!("{error}"),
        };
        let (code, uid) = send(json!({ "resourceVersion": "1" })).await;
        assert_eq!(code, 200, "{}: create-only where absent: {uid}", kind.kind);
        let (code, answer) = send(json!({ "resourceVersion": "1" })).await;
        assert_eq!(code, 409, "{}: create-only where present: {answer}", kind.kind);
        let (code, answer) = send(json!({ "uid": uid, "labels": { "x": "y" } })).await;
        assert_eq!(code, 200, "{}: update-only of the one known: {answer}", kind.kind);
        let (code, answer) = send(json!({ "uid": "00000000-0000-0000-0000-000000000000" })).await;
        assert!(code == 409 || code == 422, "{}: update-only of another: {code} {answer}", kind.kind);
        assert!(answer.to_lowercase().contains("uid"), "{}: {answer}", kind.kind);
        let patch = json!({ "metadata": { "finalizers": null } });
        let _ = api.delete("pin", &DeleteParams::background()).await;
        let _ = api.patch("pin", &PatchParams::default(), &Patch::Merge(patch)).await;
        wait_for(format!("{} to be deleted", kind.kind), SOON, async || match api.get_opt("pin").await {
            Ok(None) => Ok(()),
            _ => Err("still there".to_owned()),
        })
        .await
        .unwrap();
        let (code, answer) = send(json!({ "uid": uid })).await;
        assert!(code == 409 || code == 422, "{}: update-only where absent: {code} {answer}", kind.kind);
    }
}

#[tokio::test]
async fn secrets_are_never_listed_watched_or_overwritten() {
    let (_alone, world) = alone().await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "secretly").await;
    let since = world.marker().await;
    case.apply(quickstart()).await;
    case.ready().await;
    let requests = case.requests(since.as_ref()).await;
    let secrets: Vec<_> = requests.iter().filter(|it| it.resource == "secrets").collect();
    assert!(secrets.iter().all(|it| it.verb == "get" || it.verb == "create"), "{secrets:#?}");
    assert!(secrets.iter().all(|it| it.name == "secretly-api-key" || it.verb == "create"), "{secrets:#?}");
    assert!(
        since.is_none() || secrets.iter().any(|it| it.verb == "create" && it.code == 201),
        "{secrets:#?}"
    );
    assert!(since.is_none() || !writes(&requests).is_empty());
    case.delete().await;
    operator.kill();
}

#[tokio::test]
async fn the_api_server_refuses_bad_input() {
    let (_alone, world) = alone().await;
    let counts = online::run_online(world.client().await).await;
    assert!(counts.values().sum::<usize>() >= 250, "{counts:?}");
}
