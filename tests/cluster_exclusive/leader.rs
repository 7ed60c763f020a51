//! One operator writes, the others stand by: leader election with a Lease of the real API server.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use local_cluster::wait_for;
use logpilot_operator::{engine::lease::LeadershipLost, operator::LEASE};
use serde_json::json;

use super::{
    alone,
    cluster::{
        OPERATOR_NAMESPACE,
        case::Case,
        lease::{holder, leads, leases, no_lease},
    },
    quickstart,
};

const HANDOVER: Duration = Duration::from_secs(5);
/// The lease duration after which a standby takes over, plus one retry period and a margin for a
/// busy machine.
const AFTER_A_CRASH: Duration = Duration::from_secs(30);

async fn lose_the_service(case: &Case) -> Api<Service> {
    let services: Api<Service> = Api::namespaced(case.client.clone(), case.ns());
    services.delete(&service(case), &DeleteParams::default()).await.unwrap();
    services
}

fn service(case: &Case) -> String {
    format!("{}-all", case.name)
}

async fn is_back(services: &Api<Service>, case: &Case, within: Duration) {
    wait_for("the Service", within, async || {
        services.get(&service(case)).await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_standby_takes_over_when_the_leader_ends() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    no_lease(&client).await;
    let first = world.start_candidate("first").await;
    leads(&first, HANDOVER).await;
    let second = world.start_candidate("second").await;
    let case = Case::new(world, "leader").await;
    case.apply(quickstart()).await;
    case.ready().await;
    assert!(first.leads() && !second.leads());
    assert_eq!(holder(&client).await.as_deref(), Some("first"));

    first.kill();
    let took = leads(&second, HANDOVER).await;
    let services = lose_the_service(&case).await;
    is_back(&services, &case, HANDOVER).await;
    println!("handed over in {} ms", took.as_millis());

    let third = world.start_candidate("third").await;
    second.crash();
    let services = lose_the_service(&case).await;
    let took = leads(&third, AFTER_A_CRASH).await;
    is_back(&services, &case, HANDOVER).await;
    assert_eq!(holder(&client).await.as_deref(), Some("third"));
    println!("takeover {} s after a crash", took.as_secs());
    // Until the term of the crashed leader expires, no other operator may write.
    assert!(took > Duration::from_secs(9), "after {took:?}");
    case.delete().await;
}

/// Fault catalogue: F50.
#[tokio::test]
async fn a_deleted_lease_is_recreated_a_lost_ends() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    no_lease(&client).await;
    let operator = world.start_candidate("only").await;
    leads(&operator, HANDOVER).await;
    no_lease(&client).await;
    wait_for("the Lease", AFTER_A_CRASH, async || match holder(&client).await.as_deref() {
        Some("only") => Ok(()),
        other => Err(format!("held by {other:?}")),
    })
    .await
    .unwrap();
    assert!(operator.leads() && operator.lost().is_none());

    let taken = json!({ "spec": { "holderIdentity": "somebody", "leaseDurationSeconds": i32::MAX } });
    leases(&client).patch(LEASE, &PatchParams::default(), &Patch::Merge(&taken)).await.unwrap();
    wait_for("the end", AFTER_A_CRASH, async || operator.lost().map(drop).ok_or("still there".to_owned()))
        .await
        .unwrap();
    assert!(!operator.leads());
    let expected = format!("{OPERATOR_NAMESPACE}/{LEASE}");
    assert_eq!(
        operator.lost(),
        Some(&LeadershipLost::Taken { lease: expected, holder: "somebody".to_owned() })
    );
    no_lease(&client).await;
}
