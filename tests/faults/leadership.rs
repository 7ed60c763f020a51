//! The Lease cannot be renewed, or its holder stalls.

use std::time::{Duration, Instant};

use fault_proxy::{Times, When};
use local_cluster::wait_for;
use logpilot_operator::engine::lease::{GIVE_UP, LeadershipLost, RENEW_DEADLINE};

use tokio::sync::Mutex;

use super::{
    cluster::lease::{leads, no_lease},
    trial::{Trial, refused},
};

/// There is only one Lease.
pub static ALONE: Mutex<()> = Mutex::const_new(());

/// Fault catalogue: F51, F52.
#[tokio::test]
async fn a_failed_renewal_is_survived_else_leadership_changes() {
    let _alone = ALONE.lock().await;
    let mut trial = Trial::behind(Vec::new()).await;
    trial.stop();
    no_lease(&trial.case.client).await;
    let first = trial.slot.world.start_candidate_behind(trial.slot.config().await, "faulty").await;
    leads(&first, Duration::from_secs(10)).await;
    let renewals =
        || trial.requests(|record| record.asked.resource == "leases" && record.status == 200).len();
    let renewal = When::of("update", "leases");
    let once = trial.rule(renewal, Times::First(1), refused(500, "InternalError"));
    trial.hit(once).await;
    let known = renewals();
    wait_for("two more renewals", Duration::from_secs(20), async || {
        if renewals() >= known + 2 { Ok(()) } else { Err(format!("{}", renewals() - known)) }
    })
    .await
    .unwrap();
    assert!(first.leads() && first.lost().is_none());

    // This operator cannot renew any more, and everything else works.
    let leases = When { resource: Some("leases".to_owned()), ..When::default() };
    let never = trial.rule(leases, Times::Every, refused(503, "ServiceUnavailable"));
    let mut other = Trial::behind(Vec::new()).await;
    other.stop();
    let second = other.slot.world.start_candidate_behind(other.slot.config().await, "healthy").await;
    trial.hit(never).await;
    let began = Instant::now();
    wait_for("the last write", RENEW_DEADLINE * 2, async || {
        if first.leads() { Err("leads".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
    let paused = began.elapsed();
    leads(&second, Duration::from_secs(30)).await;
    let led = began.elapsed();
    assert!(!first.leads());
    wait_for("the end", GIVE_UP * 2, async || first.lost().map(drop).ok_or("runs".to_owned())).await.unwrap();
    assert!(matches!(first.lost(), Some(LeadershipLost::NotRenewed { .. })), "{:?}", first.lost());
    println!(
        "FIGURE a Lease that cannot be renewed: no write after {} s, led by another one after {} s, given up after {} s",
        paused.as_secs(),
        led.as_secs(),
        began.elapsed().as_secs()
    );
    assert!(paused <= RENEW_DEADLINE + Duration::from_secs(2), "{paused:?}");
    second.kill();
    first.kill();
    trial.end().await;
    other.end().await;
}
