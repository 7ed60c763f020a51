//! Permissions that only rare paths use are exercised here: `make rbac-used` requires the removal
//! of unused ones.

use logpilot_operator::workload::names::short_hash;

use super::*;

fn watched(name: &str) -> Value {
    let mut spec = quickstart();
    spec["monitoring"] = json!({ "podMonitor": {}, "rules": {} });
    spec["backup"] = json!({});
    spec["exposure"] = json!({ "ingress": { "rules": [{ "host": format!("{name}.example.com") }] } });
    spec
}

#[tokio::test]
async fn adopted_objects_are_read_and_obsolete_ones_deleted() {
    let case = case("rights").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let job = format!("rights-restore-{}", short_hash(b"taken"));
    let pod = json!({ "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i:1" }] });
    for (api_version, kind, name, spec) in [
        (
            "monitoring.coreos.com/v1",
            "PodMonitor",
            "rights",
            json!({ "selector": {}, "podMetricsEndpoints": [] }),
        ),
        ("batch/v1", "Job", job.as_str(), json!({ "suspend": true, "template": { "spec": pod } })),
    ] {
        let metadata = json!({ "name": name, "namespace": case.ns() });
        let manifest = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec });
        cluster::apply(&case.client, &manifest).await;
    }
    let mut spec = watched(&case.name);
    spec["restore"] = json!({ "requestId": "taken", "from": "logpilot-20260102T030001.000Z.db" });
    case.apply(spec).await;
    case.until("both conflicts", SOON, |status| {
        let of = |object: &str| {
            status["problems"].as_array().into_iter().flatten().any(|it| {
                it["reason"] == "NameConflict" && it["object"].as_str().is_some_and(|it| it.contains(object))
            })
        };
        of("PodMonitor rights") && of(&job)
    })
    .await;
    kinds::delete(&case.client, kind("PodMonitor"), case.ns(), "rights").await;
    kinds::delete(&case.client, kind("Job"), case.ns(), &job).await;
    case.apply(watched(&case.name)).await;
    case.ready().await;
    let made = [
        ("PodMonitor", "rights"),
        ("PrometheusRule", "rights"),
        ("CronJob", "rights-backup"),
        ("Ingress", "rights"),
    ];
    for (kind, name) in made {
        case.child_until(kind, name, "made", SOON, |_| true).await;
    }
    let mut without = quickstart();
    // Omitting the block does not turn backups off.
    without["backup"] = json!({ "enabled": false });
    case.apply(without).await;
    for (kind, name) in made {
        case.gone(kind, name, SOON).await;
    }
    case.ready().await;
}
