//! A time-limited cache for objects that are read by name because they are not watched.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use engine::retry::{SPREAD, spread};

/// Interval at which an object is read again that blocks nothing, minus up to a quarter.
pub const REFRESH: Duration = Duration::from_mins(5);
/// Interval at which an object is read again that blocks a rollout.
pub const REFRESH_HELD: Duration = Duration::from_secs(10);
/// Fraction of the interval after which an object counts as old, so that the read at its end finds it old.
const OLD_BY_THEN: f64 = 0.9;

/// The last request of the user for a read: an edit of the spec, or an annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    pub generation: Option<i64>,
    /// The annotations that request a read, with hashes of their values, which may have any length.
    pub asked: BTreeMap<String, String>,
}

struct CachedRead<W, F> {
    wanted: W,
    found: F,
    moment: Moment,
    at: Instant,
    keep: Duration,
}

/// The last read for one resource: the query and the result.
pub struct ReadCache<W, F>(Option<CachedRead<W, F>>);

/// The result of the last read.
#[derive(Debug, PartialEq)]
pub struct LastRead<F> {
    pub found: F,
    /// The object must be read again.
    pub old: bool,
}

impl<W, F> Default for ReadCache<W, F> {
    fn default() -> Self {
        Self(None)
    }
}

impl<W: PartialEq, F: Clone> ReadCache<W, F> {
    /// Returns the result of the last read, if it was for the same query. `suspect`: a pod reports that
    /// something it needs is missing.
    #[must_use]
    pub fn last(&self, wanted: &W, moment: &Moment, suspect: bool) -> Option<LastRead<F>> {
        let look = self.0.as_ref().filter(|look| look.wanted == *wanted)?;
        let keep = if suspect { look.keep.min(REFRESH_HELD) } else { look.keep };
        let old = look.moment != *moment || look.at.elapsed() >= keep;
        Some(LastRead { found: look.found.clone(), old })
    }

    /// Records a result. `held`: the interval until the next read, if the object blocks something.
    pub fn remember(&mut self, wanted: W, moment: &Moment, found: F, held: Option<Duration>) {
        let keep = held.map_or_else(|| spread(REFRESH, SPREAD), |again| again.mul_f64(OLD_BY_THEN));
        self.0 = Some(CachedRead { wanted, found, moment: moment.clone(), at: Instant::now(), keep });
    }

    /// Makes the next lookup read again.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(generation: i64) -> Moment {
        Moment { generation: Some(generation), ..Moment::default() }
    }

    fn looked(held: Option<Duration>, ago: Duration) -> ReadCache<&'static str, u8> {
        let mut looks = ReadCache::default();
        looks.remember("w", &edit(1), 7, held);
        looks.0.as_mut().unwrap().at = Instant::now().checked_sub(ago).unwrap();
        looks
    }

    #[test]
    fn a_look_is_believed_for_what_it_was_made_for_and_until_the_spec_changes() {
        let mut looks = looked(None, Duration::ZERO);
        assert_eq!(looks.last(&"w", &edit(1), false), Some(LastRead { found: 7, old: false }));
        assert_eq!(looks.last(&"w", &edit(2), false), Some(LastRead { found: 7, old: true }));
        assert_eq!(looks.last(&"v", &edit(1), false), None);
        let asked = Moment { asked: [("a".to_owned(), "1".to_owned())].into(), ..edit(1) };
        assert_eq!(looks.last(&"w", &asked, false), Some(LastRead { found: 7, old: true }));
        looks.forget();
        assert_eq!(looks.last(&"w", &edit(1), false), None);
    }

    #[test]
    fn it_is_old_before_the_time_at_which_it_is_looked_at_again() {
        let old = |held, ago, suspect| looked(held, ago).last(&"w", &edit(1), suspect).unwrap().old;
        let (held, second) = (Some(REFRESH_HELD), Duration::from_secs(1));
        assert!(old(None, REFRESH, false) && !old(None, REFRESH.mul_f64(0.7), false));
        assert!(old(None, REFRESH_HELD, true), "a pod misses something");
        assert!(old(held, REFRESH_HELD, false) && !old(held, REFRESH_HELD.mul_f64(0.8), false));
        assert!(old(Some(second), second, false), "as soon as is asked");
    }
}
