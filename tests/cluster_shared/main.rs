//! One user's view of one resource, on a real API server. All tests share one operator and run
//! concurrently, each with its own resource and namespace.

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

mod canary;
mod claims;
mod config_check;
mod conflicts;
mod definition;
mod examples;
mod impostors;
mod network;
mod operation;
mod places;
mod presence;
mod protection;
mod random_documents;
mod ready;
mod restore;
mod rights;
mod scalers;
mod sizes;
mod stack_author;
mod stack_data;
mod stack_facts;
mod stack_order;
mod stack_outages;
mod stack_status;
mod stacks;
mod stalls;
mod stolen_token;
mod troubleshooting;
mod two_kinds;
mod verdicts;

use harness::{bad_input::table, blocks, cluster};
use std::time::{Duration, Instant};

use cluster::{
    HANGS, PANICS,
    case::{Case, REPAIR, SOON, condition, message, problems, reads, uid, writes},
    kinds::{self, kind, meant},
    shared_operator,
};
use kube::api::{Patch, PatchParams};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::kind::{Kind, Management},
    kinds::of_management,
};
use serde_json::{Value, json};

/// Managed kinds of which a LogPilotCluster has objects. Those that only a ServiceStack has are in `stacks`.
fn of_clusters() -> impl Iterator<Item = &'static Kind> {
    of_management(Management::Managed).filter(|kind| kind.kind != "StatefulSet")
}

const IMAGE: &str = "danpung2/logpilot:1.2.0";

async fn case(name: &str) -> Case {
    Case::new(shared_operator().await, name).await
}

fn quickstart() -> Value {
    json!({ "image": IMAGE, "components": { "all": { "replicas": 1 } } })
}

fn three_modes() -> Value {
    json!({ "image": IMAGE, "components": { "all": {}, "rest": {}, "grpc": {} } })
}

/// A spec with an object of every kind, with unique hosts.
fn everything(name: &str) -> Value {
    json!({
        "image": IMAGE,
        "components": {
            "all": {
                "replicas": 2, "podDisruptionBudget": { "maxUnavailable": 1 },
                "loadBalancer": { "sourceRanges": ["10.0.0.0/8"] }, "nodePort": {},
            },
            "grpc": { "autoscaling": { "maxReplicas": 4 } },
        },
        "exposure": {
            "ingress": {
                "className": "nginx",
                "rules": [
                    { "host": format!("{name}.example.com"), "component": "all" },
                    { "host": format!("grpc.{name}.example.com"), "component": "grpc", "protocol": "Grpc" },
                ],
                "tls": { "secretName": "logs-tls" },
            },
            "gateway": {
                "className": "envoy",
                "rules": [
                    { "host": "gw.example.com", "component": "all" },
                    { "host": "gw.example.com", "component": "all", "path": "/v2" },
                    { "host": "gw-grpc.example.com", "component": "grpc", "protocol": "Grpc", "path": "/logpilot.LogService/Send" },
                ],
                "tls": { "secretName": "logs-tls", "issuerRef": { "name": "letsencrypt" } },
            },
        },
        "monitoring": { "serviceMonitor": {}, "rules": {}, "slo": {}, "dashboards": {} },
        "backup": {},
        "limits": { "defaults": {}, "quota": { "pods": 50, "requests": { "cpu": "20" } } },
    })
}

/// A PodMonitor replaces the ServiceMonitor: one resource never has both.
async fn with_monitor_of(case: &Case, kind: &Kind) {
    if kind.kind == "PodMonitor" {
        let mut spec = everything(&case.name);
        spec["monitoring"] = json!({ "podMonitor": {}, "rules": {}, "slo": {}, "dashboards": {} });
        case.apply(spec).await;
        case.child_until("PodMonitor", &case.name, "made", SOON, |_| true).await;
        case.gone("ServiceMonitor", &case.name, SOON).await;
        case.ready().await;
    }
}

#[tokio::test]
async fn each_object_costs_one_write_and_no_read() {
    let world = shared_operator().await;
    let case = Case::new(world, "full").await;
    let since = world.marker().await;
    let started = Instant::now();
    case.apply(three_modes()).await;
    case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    let applied = started.elapsed();
    let requests = case.requests(since.as_ref()).await;
    let status = case.ready().await;
    println!("three modes: Applied after {applied:?}, Ready after {:?}", started.elapsed());
    assert_eq!(status["pods"], "7/7");
    assert_eq!(status["components"].as_array().unwrap().len(), 3);
    assert_eq!(status["endpoints"][0]["host"], "logpilot-all.full.svc".replace("logpilot", "full"));
    // One node: SQLite's write-ahead log needs one host.
    assert!(problems(&status).contains("StorageSingleNode"));
    if since.is_some() {
        // Namespace, ServiceAccount, Secret, PVC, and a ConfigMap, Deployment, Service and
        // NetworkPolicy for each of three.
        let children = 4 + 3 * 4;
        assert_eq!(writes(&requests).len(), children, "{requests:#?}");
        // Up to the status that reports it: the first one after the last object.
        let last = requests.iter().rposition(|it| writes(std::slice::from_ref(it)).len() == 1).unwrap();
        let said = last + requests[last..].iter().position(|it| it.subresource == "status").unwrap();
        let all: Vec<_> =
            requests[..=said].iter().filter(|it| it.verb != "get" && it.verb != "list").collect();
        assert!(all.len() <= children + 3, "{} requests\n{all:#?}", all.len());
        assert!(reads(&requests).iter().all(|it| it.resource == "secrets"), "{requests:#?}");
    }
}

