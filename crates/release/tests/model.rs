//! A model checker of the machine: every interleaving of pods that start, crash and return, stale views, lost
//! writes, crashes between two writes, verbs and edits, up to a bound. Each state is checked against the
//! invariants of `docs/dev/release-machine.md`, and six planted bugs show that the checks notice.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

#[path = "model/checks.rs"]
mod checks;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/world.rs"]
mod world;

use explore::{Report, explore};
use release::{BlueGreen, Step, Strategy};
use rstest::rstest;
use world::{Plant, Scenario};

fn canary(strategy: Strategy) -> Scenario {
    let steps = vec![Step::SetWeight(50), Step::Gate];
    Scenario { strategy, steps, ..Scenario::default() }
}

fn blue_green() -> Scenario {
    let settings =
        BlueGreen { auto_promotion: false, auto_promotion_seconds: 0, scale_down_delay_seconds: 20 };
    Scenario { strategy: Strategy::BlueGreen, steps: settings.steps(), ..Scenario::default() }
}

/// The scenarios of the suite. Each has its own budget of faults, so that the sum stays within a minute
/// without optimisation.
fn scenarios() -> Vec<(&'static str, Scenario)> {
    let pods = || canary(Strategy::CanaryByPods);
    let three_steps = vec![Step::SetWeight(34), Step::Wait(20), Step::Verify];
    vec![
        ("canary by pods, 1 pod, crash", Scenario { pods: 1, crashes: 1, ..pods() }),
        ("canary by pods, 2 pods, verbs", Scenario { pods: 2, verbs: 2, ..pods() }),
        ("canary by pods, 2 pods, edits", Scenario { pods: 2, edits: 2, ..pods() }),
        ("canary by pods, 3 pods, 3 steps", Scenario { pods: 3, steps: three_steps, crashes: 1, ..pods() }),
        ("canary by pods, status lost", Scenario { pods: 2, losses: 1, ..pods() }),
        ("canary by pods, place in trouble", Scenario { pods: 2, troubles: 1, ..pods() }),
        ("canary by pods, autoscaled", Scenario { autoscaled: true, crashes: 1, ..pods() }),
        ("canary by routes", Scenario { crashes: 1, verbs: 1, ..canary(Strategy::CanaryByRoutes) }),
        ("canary by routes, edits", Scenario { edits: 2, verbs: 1, ..canary(Strategy::CanaryByRoutes) }),
        ("blue-green, verbs", Scenario { verbs: 1, crashes: 1, ..blue_green() }),
        ("blue-green, edits", Scenario { edits: 2, verbs: 1, ..blue_green() }),
        ("rolling update", Scenario { pods: 3, crashes: 2, edits: 2, verbs: 1, ..Scenario::default() }),
        (
            "recreate",
            Scenario { strategy: Strategy::Recreate, crashes: 2, edits: 2, verbs: 1, ..Scenario::default() },
        ),
    ]
}

/// The states of one scenario in the suite.
const SUITE: usize = 25_000;

#[test]
fn every_reachable_state_keeps_the_invariants() {
    run_all(SUITE);
}

/// Visits every scenario whole, or up to two million states.
#[test]
#[ignore = "takes many minutes"]
fn the_whole_space_keeps_the_invariants() {
    run_all(2_000_000);
}

fn run_all(max_states: usize) {
    let started = std::time::Instant::now();
    let mut total = Report::default();
    for (name, scenario) in scenarios() {
        let began = std::time::Instant::now();
        let explored = explore(&scenario, Plant::None, max_states);
        let report = explored.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        println!("{name}: {report}, {:.1} s", began.elapsed().as_secs_f32());
        total.add(&report);
    }
    assert!(total.completed > 0, "no release was completed");
    println!("total: {total}, {:.1} s", started.elapsed().as_secs_f32());
}

#[rstest]
#[case::gate(Plant::GateOpensByItself, "gate")]
#[case::clock(Plant::ReadinessResetsClock, "clock")]
#[case::memory(Plant::RejectedStartsAgain, "I6")]
#[case::zero(Plant::BothTracksAtZero, "I12")]
#[case::autoscaler(Plant::ReplicasUnderAutoscaler, "I10")]
#[case::traffic(Plant::TrafficBeforeVerification, "I2")]
fn a_planted_bug_is_caught(#[case] plant: Plant, #[case] invariant: &str) {
    let caught = scenarios().iter().find_map(|(_, scenario)| explore(scenario, plant, SUITE).err());
    let message = caught.expect("no scenario notices the planted bug");
    assert!(message.starts_with(invariant), "caught by another check: {message}");
}
