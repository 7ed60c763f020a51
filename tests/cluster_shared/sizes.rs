//! A mistaken size, and how to revert it.

use local_cluster::volumes::NEVER_GROWS;
use logpilot_operator::reasons;

use super::{
    troubleshooting::{error, healed, on_class, remove, told, warning},
    *,
};

fn sized(class: &str, size: &str) -> Value {
    let mut spec = on_class(class);
    spec["storage"]["volume"]["size"] = json!(size);
    spec["backup"] = json!({ "volume": { "storageClassName": class, "size": size } });
    spec
}

/// Checks the request of both PVCs; that of the backups is as large as that of the data here.
async fn asks(case: &Case, size: &str) {
    for name in ["data", "backup"] {
        case.child_until("PersistentVolumeClaim", &format!("{}-{name}", case.name), size, SOON, |seen| {
            seen.data["spec"]["resources"]["requests"]["storage"] == size
        })
        .await;
    }
}

#[tokio::test]
async fn a_mistaken_size_is_reverted_before_it_applies() {
    let case = case("sizes-slip").await;
    case.apply(sized(NEVER_GROWS, "10Gi")).await;
    case.ready().await;
    case.apply(sized(NEVER_GROWS, "10Ti")).await;
    asks(&case, "10Ti").await;
    case.apply(sized(NEVER_GROWS, "100Gi")).await;
    asks(&case, "100Gi").await;
    // Back to the previous size: Kubernetes accepts no request as small as the volume, so the next
    // larger one is requested.
    case.apply(sized(NEVER_GROWS, "10Gi")).await;
    asks(&case, "10241Mi").await;
    for name in ["data", "backup"] {
        let claim = format!("PersistentVolumeClaim sizes-slip/sizes-slip-{name}");
        told(
            &case,
            warning(reasons::VOLUME_RESIZE, &claim, "accepts any size above 10Gi", "restore a backup"),
        )
        .await;
    }
    case.apply(sized(NEVER_GROWS, "10241Mi")).await;
    case.until("no size is refused", SOON, |status| {
        let held = |it: &Value| it["message"].as_str().unwrap().contains("a volume cannot shrink");
        condition(status, "Ready").0 == "True"
            && !status["problems"].as_array().is_some_and(|all| all.iter().any(held))
    })
    .await;
}

#[tokio::test]
async fn an_existing_volume_keeps_its_size() {
    let case = case("sizes-grown").await;
    let class = local_cluster::volumes::STANDARD;
    case.apply(sized(class, "10Gi")).await;
    case.ready().await;
    case.apply(sized(class, "20Gi")).await;
    case.child_until("PersistentVolumeClaim", "sizes-grown-data", "20Gi", SOON, |seen| {
        seen.data.pointer("/status/capacity/storage").is_some_and(|size| size == "20Gi")
    })
    .await;
    case.apply(sized(class, "5Gi")).await;
    let claim = "PersistentVolumeClaim sizes-grown/sizes-grown-data";
    let held = "requests 20Gi instead of 5Gi: its volume has 20Gi";
    told(&case, warning(reasons::VOLUME_RESIZE, claim, held, "to the size of the volume")).await;
    asks(&case, "20Gi").await;
    assert_eq!(condition(&case.status().await, "Ready").0, "True");
    case.apply(sized(class, "20Gi")).await;
    healed(&case, reasons::VOLUME_RESIZE).await;
}

#[tokio::test]
async fn a_volume_limit_range_is_no_missing_permission() {
    let case = case("sizes-limit").await;
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": case.ns() } });
    cluster::apply(&case.client, &namespace).await;
    let limit = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "theirs", "namespace": case.ns() },
        "spec": { "limits": [{ "type": "PersistentVolumeClaim", "min": { "storage": "20Gi" } }] },
    });
    cluster::apply(&case.client, &limit).await;
    case.apply(quickstart()).await;
    let claim = "PersistentVolumeClaim sizes-limit/sizes-limit-data";
    let words = "minimum storage usage per PersistentVolumeClaim is 20Gi";
    told(&case, error(reasons::LIMIT_RANGE, claim, words, "storage.volume.size")).await;
    remove(&case, &limit).await;
    healed(&case, reasons::LIMIT_RANGE).await;
}
