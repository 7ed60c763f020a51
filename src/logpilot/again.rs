//! When to look again without a change.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    facts::{self, ApiKeyFact, Facts},
    problems, reasons, secrets,
};
use crate::engine::{
    apply::{Outcome, Result},
    backoff,
    kind::Managed,
    live::Snapshot,
};

/// Waiting for something that sends no event of its own is looked at again after this.
pub const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Pauses, of which the shortest counts.
pub struct Again {
    pub waits: Vec<Duration>,
    /// How long the growing pause may become, where something failed.
    pub failed: Option<Duration>,
}

/// What an outcome, and the state it led to, leave to wait for.
#[must_use]
pub fn of(facts: &Facts, outcome: &Outcome, snapshot: &Snapshot, ready: bool) -> Again {
    let mut waits = vec![match facts.api_key {
        ApiKeyFact::Invalid { .. } => secrets::REFRESH_HELD,
        _ if facts.references.values().any(facts::References::hold) => secrets::REFRESH_HELD,
        _ => secrets::REFRESH,
    }];
    if outcome.settled() && !ready {
        // A pod that stays unready, or a claim without a volume, sends no event when its time is up.
        waits.push(Duration::from_secs(problems::SETTLING.unsigned_abs()));
    }
    if snapshot.of_kind(Pod::KIND).any(|pod| pod.deleting) {
        // Nor does one that does not go.
        waits.push(LOOK_AGAIN);
    }
    let mut failed = None;
    for step in &outcome.steps {
        match &step.result {
            Result::Conflict { .. } => failed = failed.or(Some(backoff::LONGEST_FOR_NAME)),
            Result::Failed(error) => {
                failed = Some(backoff::LONGEST);
                waits.extend(error.retry_after());
            }
            Result::Waiting { reason, .. } if *reason == reasons::PROGRESSING => {
                failed = failed.or(Some(LOOK_AGAIN));
            }
            Result::Waiting { .. } => waits.push(LOOK_AGAIN),
            _ => {}
        }
    }
    Again { waits, failed }
}

/// A moment after it, so that the clock has passed it.
#[must_use]
pub fn until(moment: Timestamp) -> Duration {
    moment.duration_since(Timestamp::now()).try_into().unwrap_or(Duration::ZERO) + Duration::from_secs(1)
}
