//! Per-object write backoff: objects that the API server rejected, that another client keeps reverting,
//! or whose name is taken, are not written again before their backoff expires, whatever triggers a
//! reconcile.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    backoff::{FAILURE, NAME_CONFLICT},
    cache::Id,
    error::{Disposition, Error},
    outcome::ApplyResult,
    retry::Retry,
};

/// Number of reverts without a pause. A user who experiments, or a test, does not exceed it.
pub const CONTESTED_AFTER: u32 = 10;
/// An object that was left alone for this long is no longer contested.
pub const CONTESTED_RESET: Duration = Duration::from_mins(1);

/// Returns the pause before the next revert, after this many reverts.
#[must_use]
pub fn pause(repairs: u32, policy: Retry) -> Option<Duration> {
    repairs.checked_sub(CONTESTED_AFTER).map(|over| policy.pause(over))
}

/// The reason why an object is not written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackoffReason {
    Refused(Error),
    Contested,
    /// The result of the last read of its name: a conflict, or nothing to report about a blocked
    /// object.
    Known(ApplyResult),
}

struct Blocked {
    /// Digest of the object that was written. Any other object is written immediately.
    wanted: u64,
    reason: BackoffReason,
    times: u32,
    until: Instant,
}

#[derive(Default)]
struct Known {
    generation: Option<i64>,
    blocked: HashMap<Id, Blocked>,
}

/// The objects of one resource that are in backoff.
#[derive(Default)]
pub struct WriteBackoff {
    known: Mutex<Known>,
}

impl WriteBackoff {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a reconcile. A new spec resets all backoffs.
    pub fn reset_on_new_generation(&self, generation: Option<i64>) {
        let mut known = self.lock();
        if known.generation != generation {
            *known = Known { generation, ..Known::default() };
        }
    }

    /// Returns why the same object must not be written now.
    #[must_use]
    pub fn blocked_reason(&self, id: &Id, wanted: u64) -> Option<BackoffReason> {
        let known = self.lock();
        let rest = known.blocked.get(id)?;
        (rest.wanted == wanted && Instant::now() < rest.until).then(|| rest.reason.clone())
    }

    /// Records the result of an attempt. `policy` sets the pauses after too many reverts.
    pub fn record(&self, id: &Id, wanted: u64, policy: Retry, result: &ApplyResult) {
        let mut known = self.lock();
        let blocked = &mut known.blocked;
        let before = blocked.remove(id).filter(|before| before.wanted == wanted);
        let now = Instant::now();
        let rest = match result {
            ApplyResult::Failed(error) if error.disposition() == Disposition::UserAction => {
                let refused = |before: &Blocked| matches!(before.reason, BackoffReason::Refused(_));
                let before = before.filter(refused).map_or(0, |before| before.times);
                let until = now + FAILURE.pause(before);
                Blocked {
                    wanted,
                    reason: BackoffReason::Refused(error.clone()),
                    times: before.saturating_add(1),
                    until,
                }
            }
            ApplyResult::Updated => {
                let contested = |before: &Blocked| {
                    before.reason == BackoffReason::Contested && now < before.until + CONTESTED_RESET
                };
                let times = before.filter(contested).map_or(1, |before| before.times.saturating_add(1));
                let until = now + pause(times, policy).unwrap_or_default();
                Blocked { wanted, reason: BackoffReason::Contested, times, until }
            }
            // The release of a name sends no event, and objects that are blocked behind it are read by
            // name as well.
            ApplyResult::Conflict { .. } | ApplyResult::Behind { withdrawn: false, .. } => {
                let known = |before: &Blocked| matches!(before.reason, BackoffReason::Known(_));
                let times = before.filter(known).map_or(0, |before| before.times);
                let until = now + NAME_CONFLICT.pause(times);
                Blocked {
                    wanted,
                    reason: BackoffReason::Known(result.clone()),
                    times: times.saturating_add(1),
                    until,
                }
            }
            _ => return,
        };
        blocked.insert(id.clone(), rest);
    }

