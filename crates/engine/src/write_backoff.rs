//! Objects that are not written again before their time, whatever else happens to their resource: the API server refused
//! them, somebody changes them as often as they are put right, or their name is taken.

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

/// Put right so often at once. A person who tries things out, or a test, gets no further.
pub const CONTESTED_AFTER: u32 = 10;
/// What stayed right for so long is no longer contested.
pub const CONTESTED_RESET: Duration = Duration::from_mins(1);

/// Before the next repair, after so many of them.
#[must_use]
pub fn pause(repairs: u32, policy: Retry) -> Option<Duration> {
    repairs.checked_sub(CONTESTED_AFTER).map(|over| policy.pause(over))
}

/// Why an object is not written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackoffReason {
    Refused(Error),
    Contested,
    /// The last look at its name came to this: a conflict, or nothing that has to be known of an object that is held back.
    Known(ApplyResult),
}

struct Blocked {
    /// What was written; anything else is tried at once.
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

/// The objects of one resource that rest.
#[derive(Default)]
pub struct WriteBackoff {
    known: Mutex<Known>,
}

impl WriteBackoff {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new spec is a new try.
    pub fn reset_on_new_generation(&self, generation: Option<i64>) {
        let mut known = self.lock();
        if known.generation != generation {
            *known = Known { generation, ..Known::default() };
        }
    }

    /// Why the same object is not to be written now.
    #[must_use]
    pub fn blocked_reason(&self, id: &Id, wanted: u64) -> Option<BackoffReason> {
        let known = self.lock();
        let rest = known.blocked.get(id)?;
        (rest.wanted == wanted && Instant::now() < rest.until).then(|| rest.reason.clone())
    }

    /// Notes what came of a try. `policy` is for the pauses after too many repairs.
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
            // The release of a name sends no event, and what is behind it is read by name as well.
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

    /// How long until it may be tried again; nothing for what does not rest.
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
    fn what_was_refused_rests_ever_longer_until_it_changes_or_its_resource_does() {
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
        assert!(backoff.remaining(&id).unwrap() <= Duration::from_secs(1), "begins anew");
        backoff.reset_on_new_generation(Some(2));
        assert_eq!((backoff.blocked_reason(&id, 1), backoff.remaining(&id)), (None, None));
    }

    #[test]
    fn what_is_changed_as_often_as_it_is_put_right_rests_ever_longer() {
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
        assert_eq!(backoff.blocked_reason(&id, 1), None, "begins anew");
        backoff.record(&id, 1, FAILURE, &ApplyResult::Created);
        assert_eq!(backoff.remaining(&id), None, "made again, not changed");
    }

    /// The pause of what the data depends on stays short.
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
    fn what_stayed_right_for_a_while_is_no_longer_contested() {
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
