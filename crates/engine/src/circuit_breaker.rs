//! Circuit breaker for an unreachable API server. While it is open, one probe request per second is
//! sent on behalf of all resources. Otherwise each of hundreds of resources would retry every few
//! seconds, and all of them would hit an API server that has just recovered.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Number of consecutive connection attempts that nothing accepts until the API server counts as
/// unreachable. If several API servers share one address, a single one may be down.
const FAILURES: u32 = 3;
/// Pause between two probe requests.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct CircuitBreaker {
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    /// Failures since the last response.
    failures: u32,
    /// When the next probe request may be sent.
    next: Option<Instant>,
}

impl State {
    fn away(&self) -> bool {
        self.failures >= FAILURES
    }
}

impl CircuitBreaker {
    /// Waits while the API server is unreachable, until a probe has finished. Returns whether to send
    /// the request.
    pub async fn wait(&self) -> bool {
        let mut states = self.state.subscribe();
        let before = states.borrow_and_update().failures;
        loop {
            if self.ask() {
                return true;
            }
            let next = {
                let state = states.borrow_and_update();
                if state.away() && state.failures > before {
                    return false;
                }
                state.next
            };
            tokio::select! {
                _ = states.changed() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)) => {}
            }
        }
    }

    /// Returns whether this request may be sent: the breaker is closed, or this request is the probe.
    fn ask(&self) -> bool {
        let mut may = false;
        self.state.send_if_modified(|state| {
            let now = Instant::now();
            may = !state.away() || state.next.is_none_or(|next| next <= now);
            let asks = may && state.away();
            if asks {
                state.next = Some(now + PAUSE);
            }
            asks
        });
        may
    }

    /// Records a response of any kind.
    pub fn answered(&self) {
        self.state.send_if_modified(|state| {
            let away = state.failures > 0;
            *state = State::default();
            away
        });
    }

    /// Records that nothing accepted the connection.
    pub fn refused(&self) {
        self.state.send_modify(|state| {
            state.failures = state.failures.saturating_add(1);
            if state.failures == FAILURES {
                state.next = Some(Instant::now() + PAUSE);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::join_all;

    use super::*;

    fn away() -> Arc<CircuitBreaker> {
        let breaker = Arc::new(CircuitBreaker::default());
        (0..FAILURES).for_each(|_| breaker.refused());
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_resets_the_count_of_refusals() {
        let (breaker, began) = (CircuitBreaker::default(), Instant::now());
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| breaker.refused());
            assert!(breaker.wait().await);
            breaker.answered();
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_decides_for_all_requests() {
        for comes_back in [false, true] {
            let (breaker, began) = (away(), Instant::now());
            let sent = join_all((0..100).map(|_| async {
                let sent = breaker.wait().await;
                if sent && comes_back {
                    breaker.answered();
                } else if sent {
                    breaker.refused();
                }
                sent
            }));
            let sent = sent.await.into_iter().filter(|sent| *sent).count();
            assert_eq!(sent, if comes_back { 100 } else { 1 });
            assert_eq!(began.elapsed(), PAUSE, "the first second is over, and no request waits longer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_without_a_response_blocks_nothing() {
        let (breaker, began) = (away(), Instant::now());
        assert!(breaker.wait().await);
        assert!(breaker.wait().await, "a second later another one asks");
        assert_eq!(began.elapsed(), PAUSE * 2);
    }
}