/// Fault catalogue: F54.
#[tokio::test]
async fn a_deleted_object_is_recreated_in_one_write() {
    let case = case("deleted").await;
    case.apply(everything(&case.name)).await;
    case.ready().await;
    for kind in of_management(Management::Managed) {
        with_monitor_of(&case, kind).await;
        for before in case.children(kind).await {
            let name = before.metadata.name.clone().unwrap();
            let since = case.world.marker().await;
            let deleted = Instant::now();
            kinds::delete(&case.client, kind, case.ns(), &name).await;
            let after = case
                .child_until(kind.kind, &name, "made again", REPAIR, |seen| {
                    seen.metadata.uid != before.metadata.uid
                })
                .await;
            println!("{} {name} deleted: back after {:?}", kind.kind, deleted.elapsed());
            kinds::assert_same(&after, &before);
            case.ready().await;
            if since.is_some() {
                let requests = case.requests(since.as_ref()).await;
                assert_eq!(writes(&requests).len(), 1, "{} {name}\n{requests:#?}", kind.kind);
                assert_eq!(reads(&requests).len(), 0, "{} {name}\n{requests:#?}", kind.kind);
            }
        }
    }
}

/// By kind: a change of an owned value, and a removal of an owned field.
fn edits(kind: &str) -> Vec<(&'static str, Value)> {
    match kind {
        "ServiceAccount" => vec![("a value", json!({ "automountServiceAccountToken": true }))],
        // Immutable: only its metadata can be changed, not its data.
        "ConfigMap" => vec![],
        "Deployment" => vec![
            (
                "a value",
                json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 7 } } } }),
            ),
            ("a field", json!({ "spec": { "template": { "spec": { "enableServiceLinks": null } } } })),
        ],
        "Service" => vec![
            ("a value", json!({ "spec": { "selector": { "app.kubernetes.io/component": "hijacked" } } })),
            ("an added key", json!({ "spec": { "selector": { "more": "narrow" } } })),
        ],
        "Ingress" => vec![
            ("a value", json!({ "spec": { "ingressClassName": "other" } })),
            ("a field", json!({ "spec": { "tls": null } })),
        ],
        "HorizontalPodAutoscaler" => vec![
            ("a value", json!({ "spec": { "maxReplicas": 99 } })),
            ("a field", json!({ "spec": { "metrics": null } })),
        ],
        "PodDisruptionBudget" => vec![("a value", json!({ "spec": { "maxUnavailable": 2 } }))],
        "NetworkPolicy" => vec![
            ("a value", json!({ "spec": { "policyTypes": ["Ingress"] } })),
            ("a field", json!({ "spec": { "egress": null } })),
        ],
        "LimitRange" => vec![(
            "a value",
            json!({ "spec": { "limits": [{ "type": "Container", "default": { "cpu": "9" } }] } }),
        )],
        "ResourceQuota" => vec![
            ("a value", json!({ "spec": { "hard": { "pods": "51" } } })),
            ("a field", json!({ "spec": { "hard": { "requests.cpu": null } } })),
        ],
        "CronJob" => vec![
            ("a value", json!({ "spec": { "schedule": "* * * * *" } })),
            ("a field", json!({ "spec": { "timeZone": null } })),
        ],
        "Gateway" => vec![
            ("a value", json!({ "spec": { "gatewayClassName": "other" } })),
            (
                "listeners",
                json!({ "spec": { "listeners": [{ "name": "http", "port": 81, "protocol": "HTTP" }] } }),
            ),
        ],
        "HTTPRoute" | "GRPCRoute" => vec![
            ("a value", json!({ "spec": { "parentRefs": [{ "name": "other" }] } })),
            ("a field", json!({ "spec": { "rules": null } })),
        ],
        "PodMonitor" => vec![
            ("a value", json!({ "spec": { "podMetricsEndpoints": [] } })),
            ("a field", json!({ "spec": { "selector": null } })),
        ],
        "PrometheusRule" => vec![
            ("a value", json!({ "spec": { "groups": [] } })),
            (
                "an added field",
                json!({ "metadata": { "labels": { "app.kubernetes.io/instance": "other" } } }),
            ),
        ],
        "ServiceMonitor" => vec![
            ("a value", json!({ "spec": { "endpoints": [] } })),
            ("a field", json!({ "spec": { "selector": null } })),
        ],
        other => panic!("no edits for {other}: add what drift of the new kind looks like"),
    }
}

/// Fault catalogue: F17, F55, F56, F57.
#[tokio::test]
async fn a_manual_change_is_reverted_in_one_write() {
    let case = case("changed").await;
    case.apply(everything(&case.name)).await;
    case.ready().await;
    for kind in of_clusters() {
        with_monitor_of(&case, kind).await;
        let Some(before) = case.children(kind).await.into_iter().next() else { panic!("no {}", kind.kind) };
        let name = before.metadata.name.clone().unwrap();
        let mut edits = edits(kind.kind);
        edits.push(("a label", json!({ "metadata": { "labels": { "logpilot.io/cluster": "other" } } })));
        edits.push((
            "a label removed",
            json!({ "metadata": { "labels": { "app.kubernetes.io/name": null } } }),
        ));
        edits.push((
            "the label that watches select by",
            json!({ "metadata": { "labels": { "app.kubernetes.io/managed-by": null } } }),
        ));
        edits.push(("the owner reference", json!({ "metadata": { "ownerReferences": null } })));
        for (what, patch) in edits {
            let since = case.world.marker().await;
            let changed = Instant::now();
            let edited = kinds::edit(&case.client, kind, case.ns(), &name, &patch).await;
            assert_ne!(meant(&edited), meant(&before), "{} {name}: the edit changes something", kind.kind);
            case.child_until(kind.kind, &name, &format!("repaired ({what})"), REPAIR, |seen| {
                meant(seen) == meant(&before)
            })
            .await;
            println!("{} {name}, {what}: reverted after {:?}", kind.kind, changed.elapsed());
            case.ready().await;
            if since.is_some() {
                let requests = case.requests(since.as_ref()).await;
                assert_eq!(writes(&requests).len(), 1, "{} {name}, {what}\n{requests:#?}", kind.kind);
                assert_eq!(reads(&requests).len(), 0, "{} {name}, {what}\n{requests:#?}", kind.kind);
            }
        }
    }
}

