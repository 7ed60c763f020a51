//! Foreign autoscalers, run by the controller of Kubernetes: they keep a number of pods within
//! their bounds without any metrics.

use logpilot_operator::reasons;

use super::{
    troubleshooting::{error, told_within},
    *,
};

/// The controller's period is 15 s.
const SCALED: Duration = Duration::from_secs(60);

async fn bring(case: &Case, target: &str, least: i32, most: i32) {
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "theirs", "namespace": case.ns() },
        "spec": {
            "minReplicas": least, "maxReplicas": most,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": target },
        },
    });
    cluster::apply(&case.client, &scaler).await;
}

async fn take_away(case: &Case) {
    kinds::delete(&case.client, kind("HorizontalPodAutoscaler"), case.ns(), "theirs").await;
    case.gone("HorizontalPodAutoscaler", "theirs", SOON).await;
}

async fn runs(case: &Case, pods: &str) {
    case.until(&format!("{pods} pods"), SCALED, |status| {
        status["pods"] == pods && condition(status, "Ready").0 == "True"
    })
    .await;
}

/// Fault catalogue: F71.
#[tokio::test]
async fn a_foreign_autoscaler_decides_only_while_it_exists() {
    let case = case("theirs-scale").await;
    let spec = |image: &str, replicas: i32| json!({ "image": format!("danpung2/logpilot:{image}"), "components": { "rest": { "replicas": replicas } } });
    case.apply(spec("1.2.0", 4)).await;
    case.ready().await;
    bring(&case, "theirs-scale-rest", 1, 2).await;
    runs(&case, "2/2").await;
    case.apply(spec("1.2.1", 5)).await;
    runs(&case, "2/2").await;
    take_away(&case).await;
    for replicas in [3, 1] {
        case.apply(spec("1.2.1", replicas)).await;
        runs(&case, &format!("{replicas}/{replicas}")).await;
    }
}

#[tokio::test]
async fn file_storage_always_runs_one_pod() {
    let case = case("theirs-file").await;
    let mut spec = quickstart();
    spec["storage"] = json!({ "backend": "File" });
    case.apply(spec.clone()).await;
    case.ready().await;
    bring(&case, "theirs-file-all", 2, 3).await;
    let object = "Deployment theirs-file/theirs-file-all";
    let row = error(
        reasons::SCALED_BEYOND_STORAGE,
        object,
        "HorizontalPodAutoscaler 'theirs'",
        "kubectl delete hpa",
    );
    let problem = told_within(&case, row, SCALED).await;
    assert!(problem["message"].as_str().unwrap().contains("3 pods"), "{problem:#}");
    case.child_until("Deployment", "theirs-file-all", "one pod", REPAIR, |seen| {
        seen.data["spec"]["replicas"] == 1
    })
    .await;
    // Reported for as long as it exists, even while the number is correct.
    case.until("the one pod, and the problem", SOON, |status| {
        status["pods"] == "1/1" && problems(status).contains(reasons::SCALED_BEYOND_STORAGE)
    })
    .await;
    take_away(&case).await;
    spec["commonAnnotations"] = json!({ "looked": "again" });
    case.apply(spec).await;
    runs(&case, "1/1").await;
    assert!(!problems(&case.status().await).contains(reasons::SCALED_BEYOND_STORAGE));
}
