//! Stopping and starting, restarts by annotation, and the objects to which variables refer.

use local_cluster::audit::AuditEvent;

use super::*;

#[tokio::test]
async fn a_stopped_cluster_keeps_data_and_replica_count() {
    let case = case("stopped").await;
    let mut spec = json!({
        "image": IMAGE,
        "components": {
            "all": { "replicas": 2, "podDisruptionBudget": { "maxUnavailable": 1 } },
            "rest": { "autoscaling": { "minReplicas": 2, "maxReplicas": 10 } },
        },
    });
    case.apply(spec.clone()).await;
    case.ready().await;
    scale(&case, "stopped-rest", 5).await;
    case.until("7 pods", SOON, |status| status["pods"] == "7/7").await;
    let claim = uid(&case.child("PersistentVolumeClaim", "stopped-data").await);
    spec["operation"] = json!({ "stopped": true });
    case.apply(spec.clone()).await;
    let status =
        case.until("stopped", SOON, |status| status["pods"] == "0/0" && status["summary"] == "Stopped").await;
    assert_eq!(condition(&status, "Ready"), ("False".into(), "Stopped".into()));
    assert_eq!(condition(&status, "Stalled").0, "");
    assert_eq!(status["components"][1]["replicasBeforeStop"], 5, "{status:#}");
    case.gone("HorizontalPodAutoscaler", "stopped-rest", SOON).await;
    case.gone("PodDisruptionBudget", "stopped-all", SOON).await;
    // A user starts it by hand although the spec says stopped.
    let by_hand = json!({ "spec": { "replicas": 1 } });
    kinds::edit(&case.client, kind("Deployment"), case.ns(), "stopped-rest", &by_hand).await;
    case.child_until("Deployment", "stopped-rest", "stopped again", REPAIR, |seen| {
        seen.data["spec"]["replicas"] == 0
    })
    .await;
    spec["operation"] = json!({ "stopped": false });
    case.apply(spec).await;
    let status = case
        .until("7 pods again", SOON, |status| {
            status["pods"] == "7/7" && condition(status, "Ready").0 == "True"
        })
        .await;
    assert!(status["components"][1].get("replicasBeforeStop").is_none(), "{status:#}");
    assert_eq!(uid(&case.child("PersistentVolumeClaim", "stopped-data").await), claim);
    case.child("HorizontalPodAutoscaler", "stopped-rest").await;
    case.child("PodDisruptionBudget", "stopped-all").await;
    // The autoscaler decides again: its number stays.
    scale(&case, "stopped-rest", 3).await;
    case.until("5 pods", SOON, |status| status["pods"] == "5/5" && condition(status, "Ready").0 == "True")
        .await;
}

/// Returns the revision of a Deployment, once its controller has observed the newest template.
pub async fn revision(case: &Case, name: &str) -> String {
    let seen = case.child_until("Deployment", name, "seen by its controller", SOON, |seen| {
        let observed = seen.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
        observed.is_some() && observed == seen.metadata.generation
    });
    seen.await.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"].clone()
}