#[tokio::test]
async fn own_namespace_labels_are_restored_foreign_ones_kept() {
    let case = case("nslabel").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let label = "pod-security.kubernetes.io/enforce";
    let patch = json!({ "metadata": { "labels": { label: "privileged", "team": "theirs" } } });
    kinds::edit(&case.client, kind("Namespace"), "", case.ns(), &patch).await;
    let seen = case
        .child_until("Namespace", case.ns(), "repaired", REPAIR, |seen| {
            seen.metadata.labels.as_ref().unwrap().get(label).map(String::as_str) == Some("restricted")
        })
        .await;
    assert_eq!(seen.metadata.labels.unwrap()["team"], "theirs");
}

#[tokio::test]
async fn removed_fields_are_deleted_foreign_ones_kept() {
    let case = case("fields").await;
    let mut spec = quickstart();
    spec["components"]["all"]["nodeSelector"] = json!({ "kubernetes.io/os": "linux" });
    spec["components"]["all"]["env"] = json!([{ "name": "TZ", "value": "UTC" }]);
    spec["components"]["all"]["loadBalancer"] = json!({});
    spec["commonLabels"] = json!({ "team": "a" });
    // The nodes of the test cluster carry no such label; the test does not check placement.
    case.apply(spec).await;
    case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    let name = "fields-all";
    let theirs = json!({
        "metadata": { "annotations": { "theirs": "kept" }, "labels": { "theirs": "kept" } },
        "spec": { "template": { "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" } } } },
    });
    kinds::edit(&case.client, kind("Deployment"), case.ns(), name, &theirs).await;
    case.apply(quickstart()).await;
    case.ready().await;
    let after = case.child("Deployment", name).await;
    let pod = after.data.pointer("/spec/template/spec").unwrap();
    assert!(pod.get("nodeSelector").is_none(), "{pod:#}");
    assert!(!pod["containers"][0]["env"].as_array().unwrap().iter().any(|it| it["name"] == "TZ"));
    assert!(!after.metadata.labels.clone().unwrap().contains_key("team"));
    assert_eq!(after.metadata.labels.unwrap()["theirs"], "kept");
    assert_eq!(after.metadata.annotations.unwrap()["theirs"], "kept");
    let restarted = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    assert_eq!(after.data.pointer(restarted).unwrap(), "2026-01-01T00:00:00Z");
    case.gone("Service", "fields-all-loadbalancer", SOON).await;
}

#[tokio::test]
async fn a_node_port_moves_between_service_ports() {
    let case = case("nodeports").await;
    let with = |node_port: Value| {
        let mut spec = quickstart();
        spec["components"]["all"]["nodePort"] = node_port;
        spec
    };
    case.apply(with(json!({ "grpc": 30017 }))).await;
    case.ready().await;
    // It stays unchanged, and nothing requests it any more.
    case.apply(with(json!({ "enabled": true }))).await;
    case.ready().await;
    case.apply(with(json!({ "http": 30017 }))).await;
    let of = |service: &kube::api::DynamicObject, place: usize| {
        service.data["spec"]["ports"][place]["nodePort"].as_i64().unwrap()
    };
    let name = "nodeports-all-nodeport";
    let moved = |service: &kube::api::DynamicObject| of(service, 0) == 30017;
    let service = case.child_until("Service", name, "moved", SOON, moved).await;
    assert_ne!(of(&service, 1), 30017);
    case.ready().await;
    // The replacement stays.
    assert_eq!(of(&case.child("Service", name).await, 1), of(&service, 1));
}

