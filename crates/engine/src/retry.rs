//! Pauses between attempts, with backoff and jitter. Each use has a policy of its own, as a constant.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use rand::Rng;

/// Maximum jitter: a pause is shortened by up to this fraction, so that objects that failed together
/// are not retried together.
pub const SPREAD: f64 = 0.25;
/// Maximum number of doublings: by then every policy has reached its longest pause.
const MAX_DOUBLINGS: u32 = 16;

/// A policy: the first pause, doubled with each further failure, up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    first: Duration,
    longest: Duration,
}

impl Retry {
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the pause after this many failures and one more, with jitter.
    #[must_use]
    pub fn pause(self, failures: u32) -> Duration {
        spread(self.full_pause(failures), SPREAD)
    }

    /// Returns the pause after this many failures and one more, without jitter.
    #[must_use]
    pub fn full_pause(self, failures: u32) -> Duration {
        nth(self, usize::try_from(failures.min(MAX_DOUBLINGS)).unwrap_or_default())
    }

    /// Returns the pause without jitter that follows a given one.
    #[must_use]
    pub fn after(self, pause: Duration) -> Duration {
        nth(Self { first: pause, ..self }, 1)
    }

    /// Returns the policy with the shorter longest pause.
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        if other.longest < self.longest { other } else { self }
    }
}

fn nth(policy: Retry, place: usize) -> Duration {
    let pauses = ExponentialBuilder::new()
        .with_min_delay(policy.first)
        .with_max_delay(policy.longest)
        .with_factor(2.0)
        .without_max_times();
    // The iterator never ends, so there is always a next pause.
    pauses.build().nth(place).unwrap_or(policy.longest)
}

/// Returns a duration that is shortened by a random fraction of up to `part`.
#[must_use]
pub fn spread(duration: Duration, part: f64) -> Duration {
    duration.mul_f64(rand::rng().random_range(1.0 - part..=1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_support::proptest_config;

    use super::*;

    proptest! {
        #![proptest_config(proptest_config(400))]

        #[test]
        fn pauses_double_up_to_the_longest(first in 1_u64..5_000, times in 1_u32..1_000, failures: u32) {
            let first = Duration::from_millis(first);
            let policy = Retry::new(first, first * times);
            let expected = first.saturating_mul(1 << failures.min(16)).min(first * times);
            let full = policy.full_pause(failures);
            // The library uses `f32`.
            let tolerance = expected.mul_f64(1e-6);
            prop_assert!(full.abs_diff(expected) <= tolerance, "{full:?} {expected:?}");
            let pause = policy.pause(failures);
            prop_assert!(pause <= full && pause + tolerance >= full.mul_f64(0.75), "{pause:?} of {full:?}");
            let after = policy.after(full);
            prop_assert!(after.abs_diff(policy.full_pause(failures.saturating_add(1))) <= tolerance * 2, "{after:?}");
        }
    }

    #[test]
    fn the_sooner_policy_has_the_shorter_longest_pause() {
        let [short, long] =
            [10, 20].map(|longest| Retry::new(Duration::from_secs(1), Duration::from_secs(longest)));
        assert_eq!((short.or_sooner(long), long.or_sooner(short)), (short, short));
    }
}
