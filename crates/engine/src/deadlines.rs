//! Tracks time limits. A check against a time limit gets no event when the limit expires. The tracker
//! records the earliest limit that is still pending, so that the check is repeated when that limit
//! expires, and not before.

use std::{cell::Cell, time::Duration};

use k8s_openapi::jiff::Timestamp;

/// A tracker whose time stands still while one state is evaluated.
#[derive(Debug)]
pub struct DeadlineTracker {
    now: Timestamp,
    /// In seconds since the epoch.
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

    /// Returns whether this many seconds have passed since a moment, which is in seconds since the
    /// epoch. Otherwise records when they will have passed.
    #[must_use]
    pub fn expired(&self, seconds: i64, since: i64) -> bool {
        let moment = since.saturating_add(seconds);
        if self.now.as_second() >= moment {
            return true;
        }
        self.next.set(Some(self.next.get().map_or(moment, |next| next.min(moment))));
        false
    }

    /// Returns the time until the earliest recorded limit.
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
    fn the_earliest_pending_limit_is_recorded() {
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
