//! The operator's Lease as an administrator sees it, and the current leader.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::DeleteParams};
use local_cluster::wait_for;
use logpilot_operator::operator::LEASE;

use super::{OPERATOR_NAMESPACE, Running};

pub fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), OPERATOR_NAMESPACE)
}

pub async fn holder(client: &Client) -> Option<String> {
    leases(client).get_opt(LEASE).await.unwrap()?.spec?.holder_identity
}

/// Deletes a Lease that an earlier test may have left.
pub async fn no_lease(client: &Client) {
    let _ = leases(client).delete(LEASE, &DeleteParams::default()).await;
}

/// Returns how long it took until this operator led.
pub async fn leads(operator: &Running, within: Duration) -> Duration {
    let began = Instant::now();
    wait_for("the election", within, async || operator.leads().then_some(()).ok_or("not leading".to_owned()))
        .await
        .unwrap();
    began.elapsed()
}
