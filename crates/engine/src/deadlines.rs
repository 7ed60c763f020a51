//! The time of a judgment. What is judged by a limit of time sends no event when the limit passes, so the clock notes the
//! earliest one that is still to come: then it is looked at again, and not before.

use std::{cell::Cell, time::Duration};

use k8s_openapi::jiff::Timestamp;

/// Stands still while one state is judged.
#[derive(Debug)]
pub struct DeadlineTracker {
    now: Timestamp,
    /// Seconds since the epoch.
    next: Cell<Option<i64>>,
}

impl DeadlineTracker {
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, next: Cell::new(None) }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether so many seconds have passed since a moment, in seconds since the epoch; notes when they will have.
    #[must_use]
    pub fn expired(&self, seconds: i64, since: i64) -> bool {
        let moment = since.saturating_add(seconds);
        if self.now.as_second() >= moment {
            return true;
        }
        self.next.set(Some(self.next.get().map_or(moment, |next| next.min(moment))));
        false
    }

    /// How long it is until the earliest noted limit.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let next = Timestamp::from_second(self.next.get()?).unwrap_or(Timestamp::MAX);
        Some(next.duration_since(self.now).try_into().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_limit_that_is_still_to_come_is_noted() {
        let clock = DeadlineTracker::at(Timestamp::from_millisecond(100_250).unwrap());
        assert!(clock.expired(3, 97));
        assert_eq!(clock.next(), None, "what has passed is not waited for");
        assert!(!clock.expired(30, 90));
        assert!(!clock.expired(3, 98));
        assert!(!clock.expired(130, 50));
        assert_eq!(clock.next(), Some(Duration::from_millis(750)));
        let then = DeadlineTracker::at(clock.now() + Duration::from_millis(750));
        assert!(then.expired(3, 98));
    }

    #[test]
    fn a_moment_beyond_all_times_is_never_reached() {
        let clock = DeadlineTracker::at(Timestamp::from_second(1).unwrap());
        assert!(!clock.expired(1, i64::MAX));
        assert!(clock.next().unwrap() > Duration::from_hours(24 * 365));
    }
}
