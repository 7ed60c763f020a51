//! Time-based checks are re-evaluated when their limit expires, and not before.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use local_cluster::wait_for;
use serde_json::json;

use super::{
    cluster::case::{SOON, problems},
    quickstart,
    trial::Trial,
};

/// Longer than any limit except those of minutes.
const UNSEEN: Duration = Duration::from_secs(8);

#[tokio::test]
async fn unready_resources_are_reconciled_when_limits_expire() {
    let trial = Trial::behind(Vec::new()).await;
    let mut unready = quickstart();
    unready["image"] = json!("danpung2/logpilot-never-ready:1");
    trial.case.apply(unready.clone()).await;
    trial.case.until("all is made", SOON, |status| status["pods"] == "0/1").await;
    let last = Mutex::new((trial.reconciles(), Instant::now()));
    wait_for("no reconcile without an event", SOON, async || {
        let seen = trial.reconciles();
        let mut last = last.lock().unwrap();
        if seen != last.0 {
            *last = (seen, Instant::now());
        }
        if last.1.elapsed() >= UNSEEN { Ok(()) } else { Err(format!("{seen} reconciles")) }
    })
    .await
    .unwrap();
    // The scheduler reports it once; three seconds later it counts, without another event.
    unready["components"]["all"]["nodeSelector"] = json!({ "kubernetes.io/hostname": "nowhere" });
    trial.case.apply(unready).await;
    trial.case.until("where", SOON, |status| problems(status).contains("Unschedulable")).await;
    trial.apply(&quickstart()).await;
    trial.end().await;
}
