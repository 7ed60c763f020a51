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
pub const REPAIRS: u32 = 10;
/// What stayed right for so long is no longer contested.
pub const CALM: Duration = Duration::from_mins(1);

/// Before the next repair, after so many of them.
#[must_use]
pub fn pause(repairs: u32, policy: Retry) -> Option<Duration> {
    repairs.checked_sub(REPAIRS).map(|over| policy.pause(over))
}

/// Why an object is not written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    Refused(Error),
    Contested,
    /// The last look at its name came to this: a conflict, or nothing that has to be known of an object that is held back.
    Known(ApplyResult),
}

struct Rest {
    /// What was written; anything else is tried at once.
    wanted: u64,
    why: Why,
    times: u32,
    until: Instant,
}

#[derive(Default)]
struct Known {
    generation: Option<i64>,
    resting: HashMap<Id, Rest>,
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
    pub fn begin(&self, generation: Option<i64>) {
        let mut known = self.lock();
        if known.generation != generation {
            *known = Known { generation, ..Known::default() };
        }
    }

    /// Why the same object is not to be written now.
    #[must_use]
    pub fn blocked_reason(&self, id: &Id, wanted: u64) -> Option<Why> {
        let known = self.lock();
        let rest = known.resting.get(id)?;
        (rest.wanted == wanted && Instant::now() < rest.until).then(|| rest.why.clone())
    }

    /// Notes what came of a try. `policy` is for the pauses after too many repairs.
    pub fn record(&self, id: &Id, wanted: u64, policy: Retry, result: &ApplyResult) {
        let mut known = self.lock();
        let resting = &mut known.resting;
        let before = resting.remove(id).filter(|before| before.wanted == wanted);
        let now = Instant::now();
        let rest = match result {
            ApplyResult::Failed(error) if error.disposition() == Disposition::UserAction => {
                let refused = |before: &Rest| matches!(before.why, Why::Refused(_));
                let before = before.filter(refused).map_or(0, |before| before.times);
                let until = now + FAILURE.pause(before);
                Rest { wanted, why: Why::Refused(error.clone()), times: before.saturating_add(1), until }
            }
            ApplyResult::Updated => {
                let contested = |before: &Rest| before.why == Why::Contested && now < before.until + CALM;
                let times = before.filter(contested).map_or(1, |before| before.times.saturating_add(1));
                let until = now + pause(times, policy).unwrap_or_default();
                Rest { wanted, why: Why::Contested, times, until }
            }
            // The release of a name sends no event, and what is behind it is read by name as well.
            ApplyResult::Conflict { .. } | ApplyResult::Behind { withdrawn: false, .. } => {
                let known = |before: &Rest| matches!(before.why, Why::Known(_));
                let times = before.filter(known).map_or(0, |before| before.times);
                let until = now + NAME_CONFLICT.pause(times);
                Rest { wanted, why: Why::Known(result.clone()), times: times.saturating_add(1), until }
            }
            _ => return,
        };
        resting.insert(id.clone(), rest);
    }

    /// How long until it may be tried again; nothing for what does not rest.
    #[must_use]
    pub fn rest(&self, id: &Id) -> Option<Duration> {
        let known = self.lock();
        Some(known.resting.get(id)?.until.saturating_duration_since(Instant::now()))
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

    fn why(code: u16) -> Why {
        Why::Refused(error(code))
    }

    fn id() -> Id {
        (&DEPLOYMENT, Key { namespace: None, name: "d".into() })
    }

    #[test]
    fn what_was_refused_rests_ever_longer_until_it_changes_or_its_resource_does() {
        let rests = WriteBackoff::default();
        let id = id();
        rests.begin(Some(1));
        assert_eq!(rests.blocked_reason(&id, 1), None);
        for _ in 0..4 {
            rests.record(&id, 1, FAILURE, &refused(403));
        }
        assert_eq!(rests.blocked_reason(&id, 1), Some(why(403)));
        let rest = rests.rest(&id).unwrap();
        assert!(rest > Duration::from_secs(5) && rest <= Duration::from_secs(8), "{rest:?}");
        rests.begin(Some(1));
        assert_eq!(rests.blocked_reason(&id, 1), Some(why(403)), "the same spec");
        assert_eq!(rests.blocked_reason(&id, 2), None, "another body");
        rests.record(&id, 1, FAILURE, &refused(500));
        assert_eq!(rests.blocked_reason(&id, 1), None, "may succeed by itself");
        rests.record(&id, 1, FAILURE, &refused(403));
        assert!(rests.rest(&id).unwrap() <= Duration::from_secs(1), "begins anew");
        rests.begin(Some(2));
        assert_eq!((rests.blocked_reason(&id, 1), rests.rest(&id)), (None, None));
    }

    #[test]
    fn what_is_changed_as_often_as_it_is_put_right_rests_ever_longer() {
        let (rests, id) = (WriteBackoff::default(), id());
        rests.begin(Some(1));
        for _ in 1..REPAIRS {
            rests.record(&id, 1, FAILURE, &ApplyResult::Updated);
            assert_eq!(rests.blocked_reason(&id, 1), None);
        }
        for longest in [1, 2, 4] {
            rests.record(&id, 1, FAILURE, &ApplyResult::Updated);
            assert_eq!(rests.blocked_reason(&id, 1), Some(Why::Contested));
            let rest = rests.rest(&id).unwrap();
            assert!(
                rest > Duration::from_millis(longest * 700) && rest <= Duration::from_secs(longest),
                "{rest:?}"
            );
        }
        assert_eq!(rests.blocked_reason(&id, 2), None, "another body");
        rests.record(&id, 1, FAILURE, &refused(403));
        assert!(rests.rest(&id).unwrap() <= Duration::from_secs(1), "a pause of its own");
        rests.record(&id, 1, FAILURE, &ApplyResult::Updated);
        assert_eq!(rests.blocked_reason(&id, 1), None, "begins anew");
        rests.record(&id, 1, FAILURE, &ApplyResult::Created);
        assert_eq!(rests.rest(&id), None, "made again, not changed");
    }

    /// The pause of what the data depends on stays short.
    #[test]
    fn the_pause_of_a_contested_object_is_bounded() {
        let (rests, id, longest) = (WriteBackoff::default(), id(), Duration::from_secs(10));
        for _ in 0..REPAIRS + 12 {
            rests.record(&id, 1, Retry::new(Duration::from_secs(1), longest), &ApplyResult::Updated);
        }
        let rest = rests.rest(&id).unwrap();
        assert!(rest > longest / 2 && rest <= longest, "{rest:?}");
    }

    #[test]
    fn what_stayed_right_for_a_while_is_no_longer_contested() {
        let (rests, id) = (WriteBackoff::default(), id());
        for _ in 0..=REPAIRS {
            rests.record(&id, 1, FAILURE, &ApplyResult::Updated);
        }
        let earlier = Instant::now().checked_sub(CALM).unwrap();
        rests.lock().resting.get_mut(&id).unwrap().until = earlier;
        rests.record(&id, 1, FAILURE, &ApplyResult::Updated);
        assert_eq!(rests.blocked_reason(&id, 1), None);
    }
}
