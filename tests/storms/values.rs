//! Values that the API server stores in another form than given: each is written once, and never again.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    cluster::{
        behind,
        case::{SOON, condition},
    },
    fleet::Fleet,
    quickstart, size,
};

fn with(path: &str, value: Value) -> Value {
    let mut spec = quickstart();
    let mut place = &mut spec;
    for part in path.split('.') {
        place = &mut place[part];
    }
    *place = value;
    spec
}

fn all(path: &str, value: Value) -> Value {
    with(&format!("components.all.{path}"), value)
}

fn resources(cpu: &str, memory: &str) -> Value {
    let amount = json!({ "cpu": cpu, "memory": memory });
    all("resources", json!({ "requests": amount, "limits": { "cpu": "4", "memory": "4Gi" } }))
}

/// Each with its unusual property.
fn unusual() -> Vec<(&'static str, Value)> {
    vec![
        ("a thousand milli", resources("1000m", "1024Mi")),
        ("a fraction", resources("0.5", "0.5Gi")),
        ("a long fraction", resources("1.50", "1.250Gi")),
        ("an exponent", resources("1e0", "1e9")),
        ("a plain number of bytes", resources("1", "1073741824")),
        ("decimal units", resources("1500m", "1000M")),
        ("a PVC in other units", with("storage.volume.size", json!("10240Mi"))),
        (
            "tolerations without defaulted fields",
            all(
                "tolerations",
                json!([{ "key": "b", "operator": "Exists" }, { "key": "a", "value": "x", "effect": "NoSchedule" }]),
            ),
        ),
        ("a spread", all("topologySpread", json!([{ "topologyKey": "topology.kubernetes.io/zone" }]))),
        (
            "variables out of order, one empty",
            all(
                "env",
                json!([{ "name": "B", "value": "" }, { "name": "A", "value": "1" }, { "name": "C", "value": "$(A)" }]),
            ),
        ),
        (
            "a toleration of the empty value",
            all(
                "tolerations",
                json!([{ "key": "a", "operator": "Equal", "value": "", "effect": "NoSchedule" }]),
            ),
        ),
        ("no seconds", all("minReadySeconds", json!(0))),
        (
            "probes without delay",
            all(
                "probes",
                json!({ "readiness": { "initialDelaySeconds": 0 }, "liveness": { "initialDelaySeconds": 0 } }),
            ),
        ),
        ("percentages", all("podDisruptionBudget", json!({ "maxUnavailable": "50%" }))),
        ("probes by hand", all("probes", json!({ "mode": "Tcp" }))),
        (
            "a Service with session affinity and ranges out of order",
            all("loadBalancer", json!({ "sourceRanges": ["192.168.0.0/16", "10.0.0.0/8"] })),
        ),
        (
            "hosts in capitals of a path without its end",
            with(
                "exposure.ingress",
                json!({ "className": "nginx", "rules": [{ "host": "values.example.com", "component": "all", "path": "/logs/" }] }),
            ),
        ),
        ("a schedule", with("backup", json!({ "schedule": "0 3 * * *", "timeZone": "Etc/UTC" }))),
        ("no schedule any more", with("backup", json!({ "enabled": false }))),
        (
            "limits in other units",
            with(
                "limits",
                json!({ "quota": { "pods": 50, "requests": { "cpu": "20000m", "memory": "65536Mi" } } }),
            ),
        ),
        ("no policy", with("networkPolicy", json!({ "enabled": false }))),
        (
            "annotations that are empty",
            with("commonAnnotations", json!({ "empty": "", "lines": "a\nb\n", "wide": "日本" })),
        ),
        ("an autoscaler", {
            let mut spec = all("autoscaling", json!({ "minReplicas": 1, "maxReplicas": 2 }));
            spec["components"]["all"].as_object_mut().unwrap().remove("replicas");
            spec
        }),
    ]
}

/// Fault catalogue: F68.
#[tokio::test]
async fn equivalent_values_are_written_once() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("values").await;
    let mut operator = fleet.operator().await;
    let case = fleet.case("values").await;
    fleet.apply(&case, &quickstart()).await;
    case.ready().await;
    let still = Duration::from_millis(size(600, 3000));
    let mut looped = Vec::new();
    for (what, spec) in unusual() {
        let object = match super::cluster::try_apply(&fleet.client, &fleet.manifest(&case.name, &spec)).await
        {
            Ok(object) => object,
            Err(error) => panic!("{what}: {error}"),
        };
        assert!(object.metadata.generation.is_some());
        let status = case.until(what, SOON, |status| {
            condition(status, "Applied").0 == "True" || condition(status, "Accepted").0 == "False"
        });
        let status = status.await;
        assert_eq!(condition(&status, "Accepted").0, "True", "{what}: {status:#}");
        fleet.quiet(still, SOON).await;
        fleet.proxy.forget();
        operator.kill();
        operator = fleet.operator().await;
        fleet.quiet(still, SOON).await;
        let written: Vec<String> = fleet.writes().iter().map(behind::shown).collect();
        if !written.is_empty() {
            looped.push(format!("{what}: {}", written.join(", ")));
        }
    }
    assert!(looped.is_empty(), "written again though nothing changed:\n{}", looped.join("\n"));
    let otherwise = fleet.world.log_of("stores this object otherwise");
    assert!(!otherwise.contains("values/"), "{otherwise}");
    // The same amounts in another notation are no change.
    fleet.apply(&case, &resources("1", "1Gi")).await;
    case.ready().await;
    fleet.quiet(still, SOON).await;
    fleet.proxy.forget();
    fleet.apply(&case, &resources("1000m", "1024Mi")).await;
    let generation = case.get().await.metadata.generation;
    case.until("seen", SOON, |status| status["observedGeneration"].as_i64() == generation).await;
    fleet.quiet(still, SOON).await;
    let written: Vec<String> = fleet.writes().iter().map(behind::shown).collect();
    assert!(written.is_empty(), "{written:#?}");
    fleet.unmake().await;
    operator.kill();
}
