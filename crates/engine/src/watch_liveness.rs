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
pub const STALE_AFTER: Duration = RELIST.saturating_mul(2);

#[derive(Default)]
pub struct WatchLiveness(Mutex<BTreeMap<&'static str, LastSign>>);

#[derive(Clone, Copy)]
struct LastSign {
    answered: Instant,
    alive: Instant,
}

/// One watch, for as long as it is maintained.
pub struct Watching {
    liveness: Arc<WatchLiveness>,
    resource: &'static str,
}

impl WatchLiveness {
    fn signs(&self) -> MutexGuard<'_, BTreeMap<&'static str, LastSign>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to record a watch. It counts as alive from now on.
    #[must_use]
    pub fn watching(self: &Arc<Self>, resource: &'static str) -> Watching {
        let watching = Watching { liveness: Arc::clone(self), resource };
        watching.record(true);
        watching
    }

    /// Returns for each watched resource how long ago the API server last sent something.
    #[must_use]
    pub fn silences(&self) -> Vec<(&'static str, Duration)> {
        self.signs().iter().map(|(resource, sign)| (*resource, sign.answered.elapsed())).collect()
    }

    /// Returns the watch that has been stuck for longest, and for how long.
    #[must_use]
    pub fn stuck(&self) -> Option<(&'static str, Duration)> {
        let signs = self.signs();
        let silent = signs.iter().map(|(resource, sign)| (*resource, sign.alive.elapsed()));
        silent.filter(|(_, silent)| *silent > STALE_AFTER).max_by_key(|(_, silent)| *silent)
    }
}

impl Watching {
    /// Records an event, a list, or a failure.
    pub fn record(&self, answered: bool) {
        let now = Instant::now();
        let mut signs = self.liveness.signs();
        let sign = signs.entry(self.resource).or_insert(LastSign { answered: now, alive: now });
        sign.alive = now;
        if answered {
            sign.answered = now;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.liveness.signs().remove(self.resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_silent_watch_is_stuck() {
        let liveness = Arc::new(WatchLiveness::default());
        let (failing, silent) = (liveness.watching("pods"), liveness.watching("services"));
        tokio::time::advance(STALE_AFTER).await;
        assert_eq!(liveness.stuck(), None);
        failing.record(false);
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        assert_eq!(liveness.stuck(), Some(("services", STALE_AFTER + second)));
        // Neither of them has received a response.
        assert_eq!(liveness.silences(), [("pods", STALE_AFTER + second), ("services", STALE_AFTER + second)]);
        failing.record(true);
        assert_eq!(liveness.silences()[0], ("pods", Duration::ZERO));
        drop(silent);
        assert_eq!(liveness.stuck(), None, "what is no longer watched cannot be stuck");
    }
}