/// Fault catalogue: F58.
#[tokio::test]
async fn foreign_objects_are_reported_and_never_changed() {
    let case = case("taken").await;
    // Every object of the plan, created beforehand by another client.
    let text = std::process::Command::new(env!("CARGO_BIN_EXE_logpilot-operator"))
        .args(["plan", "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map(|mut child| {
            use std::io::Write;
            child
                .stdin
                .take()
                .unwrap()
                .write_all(case.manifest(&everything(&case.name)).to_string().as_bytes())
                .unwrap();
            String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
        })
        .unwrap();
    let mut taken = Vec::new();
    for mut manifest in cluster::documents(&text) {
        let kind = manifest["kind"].as_str().unwrap().to_owned();
        manifest["metadata"]
            .as_object_mut()
            .unwrap()
            .retain(|field, _| field == "name" || field == "namespace");
        if kind == "HorizontalPodAutoscaler" {
            // A real autoscaler would scale the Deployment next to it.
            manifest["spec"]["scaleTargetRef"]["name"] = json!("elsewhere");
        }
        if kind == "Secret" {
            // The plan hides its key; the foreign Secret has a valid one.
            manifest
                .as_object_mut()
                .unwrap()
                .retain(|field, _| ["apiVersion", "kind", "metadata"].contains(&field.as_str()));
            manifest["stringData"] = json!({ "api-key": "x" });
        }
        cluster::apply(&case.client, &manifest).await;
        taken.push((kind, manifest["metadata"]["name"].as_str().unwrap().to_owned()));
    }
    let mut before = Vec::new();
    for (kind, name) in &taken {
        before.push(case.child(kind, name).await);
    }
    case.apply(everything(&case.name)).await;
    let status = case.until("conflicts", SOON, |status| problems(status).contains("NameConflict")).await;
    assert_eq!(condition(&status, "Ready").0, "False");
    assert_eq!(condition(&status, "Stalled").0, "True");
    let named: Vec<String> = status["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["reason"] == "NameConflict")
        .map(|it| it["object"].as_str().unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    for (kind, name) in &taken {
        // A foreign namespace is used.
        if kind != "Namespace" {
            assert!(named.contains(kind), "{kind} {name} in {named:?}");
        }
    }
    for ((kind, name), before) in taken.iter().zip(before) {
        let now = case.child(kind, name).await;
        kinds::assert_same(&now, &before);
        assert_eq!(now.metadata.uid, before.metadata.uid);
    }
    // Frees one name: the operator takes it within the longest backoff for a name.
    kinds::delete(&case.client, kind("ServiceAccount"), case.ns(), "taken").await;
    case.child_until("ServiceAccount", "taken", "made", Duration::from_secs(40), |seen| {
        seen.metadata.owner_references.is_some()
    })
    .await;
}

#[tokio::test]
async fn contending_resources_are_told_the_owner() {
    let first = case("name-first").await;
    let second = case("name-second").await;
    let spec = |claim: bool| {
        let mut spec = quickstart();
        spec["namespace"] = json!({ "name": "name-first" });
        if claim {
            spec["nameOverride"] = json!("name-first");
        }
        spec
    };
    first.apply(spec(false)).await;
    first.ready().await;
    second.apply(spec(true)).await;
    let status = second.reason("Stalled", "True", "NameConflict").await;
    assert!(message(&status, "Stalled").contains("name-first"), "{status:#}");
    first.ready().await;
}

/// Fault catalogue: F54.
#[tokio::test]
async fn a_lost_pvc_waits_for_accepted_loss() {
    let case = case("lost").await;
    case.apply(quickstart()).await;
    let uid_before = case.ready().await["volumes"][0]["uid"].as_str().unwrap().to_owned();
    lose_claim(&case).await;
    let status = case.reason("Stalled", "True", "DataVolumeLost").await;
    assert!(message(&status, "Stalled").contains(&uid_before), "{status:#}");
    assert_eq!(condition(&status, "Ready"), ("False".into(), "DataVolumeLost".into()));
    assert!(kinds::get(&case.client, kind("PersistentVolumeClaim"), case.ns(), "lost-data").await.is_none());
    case.annotate("logpilot.io/accept-data-loss", "not-that-one").await;
    case.reason("Stalled", "True", "DataVolumeLost").await;
    case.annotate("logpilot.io/accept-data-loss", &uid_before).await;
    let status = case.ready().await;
    let uid_after = status["volumes"][0]["uid"].as_str().unwrap();
    assert_ne!(uid_after, uid_before);
    assert_eq!(uid_after, uid(&case.child("PersistentVolumeClaim", "lost-data").await));
}

#[tokio::test]
async fn a_restored_labelled_pvc_ends_the_loss() {
    let case = case("restored").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let mut claim = serde_json::to_value(case.child("PersistentVolumeClaim", "restored-data").await).unwrap();
    lose_claim(&case).await;
    case.reason("Stalled", "True", "DataVolumeLost").await;
    let meta = claim["metadata"].as_object_mut().unwrap();
    meta.retain(|field, _| ["name", "namespace", "labels"].contains(&field.as_str()));
    claim.as_object_mut().unwrap().remove("status");
    claim["spec"].as_object_mut().unwrap().remove("volumeName");
    cluster::apply(&case.client, &claim).await;
    let status = case.ready().await;
    let restored = uid(&case.child("PersistentVolumeClaim", "restored-data").await);
    assert_eq!(status["volumes"][0]["uid"], restored.as_str());
}

/// Deletes the PVC with the pods that use it: its protection lasts as long as they do.
async fn lose_claim(case: &Case) {
    let claim = format!("{}-data", case.name);
    let before = case.child("PersistentVolumeClaim", &claim).await;
    kinds::delete(&case.client, kind("PersistentVolumeClaim"), case.ns(), &claim).await;
    let patch = json!({ "metadata": { "finalizers": null } });
    let api = kinds::api(&case.client, kind("PersistentVolumeClaim"), case.ns());
    let _ = api.patch(&claim, &PatchParams::default(), &Patch::Merge(patch)).await;
    wait_for("the PVC to be deleted", SOON, async || match api.get_opt(&claim).await.unwrap() {
        Some(now) if now.metadata.uid == before.metadata.uid => Err("still there".to_owned()),
        _ => Ok(()),
    })
    .await
    .unwrap();
}

/// Fault catalogue: F62.
#[tokio::test]
async fn a_deleted_namespace_is_recreated_without_its_data() {
    let case = case("nsgone").await;
    case.apply(quickstart()).await;
    let uid = case.ready().await["volumes"][0]["uid"].as_str().unwrap().to_owned();
    let before = case.child("Namespace", case.ns()).await;
    case.delete_namespace().await;
    let status = case
        .until("the loss", Duration::from_secs(60), |status| {
            condition(status, "Stalled").1 == "DataVolumeLost"
        })
        .await;
    assert!(message(&status, "Stalled").contains(&uid));
    let after = case.child("Namespace", case.ns()).await;
    assert_ne!(after.metadata.uid, before.metadata.uid);
    case.annotate("logpilot.io/accept-data-loss", &uid).await;
    case.ready().await;
}

#[tokio::test]
async fn a_recreated_resource_waits_for_namespace_termination() {
    let case = case("nsgoing").await;
    case.apply(quickstart()).await;
    let before = case.ready().await["volumes"][0]["uid"].as_str().unwrap().to_owned();
    case.delete().await;
    let api = case.api();
    wait_for("the resource to be deleted", SOON, async || match api.get_opt(&case.name).await {
        Ok(None) => Ok(()),
        _ => Err("still there".to_owned()),
    })
    .await
    .unwrap();
    let claim = format!("{}-data", case.name);
    let hold = |finalizers: Value| json!({ "metadata": { "finalizers": finalizers } });
    let claims = kind("PersistentVolumeClaim");
    kinds::edit(&case.client, claims, case.ns(), &claim, &hold(json!(["example.com/hold"]))).await;
    case.delete_namespace().await;
    case.child_until("PersistentVolumeClaim", &claim, "on its way out", SOON, |it| {
        it.metadata.deletion_timestamp.is_some()
    })
    .await;
    case.apply(quickstart()).await;
    case.until("the wait", SOON, |status| problems(status).contains("NamespaceTerminating")).await;
    kinds::edit(&case.client, claims, case.ns(), &claim, &hold(Value::Null)).await;
    let status =
        case.until("Ready", Duration::from_secs(60), |status| condition(status, "Ready").0 == "True").await;
    assert_ne!(status["volumes"][0]["uid"], before.as_str());
}

/// Fault catalogue: F71.
#[tokio::test]
async fn autoscaler_handover_never_reduces_replicas() {
    let case = case("scaled").await;
    let fixed = json!({ "image": IMAGE, "components": { "rest": { "replicas": 3 } } });
    let autoscaled = json!({ "image": IMAGE, "components": { "rest": { "autoscaling": { "minReplicas": 2, "maxReplicas": 10 } } } });
    case.apply(fixed.clone()).await;
    case.ready().await;
    let floor = watch_floor(&case, "scaled-rest").await;
    case.apply(autoscaled.clone()).await;
    case.ready().await;
    let replicas =
        async || case.child("Deployment", "scaled-rest").await.data["spec"]["replicas"].as_i64().unwrap();
    assert_eq!(replicas().await, 3, "the handover keeps the running pods");
    scale(&case, "scaled-rest", 7).await;
    case.until("7 pods", SOON, |status| status["pods"] == "7/7").await;
    // Changes for other reasons leave the number alone.
    let mut changed = autoscaled.clone();
    changed["commonAnnotations"] = json!({ "note": "changed" });
    changed["config"] = json!({ "logLevels": { "com.logpilot": "DEBUG" } });
    case.apply(changed.clone()).await;
    case.ready().await;
    assert_eq!(replicas().await, 7);
    kinds::edit(
        &case.client,
        kind("Deployment"),
        case.ns(),
        "scaled-rest",
        &json!({ "spec": { "template": { "spec": { "enableServiceLinks": true } } } }),
    )
    .await;
    case.child_until("Deployment", "scaled-rest", "repaired", REPAIR, |seen| {
        seen.data["spec"]["template"]["spec"]["enableServiceLinks"] == false
    })
    .await;
    assert_eq!(replicas().await, 7);
    let lowest = floor.stop().await;
    assert!(lowest >= 3, "never below the running number: {lowest}");
    // Recreated, it starts with its previous number.
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "scaled-rest").await;
    case.child_until("Deployment", "scaled-rest", "recreated with 7", REPAIR, |seen| {
        seen.data["spec"]["replicas"] == 7
    })
    .await;
    case.ready().await;
    scale(&case, "scaled-rest", 5).await;
    case.until("5 pods", SOON, |status| status["pods"] == "5/5").await;
    // And back: from now on the spec decides the number.
    let floor = watch_floor(&case, "scaled-rest").await;
    let mut back = fixed.clone();
    back["components"]["rest"]["replicas"] = json!(4);
    case.apply(back).await;
    case.until("4 pods", SOON, |status| status["pods"] == "4/4" && condition(status, "Ready").0 == "True")
        .await;
    assert!(floor.stop().await >= 4);
    case.gone("HorizontalPodAutoscaler", "scaled-rest", SOON).await;
    // The last number of the deleted autoscaler no longer counts.
    scale(&case, "scaled-rest", 1).await;
    case.child_until("Deployment", "scaled-rest", "4 pods again", REPAIR, |seen| {
        seen.data["spec"]["replicas"] == 4
    })
    .await;
}

/// Writes the number of pods as the autoscaler's controller does.
async fn scale(case: &Case, name: &str, replicas: i32) {
    let api: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(case.client.clone(), case.ns());
    let mut scale = api.get_scale(name).await.unwrap();
    scale.spec.as_mut().unwrap().replicas = Some(replicas);
    let parameters =
        kube::api::PostParams { field_manager: Some("kube-controller-manager".into()), ..Default::default() };
    api.replace_scale(name, &parameters, &scale).await.unwrap();
}

/// The lowest desired number of pods that a watch observes.
struct Floor {
    stop: tokio::sync::oneshot::Sender<()>,
    lowest: tokio::task::JoinHandle<i64>,
}

impl Floor {
    async fn stop(self) -> i64 {
        let _ = self.stop.send(());
        self.lowest.await.unwrap()
    }
}

async fn watch_floor(case: &Case, name: &str) -> Floor {
    use futures::{StreamExt, TryStreamExt};
    use kube::runtime::{WatchStreamExt, watcher};
    let api = kinds::api(&case.client, kind("Deployment"), case.ns());
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut stream = watcher(api, config).applied_objects().boxed();
    let first = stream.try_next().await.unwrap().unwrap();
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let lowest = tokio::spawn(async move {
        let wanted = |object: &kube::api::DynamicObject| object.data["spec"]["replicas"].as_i64().unwrap();
        let mut lowest = wanted(&first);
        loop {
            tokio::select! {
                _ = &mut stopped => return lowest,
                next = stream.try_next() => {
                    if let Ok(Some(object)) = next { lowest = lowest.min(wanted(&object)); }
                }
            }
        }
    });
    Floor { stop, lowest }
}

/// Fault catalogue: F76.
#[tokio::test]
async fn a_broken_image_is_reported_within_5_seconds() {
    let case = case("broken").await;
    case.apply(quickstart()).await;
    case.ready().await;
    for (image, reason, word) in [
        ("danpung2/logpilot-image-pull:2", "ImagePullBackOff", "image"),
        ("danpung2/logpilot-crash-loop:2", "CrashLoopBackOff", "boom"),
        ("danpung2/logpilot-create-config-error:2", "CreateContainerConfigError", ""),
        ("danpung2/logpilot-oom:2", "OOMKilled", "137"),
    ] {
        let mut spec = quickstart();
        spec["image"] = json!(image);
        let changed = Instant::now();
        case.apply(spec).await;
        let status = case
            .until(reason, Duration::from_secs(5), |status| {
                condition(status, "Ready") == ("False".to_owned(), reason.to_owned())
            })
            .await;
        println!("{image}: {reason} after {:?}", changed.elapsed());
        let problem =
            status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == reason).unwrap();
        assert!(problem["message"].as_str().unwrap().contains(word), "{problem:#}");
        assert!(problem["object"].as_str().unwrap().starts_with("Pod broken/broken-all-"), "{problem:#}");
        assert!(!problem["action"].as_str().unwrap().is_empty());
        // The old pod keeps serving, and the spec is reverted while the operator waits for the bad pod.
        assert_eq!(status["endpoints"][0]["readyAddresses"], 1, "{status:#}");
        case.apply(quickstart()).await;
        let status = case.ready().await;
        assert!(!problems(&status).contains(reason), "{status:#}");
    }
}

