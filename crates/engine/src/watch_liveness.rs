//! Records when each watch last showed activity. A request has a deadline, and a watch lists again
//! every few minutes. A watch that is silent for longer waits for something that never comes, and only
//! a restart of the process helps.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::relist::RELIST;

/// A watch that neither received anything nor failed for this long is stuck.
pub const STUCK: Duration = RELIST.saturating_mul(2);

#[derive(Default)]
pub struct WatchLiveness(Mutex<BTreeMap<&'static str, Beat>>);

#[derive(Clone, Copy)]
struct Beat {
    answered: Instant,
    alive: Instant,
}

/// One watch, for as long as it is maintained.
pub struct Watching {
    pulse: Arc<WatchLiveness>,
    resource: &'static str,
}

impl WatchLiveness {
    fn beats(&self) -> MutexGuard<'_, BTreeMap<&'static str, Beat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to record a watch. It counts as alive from now on.
    #[must_use]
    pub fn watching(self: &Arc<Self>, resource: &'static str) -> Watching {
        let watching = Watching { pulse: Arc::clone(self), resource };
        watching.told(true);
        watching
    }

    /// Returns for each watched resource how long ago the API server last sent something.
    #[must_use]
    pub fn silences(&self) -> Vec<(&'static str, Duration)> {
        self.beats().iter().map(|(resource, beat)| (*resource, beat.answered.elapsed())).collect()
    }

    /// Returns the watch that has been stuck for longest, and for how long.
    #[must_use]
    pub fn stuck(&self) -> Option<(&'static str, Duration)> {
        let beats = self.beats();
        let silent = beats.iter().map(|(resource, beat)| (*resource, beat.alive.elapsed()));
        silent.filter(|(_, silent)| *silent > STUCK).max_by_key(|(_, silent)| *silent)
    }
}

impl Watching {
    /// Records an event, a list, or a failure.
    pub fn told(&self, answered: bool) {
        let now = Instant::now();
        let mut beats = self.pulse.beats();
        let beat = beats.entry(self.resource).or_insert(Beat { answered: now, alive: now });
        beat.alive = now;
        if answered {
            beat.answered = now;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.pulse.beats().remove(self.resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_silent_watch_is_stuck() {
        let pulse = Arc::new(WatchLiveness::default());
        let (failing, silent) = (pulse.watching("pods"), pulse.watching("services"));
        tokio::time::advance(STUCK).await;
        assert_eq!(pulse.stuck(), None);
        failing.told(false);
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        assert_eq!(pulse.stuck(), Some(("services", STUCK + second)));
        // Neither of them has received a response.
        assert_eq!(pulse.silences(), [("pods", STUCK + second), ("services", STUCK + second)]);
        failing.told(true);
        assert_eq!(pulse.silences()[0], ("pods", Duration::ZERO));
        drop(silent);
        assert_eq!(pulse.stuck(), None, "what is no longer watched cannot be stuck");
    }
}
