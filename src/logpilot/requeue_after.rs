//! When to look again without a change.

use std::time::Duration;

use super::{
    facts::{self, ApiKeyFact, Facts},
    read_cache, reasons, scalers,
};
use crate::engine::{
    backoff,
    error::Disposition,
    outcome::{ApplyResult, Outcome},
};

/// Waiting for something that sends no event of its own is looked at again after this.
pub const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Pauses, of which the shortest counts.
pub struct RequeueAfter {
    pub waits: Vec<Duration>,
    /// How long the growing pause may become, where something failed.
    pub failed: Option<Duration>,
    /// What the API server asked for, where it did: that pause is no shorter.
    pub asked: Option<Duration>,
}

/// What an outcome leaves to wait for.
#[must_use]
pub fn collect(facts: &Facts, outcome: &Outcome) -> RequeueAfter {
    let mut waits = vec![match facts.api_key {
        ApiKeyFact::Invalid { .. } | ApiKeyFact::Foreign { .. } => read_cache::REFRESH_HELD,
        ApiKeyFact::Going { again } => again,
        _ if facts.suspect || facts.references.values().any(facts::ResolvedReferences::hold) => {
            read_cache::REFRESH_HELD
        }
        _ => read_cache::REFRESH,
    }];
    waits.extend(outcome.again);
    if !facts.autoscaled_by_others.is_empty() || !facts.beyond_storage.is_empty() {
        waits.push(scalers::REFRESH);
    }
    let (mut waiting, mut failed, mut asked) = (None, None, None);
    for step in &outcome.steps {
        match &step.result {
            ApplyResult::Conflict { .. } => waiting = waiting.or(Some(backoff::LONGEST_FOR_NAME)),
            // Has a time of its own.
            ApplyResult::Failed(error)
                if outcome.again.is_some() && error.disposition() == Disposition::UserAction => {}
            ApplyResult::Failed(error) => {
                // What fails for good does not slow down what was only away.
                let longest = backoff::longest(error);
                failed = Some(failed.map_or(longest, |other: Duration| other.min(longest)));
                asked = asked.max(error.retry_after());
            }
            ApplyResult::Waiting { reason, .. } if *reason == reasons::PROGRESSING => {
                waiting = waiting.or(Some(LOOK_AGAIN));
            }
            ApplyResult::Waiting { .. } => waits.push(LOOK_AGAIN),
            _ => {}
        }
    }
    RequeueAfter { waits, failed: failed.or(waiting), asked }
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

    /// Who writes a Secret says so to nobody here.
    #[test]
    fn what_pods_miss_is_read_again_soon() {
        let first = |suspect| collect(&Facts { suspect, ..Facts::default() }, &Outcome::default()).waits;
        assert_eq!(first(false), [read_cache::REFRESH]);
        assert_eq!(first(true), [read_cache::REFRESH_HELD]);
        let going = Facts { api_key: ApiKeyFact::Going { again: backoff::FIRST }, ..Facts::default() };
        assert_eq!(collect(&going, &Outcome::default()).waits, [backoff::FIRST]);
    }

    #[test]
    fn a_foreign_autoscaler_is_looked_for_again() {
        let facts = Facts { autoscaled_by_others: ["d".to_owned()].into(), ..Facts::default() };
        assert_eq!(collect(&facts, &Outcome::default()).waits, [read_cache::REFRESH, scalers::REFRESH]);
    }

    #[test]
    fn what_was_only_away_is_tried_sooner_than_what_is_wrong_and_no_sooner_than_asked() {
        let after = |steps| {
            let again = collect(&Facts::default(), &Outcome { steps, ..Outcome::default() });
            (again.failed, again.asked)
        };
        assert_eq!(after(Vec::new()), (None, None));
        assert_eq!(after(vec![refused(422, None)]), (Some(backoff::LONGEST), None));
        let (away, asked) = (Some(backoff::LONGEST_FOR_OUTAGE), Some(Duration::from_secs(7)));
        assert_eq!(
            after(vec![refused(429, Some(3)), refused(422, None), refused(429, Some(7))]),
            (away, asked)
        );
    }
}