/// Fault catalogue: F64.
#[tokio::test]
async fn scheduling_and_quota_problems_quote_kubernetes() {
    let case = case("unplaced").await;
    let mut spec = quickstart();
    spec["components"]["all"]["nodeSelector"] = json!({ "disk": "nowhere" });
    case.apply(spec).await;
    let status = case.reason("Ready", "False", "Unschedulable").await;
    assert!(message(&status, "Ready").contains("node"), "{status:#}");
    case.apply(quickstart()).await;
    case.ready().await;
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small", "namespace": case.ns() },
        "spec": { "hard": { "pods": "1" } },
    });
    cluster::apply(&case.client, &quota).await;
    let mut spec = quickstart();
    spec["components"]["all"]["replicas"] = json!(3);
    // The quota's own controller has to count first.
    wait_for("the quota to be counted", SOON, async || {
        let quota = kube::Api::<k8s_openapi::api::core::v1::ResourceQuota>::namespaced(
            case.client.clone(),
            case.ns(),
        )
        .get("small")
        .await
        .unwrap();
        quota.status.and_then(|status| status.used).map(drop).ok_or("not yet".to_owned())
    })
    .await
    .unwrap();
    case.apply(spec).await;
    let status = case.reason("Ready", "False", "QuotaExceeded").await;
    assert!(message(&status, "Ready").contains("exceeded quota"), "{status:#}");
    case.apply(quickstart()).await;
    case.ready().await;
}

