//! When a resource is reconciled again if nothing changes.

use std::time::Duration;

use kube::runtime::controller::Action;
use tracing::debug;

/// The earliest time that any step of a reconcile asks for, with its reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requeue {
    earliest: Option<(Duration, &'static str)>,
}

impl Requeue {
    /// Requeues the resource after at most this time. `reason` completes "requeued: …" in the log.
    pub fn at_most(&mut self, after: Duration, reason: &'static str) {
        if self.earliest.is_none_or(|(earliest, _)| after < earliest) {
            self.earliest = Some((after, reason));
        }
    }

    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        self.earliest.map(|(after, _)| after)
    }

    /// Returns the action for the queue. Logs the reason at debug level.
    #[must_use]
    pub fn into_action(self, name: &str) -> Action {
        let Some((after, reason)) = self.earliest else { return Action::await_change() };
        debug!(%name, ?after, "requeued: {reason}");
        Action::requeue(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_request_wins() {
        let mut requeue = Requeue::default();
        assert_eq!(requeue.after(), None);
        for (after, reason) in [(5, "a"), (2, "b"), (2, "c"), (9, "d")] {
            requeue.at_most(Duration::from_secs(after), reason);
        }
        assert_eq!(requeue, Requeue { earliest: Some((Duration::from_secs(2), "b")) });
        assert_eq!(requeue.into_action("x"), Action::requeue(Duration::from_secs(2)));
        assert_eq!(Requeue::default().into_action("x"), Action::await_change());
    }
}
