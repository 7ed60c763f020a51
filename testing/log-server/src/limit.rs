//! LogPilot's one bucket for all clients of a process.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::settings::Rate;

pub struct Bucket {
    rate: Rate,
    state: Mutex<(Duration, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Yes,
    No,
    /// A bucket with zero capacity is invalid; LogPilot notices only with each request.
    Impossible,
}

impl Bucket {
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, state: Mutex::new((full(rate), now)) }
    }

    /// Tokens are refilled one by one over the period, not all at its end.
    pub fn take(&self, now: Instant) -> Taken {
        let Some(price) = price(self.rate) else { return Taken::Impossible };
        let Ok(mut state) = self.state.lock() else { return Taken::Impossible };
        let (saved, last) = *state;
        let saved = (saved + now.saturating_duration_since(last)).min(full(self.rate));
        let (left, taken) = saved.checked_sub(price).map_or((saved, Taken::No), |left| (left, Taken::Yes));
        *state = (left, now);
        taken
    }
}

/// The content of the bucket is counted in time, which avoids rounding.
fn full(rate: Rate) -> Duration {
    price(rate).unwrap_or_default().saturating_mul(rate.capacity)
}

/// The refill time of one token.
fn price(rate: Rate) -> Option<Duration> {
    let price = rate.refill.checked_div(rate.refill_tokens)?;
    (rate.capacity > 0 && !price.is_zero()).then_some(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(capacity: u32) -> Rate {
        Rate { capacity, refill_tokens: 100, refill: Duration::from_mins(1) }
    }

    fn taken(bucket: &Bucket, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| bucket.take(now) == Taken::Yes).count()
    }

    #[test]
    fn the_limit_admits_105_of_130_in_3s() {
        let start = Instant::now();
        let bucket = Bucket::new(rate(100), start);
        assert_eq!(taken(&bucket, 110, start), 100);
        assert_eq!(taken(&bucket, 20, start + Duration::from_secs(3)), 5);
        assert_eq!(taken(&bucket, 200, start + Duration::from_hours(1)), 100);
    }

    #[test]
    fn an_empty_bucket_fails() {
        let now = Instant::now();
        assert_eq!(Bucket::new(rate(0), now).take(now), Taken::Impossible);
    }
}