#[tokio::test]
async fn a_pvc_without_provisioner_is_reported() {
    let case = case("pending").await;
    let mut spec = quickstart();
    spec["storage"] = json!({ "volume": { "storageClassName": "never" } });
    case.apply(spec).await;
    let status = case.until("VolumePending", SOON, |status| problems(status).contains("VolumePending")).await;
    assert_eq!(condition(&status, "Ready").0, "False");
    assert!(status["problems"].to_string().contains("never"), "{status:#}");
}

#[tokio::test]
async fn deletion_retains_data_for_the_next_resource() {
    let case = case("kept").await;
    case.apply(everything(&case.name)).await;
    let status = case.ready().await;
    let claim = case.child("PersistentVolumeClaim", "kept-data").await;
    let namespace = case.child("Namespace", case.ns()).await;
    case.delete().await;
    for kind in of_management(Management::Managed) {
        wait_for(format!("every {} to be deleted", kind.kind), Duration::from_secs(90), async || match case
            .children(kind)
            .await
            .len()
        {
            0 => Ok(()),
            left => Err(format!("{left} left")),
        })
        .await
        .unwrap();
    }
    case.gone("Secret", "kept-api-key", SOON).await;
    assert_eq!(uid(&case.child("PersistentVolumeClaim", "kept-data").await), uid(&claim));
    assert_eq!(uid(&case.child("Namespace", case.ns()).await), uid(&namespace));
    case.apply(everything(&case.name)).await;
    let again = case.ready().await;
    assert_eq!(again["volumes"], status["volumes"], "the data is found again");
}

