//! Delays before a failed operation is retried.

use std::time::Duration;

use super::{error::Error, retry::Retry};

/// First delay after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest delay after repeated failures.
pub const LONGEST: Duration = Duration::from_mins(5);
/// Longest delay while the API server is unreachable or unhealthy. No event announces its return.
pub const LONGEST_FOR_OUTAGE: Duration = Duration::from_secs(15);
/// Longest delay while a name is taken: a watch with a selector does not show that the name is
/// released.
pub const LONGEST_FOR_NAME: Duration = Duration::from_secs(30);

/// Policy after a failure that may persist.
pub const FAILURE: Retry = Retry::new(FIRST, LONGEST);
/// Policy while the API server is unreachable or unhealthy.
pub const OUTAGE: Retry = Retry::new(FIRST, LONGEST_FOR_OUTAGE);
/// Policy while a name is taken.
pub const NAME_CONFLICT: Retry = Retry::new(FIRST, LONGEST_FOR_NAME);

/// Returns the policy for a failure.
#[must_use]
pub fn policy(error: &Error) -> Retry {
    if error.reason() == "ApiUnavailable" { OUTAGE } else { FAILURE }
}

/// Counter of consecutive failures.
#[derive(Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and returns the delay before the next attempt.
    pub fn failed(&mut self, policy: Retry) -> Duration {
        let wait = policy.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Number of failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts this failure and returns its delay, which is at least as long as the API server asked
    /// for.
    pub fn after(&mut self, error: &Error) -> Duration {
        self.failed(policy(error)).max(error.retry_after().unwrap_or_default())
    }

    /// Resets the counter.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_longest_and_reset() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(FAILURE)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[4] >= Duration::from_secs(12) && waits[4] <= Duration::from_secs(16));
        assert!(waits[11] >= LONGEST.mul_f64(0.75) && waits[11] <= LONGEST);
        backoff.succeeded();
        assert!(backoff.failed(FAILURE) <= FIRST);
    }
}
