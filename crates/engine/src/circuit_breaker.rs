//! Whether the API server can be reached at all. While it cannot, one request a second asks, for all resources: each of
//! hundreds would otherwise try every few seconds, and meet an API server that has just come back all at once.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Connections that nobody took, one after the other, until it counts as away. Of several API servers behind one address
/// a single one may be.
const FAILURES: u32 = 3;
/// From one request that asks to the next.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct CircuitBreaker {
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    /// Since the last answer.
    failures: u32,
    /// When the next request may ask.
    next: Option<Instant>,
}

impl State {
    fn away(&self) -> bool {
        self.failures >= FAILURES
    }
}

impl CircuitBreaker {
    /// Waits while the API server is away, until somebody has asked; whether to send.
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

    /// Whether this one may be sent: nothing is wrong, or it is the one that asks.
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

    /// Something was answered, whatever it was.
    pub fn answered(&self) {
        self.state.send_if_modified(|state| {
            let away = state.failures > 0;
            *state = State::default();
            away
        });
    }

    /// Nobody took the connection.
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
    async fn a_few_refused_connections_are_nothing_and_an_answer_forgets_them() {
        let (breaker, began) = (CircuitBreaker::default(), Instant::now());
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| breaker.refused());
            assert!(breaker.wait().await);
            breaker.answered();
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all_and_what_it_hears_is_theirs() {
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
            assert_eq!(began.elapsed(), PAUSE, "the first second is over, and nobody waits longer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_is_never_answered_holds_nobody_up() {
        let (breaker, began) = (away(), Instant::now());
        assert!(breaker.wait().await);
        assert!(breaker.wait().await, "a second later another one asks");
        assert_eq!(began.elapsed(), PAUSE * 2);
    }
}
