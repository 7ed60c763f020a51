//! How long to wait before an object that failed is tried again, per object.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{error::Error, resource::ResourceRef, retry::Retry};

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

#[derive(Default)]
pub struct Backoff {
    failures: Mutex<HashMap<ResourceRef, u32>>,
}

impl Backoff {
    /// Counts a failure; answers the wait before the next try.
    pub fn failed(&self, resource: &ResourceRef, policy: Retry) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(resource.clone()).or_default();
        let wait = policy.pause(*count);
        *count = count.saturating_add(1);
        wait
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self, resource: &ResourceRef) -> u32 {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(resource)
            .copied()
            .unwrap_or_default()
    }

    /// Counts this failure; answers its wait, which is no shorter than the API server asked for.
    pub fn after(&self, resource: &ResourceRef, error: &Error) -> Duration {
        self.failed(resource, policy(error)).max(error.retry_after().unwrap_or_default())
    }

    /// Forgets the failures of an object that succeeded, or is gone.
    pub fn succeeded(&self, resource: &ResourceRef) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kinds::TOY;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_success() {
        let backoff = Backoff::default();
        let [a, b] = ["a", "b"].map(|namespace| ResourceRef::new(&TOY, Some(namespace), "erp"));
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(&a, FAILURE)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[4] >= Duration::from_secs(12) && waits[4] <= Duration::from_secs(16));
        assert!(waits[11] >= LONGEST.mul_f64(0.75) && waits[11] <= LONGEST);
        assert!(backoff.failed(&b, FAILURE) <= FIRST, "objects do not share their failures");
        backoff.succeeded(&a);
        assert!(backoff.failed(&a, FAILURE) <= FIRST);
    }
}
