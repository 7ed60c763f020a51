//! Health of the process, reported when it ends, because a restarted process no longer knows it. A
//! kubelet that restarts a container because of its liveness probe sends the same signal as one
//! that deletes the pod.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The interval between two measurements of the delay of the process.
const LOOK: Duration = Duration::from_secs(5);
/// A delay is remembered for this time, and up to twice as long.
const WINDOW: Duration = Duration::from_mins(1);

pub struct Vitals(Mutex<State>);

struct State {
    started: Instant,
    /// The time of the last response of `/livez`, and the violation it reported.
    answer: Option<(Instant, Option<String>)>,
    looked: Instant,
    /// The longest delays of this window and of the previous one.
    delays: [Duration; 2],
    window: Instant,
}

impl Default for Vitals {
    fn default() -> Self {
        let now = Instant::now();
        let delays = [Duration::ZERO; 2];
        Self(Mutex::new(State { started: now, answer: None, looked: now, delays, window: now }))
    }
}

impl Vitals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a response of `/livez`.
    pub fn answered(&self, problem: Option<String>) {
        self.state().answer = Some((Instant::now(), problem));
    }

    /// Measures the delay of a timer: in a process that lacks CPU, or that is busy with one task
    /// for long, everything is late.
    pub async fn watch_delays(&self) {
        loop {
            self.looked(Instant::now());
            sleep(LOOK).await;
        }
    }

    fn looked(&self, now: Instant) {
        let mut state = self.state();
        let delay = (now - state.looked).saturating_sub(LOOK);
        if now - state.window >= WINDOW {
            state.delays = [Duration::ZERO, state.delays[0]];
            state.window = now;
        }
        state.delays[0] = state.delays[0].max(delay);
        state.looked = now;
    }

    /// Returns one line that helps to find out why the process ended.
    #[must_use]
    pub fn report(&self) -> String {
        let state = self.state();
        let now = Instant::now();
        let ran = (now - state.started).as_secs();
        let livez = match &state.answer {
            None => "/livez was never requested".to_owned(),
            Some((at, problem)) => {
                let answer = problem.as_deref().unwrap_or("ok");
                format!("/livez was answered {} s ago: {answer}", (now - *at).as_secs())
            }
        };
        let not_looked = (now - state.looked).saturating_sub(LOOK);
        let late = state.delays.into_iter().fold(not_looked, Duration::max);
        let why = if late >= Duration::from_secs(1) { "; the process lacks CPU" } else { "" };
        let late = late.as_secs_f64();
        format!("ran for {ran} s; {livez}; timers were up to {late:.1} s late in the last minutes{why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_tells_last_answer_and_longest_delay() {
        let vitals = Vitals::default();
        assert_eq!(
            vitals.report(),
            "ran for 0 s; /livez was never requested; timers were up to 0.0 s late in the last minutes"
        );
        vitals.answered(None);
        for _ in 0..4 {
            tokio::time::advance(LOOK).await;
            vitals.looked(Instant::now());
        }
        assert_eq!(
            vitals.report(),
            "ran for 20 s; /livez was answered 20 s ago: ok; timers were up to 0.0 s late in the last minutes"
        );
        tokio::time::advance(LOOK + Duration::from_secs(9)).await;
        // The lateness was not even measured yet.
        assert!(vitals.report().ends_with("9.0 s late in the last minutes; the process lacks CPU"));
        vitals.looked(Instant::now());
        vitals.answered(Some("the watch of pods is stuck: silent for 601 s".to_owned()));
        let report = vitals.report();
        assert!(
            report.contains("answered 0 s ago: the watch of pods is stuck") && report.contains("9.0 s late"),
            "{report}"
        );
        // Forgotten after one to two minutes.
        for _ in 0..24 {
            tokio::time::advance(LOOK).await;
            vitals.looked(Instant::now());
        }
        assert!(vitals.report().contains("0.0 s late"), "{}", vitals.report());
    }
}