#[tokio::test]
async fn with_policy_delete_everything_is_deleted() {
    let case = case("all-gone").await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "deletionPolicy": "Delete" });
    spec["storage"] = json!({ "volume": { "deletionPolicy": "Delete" } });
    case.apply(spec).await;
    case.ready().await;
    case.delete().await;
    case.gone("PersistentVolumeClaim", "all-gone-data", Duration::from_secs(60)).await;
    case.gone("Namespace", "all-gone", Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_shared_namespace_outlives_its_creator() {
    let maker = case("shared-ns").await;
    let guest = case("shared-guest").await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "deletionPolicy": "Delete" });
    spec["storage"] = json!({ "volume": { "deletionPolicy": "Delete" } });
    maker.apply(spec).await;
    maker.ready().await;
    let owned = |seen: &kube::api::DynamicObject| seen.metadata.owner_references.is_some();
    maker.child_until("Namespace", "shared-ns", "owned", SOON, owned).await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "name": "shared-ns" });
    guest.apply(spec).await;
    guest.ready().await;
    maker
        .child_until("Namespace", "shared-ns", "not owned while it is shared", SOON, |seen| !owned(seen))
        .await;
    guest.delete().await;
    maker.child_until("Namespace", "shared-ns", "owned again", SOON, owned).await;
}

#[tokio::test]
async fn a_foreign_namespace_is_used_but_never_changed() {
    let case = case("theirs").await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "theirs-ns", "labels": { "owner": "them" } } });
    cluster::apply(&case.client, &namespace).await;
    let before = case.child("Namespace", "theirs-ns").await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "name": "theirs-ns", "labels": { "team": "a" } });
    case.apply(spec).await;
    case.ready().await;
    case.delete().await;
    // The garbage collector learns of new owner kinds every 30 s.
    wait_for("the Deployment to be deleted", Duration::from_secs(90), async || {
        match kinds::get(&case.client, kind("Deployment"), "theirs-ns", "theirs-all").await {
            None => Ok(()),
            Some(_) => Err("still there".to_owned()),
        }
    })
    .await
    .unwrap();
    kinds::assert_same(&case.child("Namespace", "theirs-ns").await, &before);
}

#[tokio::test]
async fn a_changed_api_key_rolls_the_pods() {
    let case = case("key").await;
    let mut spec = quickstart();
    spec["auth"] = json!({ "apiKeySecret": { "name": "mine", "key": "token" } });
    case.apply(spec.clone()).await;
    let status = case.reason("Stalled", "True", "ApiKeyInvalid").await;
    assert!(message(&status, "Stalled").contains("does not exist"), "{status:#}");
    assert!(kinds::get(&case.client, kind("Deployment"), case.ns(), "key-all").await.is_none(), "held");
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine", "namespace": case.ns() },
            "stringData": { "token": value },
        })
    };
    cluster::apply(&case.client, &secret("")).await;
    // Read every 10 s while a rollout is blocked on it.
    case.until("an empty key", SOON, |status| message(status, "Stalled").contains("empty")).await;
    cluster::apply(&case.client, &secret("sesame-0\n")).await;
    case.until("a line break", SOON, |status| message(status, "Stalled").contains("printf %s")).await;
    cluster::apply(&case.client, &secret("sesame-1")).await;
    case.ready().await;
    let hash = async || {
        let object = case.child("Deployment", "key-all").await;
        object.data.pointer("/spec/template/metadata/annotations").unwrap().to_string()
    };
    let before = hash().await;
    assert!(!before.contains("sesame"), "{before}");
    cluster::apply(&case.client, &secret("sesame-2")).await;
    spec["commonAnnotations"] = json!({ "note": "users expect a read after an edit" });
    case.apply(spec).await;
    case.ready().await;
    assert_ne!(hash().await, before);
    assert!(!case.status().await.to_string().contains("sesame"));
    assert!(!case.world.log_of("").contains("sesame-"), "the key is in the log");
}

