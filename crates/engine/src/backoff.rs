//! How long to wait before an object that failed is tried again, per object.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::Rng;

use super::{error::Error, resource::ResourceRef};

/// First wait after a failure.
pub const FIRST: Duration = Duration::from_secs(1);
/// Longest wait after repeated failures.
pub const LONGEST: Duration = Duration::from_mins(5);
/// Longest wait for an API server that is not there or not well: it comes back without an event for those who wait.
pub const LONGEST_FOR_OUTAGE: Duration = Duration::from_secs(15);
/// Longest wait for a name that is taken: its release is invisible to a selected watch.
pub const LONGEST_FOR_NAME: Duration = Duration::from_secs(30);

/// The longest wait after this failure.
#[must_use]
pub fn longest(error: &Error) -> Duration {
    if error.reason() == "ApiUnavailable" { LONGEST_FOR_OUTAGE } else { LONGEST }
}

/// The wait after so many failures and one more.
#[must_use]
pub fn wait(failures: u32, longest: Duration) -> Duration {
    let wait = FIRST.saturating_mul(1 << failures.min(16)).min(longest);
    wait.mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[derive(Default)]
pub struct Backoff {
    failures: Mutex<HashMap<ResourceRef, u32>>,
}

impl Backoff {
    /// Counts a failure; answers the wait before the next try: 1 s, doubling to `longest`, less up to a quarter of it
    /// so that objects which failed together do not come back together.
    pub fn failed(&self, resource: &ResourceRef, longest: Duration) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(resource.clone()).or_default();
        let wait = wait(*count, longest);
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
        self.failed(resource, longest(error)).max(error.retry_after().unwrap_or_default())
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
        let waits: Vec<_> = (0..12).map(|_| backoff.failed(&a, LONGEST)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits[4] >= Duration::from_secs(12) && waits[4] <= Duration::from_secs(16));
        assert!(waits[11] >= LONGEST.mul_f64(0.75) && waits[11] <= LONGEST);
        assert!(backoff.failed(&b, LONGEST) <= FIRST, "objects do not share their failures");
        backoff.succeeded(&a);
        assert!(backoff.failed(&a, LONGEST) <= FIRST);
    }
}