#[tokio::test]
async fn a_restart_annotation_restarts_once() {
    let case = case("again").await;
    let spec =
        json!({ "image": IMAGE, "components": { "all": { "replicas": 1 }, "rest": { "replicas": 1 } } });
    case.apply(spec).await;
    case.ready().await;
    let revisions = async || (revision(&case, "again-all").await, revision(&case, "again-rest").await);
    let reach = async |wanted: (&str, &str)| {
        wait_for(format!("revisions {wanted:?}"), SOON, async || {
            let seen = revisions().await;
            if (seen.0.as_str(), seen.1.as_str()) == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await
        .unwrap();
        case.ready().await;
    };
    reach(("1", "1")).await;
    case.annotate("logpilot.io/restart", "2026-01-01").await;
    reach(("2", "2")).await;
    case.annotate("logpilot.io/restart-rest", "1").await;
    reach(("2", "3")).await;
    // Removing the annotations, or writing the same value again, restarts nothing.
    let since = case.world.marker().await;
    let gone = json!({ "metadata": { "annotations": { "logpilot.io/restart": null, "logpilot.io/restart-rest": null, "seen": "1" } } });
    case.api().patch(&case.name, &PatchParams::default(), &Patch::Merge(gone)).await.unwrap();
    case.annotate("logpilot.io/restart", "2026-01-01").await;
    // A change that is complete shows that those before it are.
    case.annotate("logpilot.io/restart-rest", "2").await;
    reach(("2", "4")).await;
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        assert_eq!(writes(&requests).len(), 1, "{requests:#?}");
    }
}

#[tokio::test]
async fn changed_env_references_roll_the_pods() {
    let case = case("refers").await;
    let mut spec = json!({
        "image": IMAGE,
        "components": {
            "all": {
                "replicas": 1,
                "env": [
                    { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "a" } } },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "absent", "key": "b", "optional": true } } },
                ],
                "envFrom": [{ "secretRef": { "name": "more" } }],
            },
            "rest": { "replicas": 1 },
        },
    });
    case.apply(spec.clone()).await;
    let status = case.reason("Stalled", "True", "ReferenceMissing").await;
    assert!(
        status["problems"].to_string().contains("ConfigMap refers/settings does not exist"),
        "{status:#}"
    );
    assert!(status["problems"].to_string().contains("Secret refers/more does not exist"), "{status:#}");
    assert!(kinds::get(&case.client, kind("Deployment"), case.ns(), "refers-all").await.is_none(), "held");
    case.child_until("Deployment", "refers-rest", "not held", SOON, |_| true).await;
    let map = |value: &str, other: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": case.ns() },
            "data": { "a": value, "other": other },
        })
    };
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "more", "namespace": case.ns() },
            "stringData": { "C": value },
        })
    };
    cluster::apply(&case.client, &map("1", "1")).await;
    cluster::apply(&case.client, &secret("canary-a")).await;
    // Read every 10 s while a component is blocked on it.
    let status = case.ready().await;
    assert!(
        problems(&status).contains("ReferenceMissing"),
        "the optional one is reported, and blocks nothing: {status:#}"
    );
    assert_eq!(revision(&case, "refers-all").await, "1");
    let mut edit = 0;
    let mut look = async |wanted: &str| {
        edit += 1;
        // Users expect a read after an edit of the spec.
        spec["commonAnnotations"] = json!({ "edit": edit.to_string() });
        let since = case.world.marker().await;
        case.apply(spec.clone()).await;
        case.until("the edit", SOON, |status| condition(status, "Ready").0 == "True").await;
        assert_eq!(revision(&case, "refers-all").await, wanted);
        assert_eq!(revision(&case, "refers-rest").await, "1", "refers to nothing");
        if since.is_some() {
            let requests = case.requests(since.as_ref()).await;
            let read: Vec<_> =
                reads(&requests).into_iter().map(|it| (it.verb.as_str(), it.resource.as_str())).collect();
            assert!(
                read.iter().all(|(verb, kind)| *verb == "get" && ["secrets", "configmaps"].contains(kind)),
                "{read:?}"
            );
            assert!(read.len() <= 4, "each object once: {read:?}");
        }
    };
    cluster::apply(&case.client, &map("1", "2")).await;
    look("1").await;
    cluster::apply(&case.client, &map("2", "2")).await;
    look("2").await;
    cluster::apply(&case.client, &secret("canary-b")).await;
    look("3").await;
    assert!(!case.status().await.to_string().contains("canary"));
    assert!(!case.child("Deployment", "refers-all").await.data.to_string().contains("canary"));
    assert!(!case.world.log_of("").contains("canary-a"), "a value is in the log");
}

