//! How long to wait before something that failed is tried again.

use std::time::Duration;

use super::{error::Error, retry::Retry};

/// First wait after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest wait after repeated failures.
pub const LONGEST: Duration = Duration::from_mins(5);
/// Longest wait for an API server that is not there or not well: it comes back without an event for those who wait.
pub const LONGEST_FOR_OUTAGE: Duration = Duration::from_secs(15);
/// Longest wait for a name that is taken: its release is invisible to a selected watch.
pub const LONGEST_FOR_NAME: Duration = Duration::from_secs(30);

/// After a failure that may last.
pub const FAILURE: Retry = Retry::new(FIRST, LONGEST);
/// While the API server is not there or not well.
pub const OUTAGE: Retry = Retry::new(FIRST, LONGEST_FOR_OUTAGE);
/// While a name is taken.
pub const NAME_CONFLICT: Retry = Retry::new(FIRST, LONGEST_FOR_NAME);

/// The policy after this failure.
#[must_use]
pub fn policy(error: &Error) -> Retry {
    if error.reason() == "ApiUnavailable" { OUTAGE } else { FAILURE }
}

/// Failures in a row.
#[derive(Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure; answers the wait before the next try.
    pub fn failed(&mut self, policy: Retry) -> Duration {
        let wait = policy.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts this failure; answers its wait, which is no shorter than the API server asked for.
    pub fn after(&mut self, error: &Error) -> Duration {
        self.failed(policy(error)).max(error.retry_after().unwrap_or_default())
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(FAILURE)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[4] >= Duration::from_secs(12) && waits[4] <= Duration::from_secs(16));
        assert!(waits[11] >= LONGEST.mul_f64(0.75) && waits[11] <= LONGEST);
        backoff.succeeded();
        assert!(backoff.failed(FAILURE) <= FIRST);
    }
}