#[tokio::test]
async fn a_config_change_rolls_once_and_keeps_rollback() {
    let case = case("config").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let maps = async || case.children(kind("ConfigMap")).await.len();
    assert_eq!(maps().await, 1);
    let revision = async || operation::revision(&case, "config-all").await;
    let mut spec = quickstart();
    spec["config"] =
        json!({ "overlay": { "spring": { "jackson": { "serialization": { "indent-output": true } } } } });
    case.apply(spec.clone()).await;
    let status = case.ready().await;
    assert_eq!(revision().await, "2");
    assert_eq!(maps().await, 2, "the old one serves a rollback");
    let hash = status["components"][0]["configHash"].as_str().unwrap().to_owned();
    let new = format!("config-all-config-{hash}");
    // The pods show which version runs; the old one has ended when its last pod has.
    let told = |status: &Value| -> Vec<(String, i64)> {
        let configs = status["components"][0]["configs"].as_array().unwrap().iter();
        configs.map(|it| (it["name"].as_str().unwrap().to_owned(), it["pods"].as_i64().unwrap())).collect()
    };
    let rolled_out = |status: &Value| status["components"][0]["configRolledOut"] == true;
    let status = case.until("rolled out", SOON, rolled_out).await;
    let old = told(&status)[1].0.clone();
    assert_eq!(told(&status), [(new.clone(), 1), (old.clone(), 0)]);
    let map = case.child("ConfigMap", &format!("config-all-config-{hash}")).await;
    assert!(map.data["data"]["application.yml"].as_str().unwrap().contains("indent-output: true"));
    // An immutable ConfigMap that was deleted and recreated with other data is not a valid
    // configuration.
    let name = format!("config-all-config-{hash}");
    let mut fake = serde_json::to_value(&map).unwrap();
    fake["metadata"]
        .as_object_mut()
        .unwrap()
        .retain(|field, _| ["name", "namespace", "labels", "ownerReferences"].contains(&field.as_str()));
    fake["data"]["application.yml"] = json!("server: {}");
    kinds::delete(&case.client, kind("ConfigMap"), case.ns(), &name).await;
    let _ = cluster::try_apply(&case.client, &fake).await;
    case.child_until("ConfigMap", &name, "the real data", SOON, |seen| {
        seen.data["data"]["application.yml"].as_str().unwrap().contains("indent-output: true")
    })
    .await;
    spec["config"] = json!({ "overlay": { "server": { "port": 1 } } });
    case.apply(spec).await;
    let status = case.reason("Accepted", "False", "InvalidSpec").await;
    assert!(message(&status, "Accepted").contains("spec.config.overlay.server.port"), "{status:#}");
    case.apply(quickstart()).await;
    case.ready().await;
    let status = case.until("rolled back", SOON, rolled_out).await;
    assert_eq!(told(&status), [(old.clone(), 1), (new.clone(), 0)]);
    // No pod can start with the next configuration.
    let mut spec = quickstart();
    spec["config"] = json!({ "overlay": { "spring": { "jackson": { "time-zone": "UTC" } } } });
    spec["components"]["all"]["nodeSelector"] = json!({ "nowhere": "1" });
    case.apply(spec).await;
    let status = case.until("the old one serves", SOON, |status| told(status).len() == 3).await;
    assert!(!rolled_out(&status), "{status:#}");
    assert_eq!((told(&status)[0].1, &told(&status)[1..]), (0, &[(old, 1), (new, 0)][..]));
}

#[tokio::test]
async fn a_paused_resource_writes_only_its_status() {
    let case = case("on-pause").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let mut spec = quickstart();
    spec["operation"] = json!({ "paused": true });
    spec["components"]["all"]["replicas"] = json!(2);
    case.apply(spec.clone()).await;
    case.until("Paused", SOON, |status| status["summary"] == "Paused").await;
    let since = case.world.marker().await;
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "on-pause-all").await;
    case.until("not ready", SOON, |status| condition(status, "Ready").0 == "False").await;
    let requests = case.requests(since.as_ref()).await;
    assert_eq!(writes(&requests).len(), 0, "{requests:#?}");
    spec["operation"] = json!({ "paused": false });
    case.apply(spec).await;
    case.until("2 pods", SOON, |status| status["pods"] == "2/2" && condition(status, "Ready").0 == "True")
        .await;
}

/// Fault catalogue: F06, F74.
#[tokio::test]
async fn a_hanging_plan_delays_no_other_resource() {
    let panics = case(PANICS).await;
    let hangs = case(HANGS).await;
    let third = case("unharmed").await;
    panics.apply(quickstart()).await;
    hangs.apply(quickstart()).await;
    let status = panics.reason("Stalled", "True", "InternalError").await;
    assert!(message(&status, "Stalled").contains("the plan of this resource is broken"), "{status:#}");
    let started = Instant::now();
    third.apply(quickstart()).await;
    third.ready().await;
    println!("next to a panic and a hang: Ready after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    let status = hangs
        .until("given up", Duration::from_secs(90), |status| {
            condition(status, "Stalled").1 == "InternalError"
        })
        .await;
    assert!(message(&status, "Stalled").contains("exceeded its time limit"), "{status:#}");
}

#[tokio::test]
async fn storage_grows_and_removed_components_keep_data() {
    let case = case("grows").await;
    let spec = |size: &str, rest: bool| {
        let mut spec = json!({
            "image": IMAGE, "storage": { "sharing": "PerComponent", "volume": { "size": size } },
            "components": { "all": { "replicas": 1 } },
        });
        if rest {
            spec["components"]["rest"] = json!({ "replicas": 1 });
        }
        spec
    };
    case.apply(spec("10Gi", true)).await;
    case.ready().await;
    case.apply(spec("20Gi", true)).await;
    case.child_until("PersistentVolumeClaim", "grows-all-data", "20Gi", SOON, |seen| {
        seen.data.pointer("/status/capacity/storage").is_some_and(|size| size == "20Gi")
    })
    .await;
    let kept = uid(&case.child("PersistentVolumeClaim", "grows-rest-data").await);
    case.apply(spec("20Gi", false)).await;
    case.gone("Deployment", "grows-rest", SOON).await;
    case.ready().await;
    assert_eq!(uid(&case.child("PersistentVolumeClaim", "grows-rest-data").await), kept);
}

#[tokio::test]
async fn modes_and_strategies_reach_the_pods() {
    let case = case("modes").await;
    for mode in ["ActuatorGroups", "Actuator", "Tcp", "Grpc", "Exec"] {
        let mut spec = quickstart();
        spec["components"]["all"]["probes"] = json!({ "mode": mode });
        if mode == "Exec" {
            spec["components"]["all"]["probes"]["command"] = json!(["/bin/true"]);
        }
        case.apply(spec).await;
        case.ready().await;
        let container =
            &case.child("Deployment", "modes-all").await.data["spec"]["template"]["spec"]["containers"][0];
        let handler = match mode {
            "Tcp" => "tcpSocket",
            "Grpc" => "grpc",
            "Exec" => "exec",
            _ => "httpGet",
        };
        assert!(container["livenessProbe"].get(handler).is_some(), "{mode}: {container:#}");
    }
}
