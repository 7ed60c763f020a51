//! Objects that a user holds, and how to release them.

use logpilot_operator::reasons;

use super::{
    troubleshooting::{error, healed, told, told_within},
    *,
};

async fn pause(case: &Case, paused: bool) {
    let name = format!("{}-all", case.name);
    let patch = json!({ "spec": { "paused": paused } });
    let parameters = PatchParams { field_manager: Some("kubectl-rollout".into()), ..PatchParams::default() };
    let api = kinds::api(&case.client, kind("Deployment"), case.ns());
    api.patch(&name, &parameters, &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn a_paused_rollout_is_reported_with_its_remedy() {
    let case = case("stalls-paused").await;
    case.apply(quickstart()).await;
    case.ready().await;
    pause(&case, true).await;
    let mut newer = quickstart();
    newer["image"] = json!("danpung2/logpilot:1.2.1");
    case.apply(newer).await;
    let object = "Deployment stalls-paused/stalls-paused-all";
    let release = "kubectl rollout resume deployment/stalls-paused-all -n stalls-paused";
    told(&case, error(reasons::ROLLOUT_PAUSED, object, release, "kubectl rollout resume")).await;
    case.reason("Stalled", "True", reasons::ROLLOUT_PAUSED).await;
    let seen = case.child("Deployment", "stalls-paused-all").await;
    assert_eq!(seen.data["spec"]["paused"], true, "the field is not ours");
    pause(&case, false).await;
    healed(&case, reasons::ROLLOUT_PAUSED).await;
}

#[tokio::test]
async fn pods_with_scheduling_gates_are_reported() {
    let case = case("stalls-gated").await;
    let mut gated = quickstart();
    gated["patches"] = json!([{
        "target": { "kind": "Deployment", "name": "stalls-gated-all" },
        "patch": { "spec": { "template": { "spec": { "schedulingGates": [{ "name": "example.com/queue" }] } } } },
    }]);
    case.apply(gated).await;
    let row = error(reasons::SCHEDULING_GATED, "Pod stalls-gated/", "example.com/queue", "spec.patches");
    told_within(&case, row, Duration::from_secs(60)).await;
    case.apply(quickstart()).await;
    healed(&case, reasons::SCHEDULING_GATED).await;
}