#[tokio::test]
async fn an_annotation_reads_a_changed_key_immediately() {
    let case = case("rotate").await;
    let spec = json!({
        "image": IMAGE, "auth": { "apiKeySecret": { "name": "clients", "key": "token" } },
        "components": { "all": { "replicas": 1, "envFrom": [{ "configMapRef": { "name": "settings" } }] } },
    });
    let secret = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "clients", "namespace": case.ns() },
            "stringData": { "token": value },
        })
    };
    let map = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings", "namespace": case.ns() },
            "data": { "A": value },
        })
    };
    case.apply(spec).await;
    case.until("the key to be missed", SOON, |status| problems(status).contains("ApiKeyInvalid")).await;
    cluster::apply(&case.client, &map("1")).await;
    cluster::apply(&case.client, &secret("canary-1")).await;
    let status = case.ready().await;
    assert!(message(&status, "Applied").contains("logpilot.io/refresh"), "{status:#}");
    let hashes = async || {
        let object = case.child("Deployment", "rotate-all").await;
        let annotations = &object.data["spec"]["template"]["metadata"]["annotations"];
        (annotations["logpilot.io/api-key-hash"].clone(), annotations["logpilot.io/references-hash"].clone())
    };
    // The resource itself may be read for its status.
    let looks = |requests: &[AuditEvent]| {
        reads(requests).iter().filter(|it| ["secrets", "configmaps"].contains(&it.resource.as_str())).count()
    };
    let rolled = async |before: &(Value, Value), times: &str| {
        // Long before the key would be read periodically.
        wait_for("new hashes", Duration::from_secs(20), async || {
            let seen = hashes().await;
            if seen == *before { Err(format!("{seen:?}")) } else { Ok(()) }
        })
        .await
        .unwrap();
        case.ready().await;
        assert_eq!(revision(&case, "rotate-all").await, times);
        hashes().await
    };
    let first = hashes().await;
    cluster::apply(&case.client, &secret("canary-2")).await;
    // Another annotation causes a reconcile, and no read.
    let since = case.world.marker().await;
    // A single annotation: a second one could take effect after the next change of the Secret.
    case.annotate("note", "1").await;
    case.annotate("logpilot.io/refresh", "1").await;
    let second = rolled(&first, "2").await;
    assert!(second.0 != first.0 && second.1 == first.1, "the key alone: {first:?} {second:?}");
    if since.is_some() {
        let requests = case.requests(since.as_ref()).await;
        assert_eq!(looks(&requests), 2, "{requests:#?}");
    }
    // New pods and the new values are one rollout.
    cluster::apply(&case.client, &secret("canary-3")).await;
    cluster::apply(&case.client, &map("2")).await;
    case.annotate("logpilot.io/restart", "1").await;
    let third = rolled(&second, "3").await;
    assert!(third.0 != second.0 && third.1 != second.1, "{second:?} {third:?}");
    let since = case.world.marker().await;
    case.annotate("logpilot.io/refresh", "1").await;
    case.annotate("note", "2").await;
    case.annotate("logpilot.io/refresh", "2").await;
    wait_for("a read without a change", SOON, async || {
        let seen = looks(&case.requests(since.as_ref()).await);
        if seen == 2 || since.is_none() { Ok(()) } else { Err(format!("{seen} reads")) }
    })
    .await
    .unwrap();
    assert_eq!(hashes().await, third);
    assert!(!case.status().await.to_string().contains("canary"));
}

#[tokio::test]
async fn envfrom_contents_are_validated_like_env() {
    let case = case("brings").await;
    let spec = json!({
        "image": IMAGE,
        "components": { "all": { "replicas": 1, "envFrom": [{ "secretRef": { "name": "settings" } }] } },
    });
    let secret = |data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "settings", "namespace": case.ns() },
            "stringData": data,
        })
    };
    case.apply(spec).await;
    case.reason("Stalled", "True", "ReferenceMissing").await;
    let bad = "-Dcanary=1 -Dlogpilot.server.api-key=";
    cluster::apply(&case.client, &secret(json!({ "JDK_JAVA_OPTIONS": bad }))).await;
    let status = case.reason("Stalled", "True", "ReferenceInvalid").await;
    let told = message(&status, "Stalled");
    assert!(told.contains("Secret brings/settings") && told.contains("auth.apiKeySecret"), "{told}");
    assert!(!status.to_string().contains("canary"), "{status:#}");
    assert!(kinds::get(&case.client, kind("Deployment"), case.ns(), "brings-all").await.is_none(), "held");
    let good = json!({ "JDK_JAVA_OPTIONS": "-Xmx200m", "JAVA_TOOL_OPTIONS": "-Xms100m" });
    cluster::apply(&case.client, &secret(good)).await;
    let status = case.ready().await;
    assert!(problems(&status).contains("EnvIgnored"), "{status:#}");
}