    /// Returns how long until the object may be written again. `None` if it is not in backoff.
    #[must_use]
    pub fn remaining(&self, id: &Id) -> Option<Duration> {
        let known = self.lock();
        Some(known.blocked.get(id)?.until.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Key, test_kinds::DEPLOYMENT};

    fn error(code: u16) -> Error {
        Error::Refused {
            verb: "apply",
            object: "d".into(),
            code,
            reason: String::new(),
            message: String::new(),
            retry_after: None,
        }
    }

    fn refused(code: u16) -> ApplyResult {
        ApplyResult::Failed(error(code))
    }

    fn why(code: u16) -> BackoffReason {
        BackoffReason::Refused(error(code))
    }

    fn id() -> Id {
        (&DEPLOYMENT, Key { namespace: None, name: "d".into() })
    }

    #[test]
    fn backoff_after_rejection_grows_until_a_change() {
        let backoff = WriteBackoff::default();
        let id = id();
        backoff.reset_on_new_generation(Some(1));
        assert_eq!(backoff.blocked_reason(&id, 1), None);
        for _ in 0..4 {
            backoff.record(&id, 1, FAILURE, &refused(403));
        }
        assert_eq!(backoff.blocked_reason(&id, 1), Some(why(403)));
        let rest = backoff.remaining(&id).unwrap();
        assert!(rest > Duration::from_secs(5) && rest <= Duration::from_secs(8), "{rest:?}");
        backoff.reset_on_new_generation(Some(1));
        assert_eq!(backoff.blocked_reason(&id, 1), Some(why(403)), "the same spec");
        assert_eq!(backoff.blocked_reason(&id, 2), None, "another body");
        backoff.record(&id, 1, FAILURE, &refused(500));
        assert_eq!(backoff.blocked_reason(&id, 1), None, "may succeed by itself");
        backoff.record(&id, 1, FAILURE, &refused(403));
        assert!(backoff.remaining(&id).unwrap() <= Duration::from_secs(1), "the backoff starts over");
        backoff.reset_on_new_generation(Some(2));
        assert_eq!((backoff.blocked_reason(&id, 1), backoff.remaining(&id)), (None, None));
    }

    #[test]
    fn backoff_of_a_contested_object_grows() {
        let (backoff, id) = (WriteBackoff::default(), id());
        backoff.reset_on_new_generation(Some(1));
        for _ in 1..CONTESTED_AFTER {
            backoff.record(&id, 1, FAILURE, &ApplyResult::Updated);
            assert_eq!(backoff.blocked_reason(&id, 1), None);
        }
        for longest in [1, 2, 4] {
            backoff.record(&id, 1, FAILURE, &ApplyResult::Updated);
            assert_eq!(backoff.blocked_reason(&id, 1), Some(BackoffReason::Contested));
            let rest = backoff.remaining(&id).unwrap();
            assert!(
                rest > Duration::from_millis(longest * 700) && rest <= Duration::from_secs(longest),
                "{rest:?}"
            );
        }
        assert_eq!(backoff.blocked_reason(&id, 2), None, "another body");
        backoff.record(&id, 1, FAILURE, &refused(403));
        assert!(backoff.remaining(&id).unwrap() <= Duration::from_secs(1), "a pause of its own");
        backoff.record(&id, 1, FAILURE, &ApplyResult::Updated);
        assert_eq!(backoff.blocked_reason(&id, 1), None, "the backoff starts over");
        backoff.record(&id, 1, FAILURE, &ApplyResult::Created);
        assert_eq!(backoff.remaining(&id), None, "made again, not changed");
    }

    /// The pause of an object that the data depends on stays short.
    #[test]
    fn the_pause_of_a_contested_object_is_bounded() {
        let (backoff, id, longest) = (WriteBackoff::default(), id(), Duration::from_secs(10));
        for _ in 0..CONTESTED_AFTER + 12 {
            backoff.record(&id, 1, Retry::new(Duration::from_secs(1), longest), &ApplyResult::Updated);
        }
        let rest = backoff.remaining(&id).unwrap();
        assert!(rest > longest / 2 && rest <= longest, "{rest:?}");
    }

    #[test]
    fn an_object_left_alone_is_no_longer_contested() {
        let (backoff, id) = (WriteBackoff::default(), id());
        for _ in 0..=CONTESTED_AFTER {
            backoff.record(&id, 1, FAILURE, &ApplyResult::Updated);
        }
        let earlier = Instant::now().checked_sub(CONTESTED_RESET).unwrap();
        backoff.lock().blocked.get_mut(&id).unwrap().until = earlier;
        backoff.record(&id, 1, FAILURE, &ApplyResult::Updated);
        assert_eq!(backoff.blocked_reason(&id, 1), None);
    }
}
