//! Derives the requeue of a resource from the facts and the outcome of its reconcile.

use std::time::Duration;

use super::facts::{ApiKeyFact, Facts};
use crate::{
    engine::{
        backoff,
        error::Disposition,
        outcome::{ApplyResult, Outcome},
        requeue::Requeue,
        retry::Retry,
    },
    reasons,
    workload::{
        foreign_autoscalers,
        references::{ResolvedReferences, read_cache},
    },
};

/// Interval at which a state is read that changes without an event.
pub const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The same interval while something progresses that sends no event.
const PROGRESS: Retry = Retry::new(backoff::FIRST, LOOK_AGAIN);

/// Whether something failed: the resource is then retried with a backoff of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    pub policy: Retry,
    /// Lower limit of this wait, from the API server's `Retry-After`.
    pub at_least: Duration,
}

/// Requeues for everything that an outcome leaves pending.
pub fn collect(facts: &Facts, outcome: &Outcome, requeue: &mut Requeue) -> Option<Failed> {
    match facts.api_key {
        ApiKeyFact::Invalid { .. } => {
            requeue.at_most(read_cache::REFRESH_HELD, "the API key blocks a rollout");
        }
        ApiKeyFact::Foreign { .. } => {
            requeue.at_most(backoff::LONGEST_FOR_NAME, "the name of the API key's Secret is taken");
        }
        ApiKeyFact::Going { again } => requeue.at_most(again, "the Secret of an earlier resource is deleted"),
        _ if facts.suspect || facts.references.values().any(ResolvedReferences::hold) => {
            requeue.at_most(read_cache::REFRESH_HELD, "a reference blocks a rollout");
        }
        _ => requeue.at_most(read_cache::REFRESH, "objects that are not watched are read again"),
    }
    if let Some(again) = outcome.again {
        requeue.at_most(again, "the backoff of an object expires");
    }
    if !facts.autoscaled_by_others.is_empty() || !facts.beyond_storage.is_empty() {
        requeue.at_most(foreign_autoscalers::REFRESH, "autoscalers that are not watched are read again");
    }
    let (mut waiting, mut failed, mut asked) = (None, None, None);
    for step in &outcome.steps {
        match &step.result {
            ApplyResult::Conflict { .. } => waiting = waiting.or(Some(backoff::NAME_CONFLICT)),
            // Has its own requeue time.
            ApplyResult::Failed(error)
                if outcome.again.is_some() && error.disposition() == Disposition::UserAction => {}
            ApplyResult::Failed(error) => {
                // A permanent failure does not delay the retry of a temporary one.
                let policy = backoff::policy(error);
                failed = Some(failed.map_or(policy, |other: Retry| other.or_sooner(policy)));
                asked = asked.max(error.retry_after());
            }
            ApplyResult::Waiting { reason, .. } if *reason == reasons::PROGRESSING => {
                waiting = waiting.or(Some(PROGRESS));
            }
            ApplyResult::Waiting { .. } => requeue.at_most(LOOK_AGAIN, "an object waits"),
            _ => {}
        }
    }
    let policy = failed.or(waiting)?;
    Some(Failed { policy, at_least: asked.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;
    use crate::{
        engine::{error::Error, outcome::AppliedObject, plan::Key},
        kinds::Managed,
    };

    fn refused(code: u16, retry_after: Option<u32>) -> AppliedObject {
        let error = Error::Refused {
            verb: "apply",
            object: "Pod a/b".to_owned(),
            code,
            reason: String::new(),
            message: String::new(),
            retry_after,
        };
        let key = Key { namespace: Some("a".to_owned()), name: "b".to_owned() };
        AppliedObject { id: (Pod::KIND, key), result: ApplyResult::Failed(error) }
    }

    fn requeue_after(facts: &Facts) -> Duration {
        let mut requeue = Requeue::default();
        assert_eq!(collect(facts, &Outcome::default(), &mut requeue), None);
        requeue.after().unwrap()
    }

    /// Secrets are not watched: only another read shows a correction.
    #[test]
    fn what_pods_miss_is_read_again_soon() {
        let after = |facts| requeue_after(&facts);
        assert_eq!(after(Facts::default()), read_cache::REFRESH);
        assert_eq!(after(Facts { suspect: true, ..Facts::default() }), read_cache::REFRESH_HELD);
        let going = Facts { api_key: ApiKeyFact::Going { again: backoff::FIRST }, ..Facts::default() };
        assert_eq!(after(going), backoff::FIRST);
    }

    #[test]
    fn a_foreign_key_is_looked_at_like_a_name() {
        let secret = Key { namespace: Some("a".to_owned()), name: "b".to_owned() };
        let whose = "somebody's".to_owned();
        let foreign = Facts { api_key: ApiKeyFact::Foreign { secret, whose }, ..Facts::default() };
        assert_eq!(requeue_after(&foreign), backoff::LONGEST_FOR_NAME);
    }

    #[test]
    fn a_foreign_autoscaler_is_looked_for_again() {
        let facts = Facts { autoscaled_by_others: ["d".to_owned()].into(), ..Facts::default() };
        assert_eq!(requeue_after(&facts), foreign_autoscalers::REFRESH);
    }

    #[test]
    fn what_was_only_away_is_tried_sooner_than_what_is_wrong_and_no_sooner_than_asked() {
        let after = |steps| {
            collect(&Facts::default(), &Outcome { steps, ..Outcome::default() }, &mut Requeue::default())
        };
        assert_eq!(after(Vec::new()), None);
        let wrong = Failed { policy: backoff::FAILURE, at_least: Duration::ZERO };
        assert_eq!(after(vec![refused(422, None)]), Some(wrong));
        let away = Failed { policy: backoff::OUTAGE, at_least: Duration::from_secs(7) };
        assert_eq!(after(vec![refused(429, Some(3)), refused(422, None), refused(429, Some(7))]), Some(away));
    }
}
