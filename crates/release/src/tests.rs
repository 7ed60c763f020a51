//! Transitions, one by one. The table in `docs/dev/release-machine.md` names these tests; a test holds the
//! two together.

use rstest::rstest;

use crate::*;

const START: Time = Time(1_000_000);
const OLD: Fingerprint = Fingerprint(1);
const NEW: Fingerprint = Fingerprint(2);

/// A resource of one component with four pods, and what happens to it.
struct Bench {
    status: Status,
    desired: Desired,
    verbs: Verbs,
    observed: Observed,
    now: Time,
}

impl Bench {
    fn new(strategy: Strategy, steps: &[Step]) -> Bench {
        let four = Track { pods: 4, available: 4, ..Track::default() };
        let component = Component {
            name: "all".into(),
            pods: 4,
            max_surge: 1,
            max_unavailable: 1,
            autoscaled: false,
            template: 1,
            replicas: 4,
            old: four,
            new: Track::default(),
            candidate: Track::default(),
        };
        let policy = Policy {
            automatic: true,
            max_restarts: 2,
            max_consecutive: 2,
            deadline_seconds: 600,
            verify: true,
            preview_pods: None,
            history_limit: 10,
        };
        let mut bench = Bench {
            status: Status::default(),
            desired: Desired { fingerprint: OLD, rendering: OLD, strategy, steps: steps.to_vec(), policy },
            verbs: Verbs::default(),
            observed: Observed {
                components: vec![component],
                operation: Operation::Running,
                check: Outcome::Passed,
                verify: None,
                analysis: None,
                infrastructure_trouble: false,
                stable_harmed: false,
                weight: Some(0),
            },
            now: START,
        };
        bench.settle();
        bench
    }

    /// Decides until nothing changes any more.
    fn settle(&mut self) -> Directive {
        for _ in 0..10 {
            let decision = decide(&self.status, &self.desired, &self.verbs, &self.observed, self.now);
            self.status = decision.status;
            if decision.directive != Directive::Persist {
                return decision.directive;
            }
        }
        panic!("the status never settles: {:?}", self.status);
    }

    fn plan(&mut self) -> Plan {
        match self.settle() {
            Directive::Apply(plan) => plan,
            other => panic!("no plan: {other:?}"),
        }
    }

    fn declare(&mut self, fingerprint: Fingerprint) -> &mut Self {
        (self.desired.fingerprint, self.desired.rendering) = (fingerprint, fingerprint);
        self.settle();
        self
    }

    fn verb(&mut self, verb: &str, value: &str) -> Vec<IgnoredVerb> {
        let (verbs, ignored) = parse_verbs(&self.status, |name| (name == verb).then_some(value));
        // Verbs are valid for the status that they were read with, so they act on one decision.
        self.status = decide(&self.status, &self.desired, &verbs, &self.observed, self.now).status;
        self.settle();
        ignored
    }

    fn pass(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus(seconds);
        self.settle();
        self
    }

    fn component(&mut self) -> &mut Component {
        &mut self.observed.components[0]
    }

    fn candidate(&mut self, available: u32) -> &mut Self {
        self.component().candidate = Track { pods: available, available, ..Track::default() };
        self.settle();
        self
    }

    /// The candidate runs, is verified, and has the first weight.
    fn stepping(&mut self) -> &mut Self {
        self.declare(NEW);
        let revision = self.release().revision;
        self.candidate(2);
        self.observed.verify = Some(VerifyRun { revision, step: 0, outcome: Outcome::Passed });
        self.observed.weight = Some(50);
        self.settle();
        self
    }

    fn release(&self) -> &Release {
        self.status.release.as_ref().expect("a release runs")
    }

    fn state(&self, number: u32) -> RevisionState {
        self.status.revisions.iter().find(|revision| revision.number == number).expect("is kept").state
    }

    fn suspended_by(&self) -> Option<SuspendedBy> {
        self.release().suspended.map(|suspended| suspended.by)
    }
}

fn canary() -> Bench {
    Bench::new(Strategy::CanaryByPods, &[Step::SetWeight(50), Step::Wait(300)])
}

fn gated() -> Bench {
    Bench::new(Strategy::CanaryByPods, &[Step::SetWeight(50), Step::Gate])
}

fn rolling() -> Bench {
    Bench::new(Strategy::RollingUpdate, &[])
}

#[test]
fn the_first_declaration_starts_no_release() {
    let bench = canary();
    assert!(bench.status.release.is_none());
    assert_eq!(bench.state(1), RevisionState::Current);
}

#[test]
fn an_equal_rendering_starts_no_release() {
    let mut bench = canary();
    bench.desired.fingerprint = NEW;
    bench.settle();
    assert!(bench.status.release.is_none());
    assert_eq!(bench.status.current().unwrap().fingerprint, NEW);
}

#[test]
fn another_rendering_alone_starts_no_release() {
    let mut bench = canary();
    bench.desired.rendering = NEW;
    bench.settle();
    assert!(bench.status.release.is_none());
    bench.verb("retry", "1");
    assert_eq!(bench.release().revision, 2);
}

#[test]
fn a_rolling_update_completes_without_a_candidate() {
    let mut bench = rolling();
    bench.declare(NEW);
    assert_eq!(bench.release().phase, Phase::Finishing);
    let plan = bench.plan();
    assert_eq!((plan.primary, plan.candidate), (2, None));
    bench.component().old = Track::default();
    bench.component().new = Track { pods: 4, available: 4, ..Track::default() };
    bench.settle();
    assert_eq!((bench.state(1), bench.state(2)), (RevisionState::Superseded, RevisionState::Current));
}

#[rstest]
#[case::no_pods(0, 0, false)]
#[case::down(4, 0, true)]
fn a_release_without_anything_to_protect_is_direct(#[case] pods: u32, #[case] up: u32, #[case] down: bool) {
    let mut bench = canary();
    bench.component().pods = pods;
    let unavailable_since = down.then_some(START.plus(-60));
    bench.component().old = Track { pods, available: up, restarts: 0, unavailable_since };
    bench.component().new.pods = 1;
    bench.component().old.pods = 1;
    bench.declare(NEW);
    assert_eq!((bench.release().phase, bench.release().way_back), (Phase::Finishing, !down));
}

#[test]
fn a_failing_fix_does_not_go_back_to_what_failed() {
    let mut bench = rolling();
    bench.component().old = Track { pods: 4, unavailable_since: Some(START.plus(-60)), ..Track::default() };
    bench.declare(NEW).component().new.restarts = 3;
    bench.settle();
    let verdict = SuspendedBy::Verdict(Rejection::CrashLoopBackOff);
    assert_eq!(bench.suspended_by(), Some(verdict));
    bench.component().new.restarts = 0;
    bench.declare(Fingerprint(3));
    assert_eq!((bench.release().revision, bench.release().phase), (3, Phase::Finishing));
}

#[test]
fn a_failed_check_starts_no_pod() {
    let mut bench = canary();
    bench.observed.check = Outcome::Failed;
    bench.declare(NEW);
    assert!(bench.status.release.is_none());
    assert_eq!(bench.state(2), RevisionState::Rejected(Rejection::CheckFailed));
}

#[rstest]
#[case::verify(|bench: &mut Bench| {
    bench.observed.verify = Some(VerifyRun { revision: 2, step: 0, outcome: Outcome::Failed });
}, Rejection::VerifyFailed)]
#[case::crash(|bench: &mut Bench| bench.component().candidate.restarts = 3, Rejection::CrashLoopBackOff)]
#[case::deadline(|bench: &mut Bench| bench.now = bench.now.plus(600), Rejection::ProgressDeadlineExceeded)]
#[case::harm(|bench: &mut Bench| bench.observed.stable_harmed = true, Rejection::StableHarmed)]
fn a_verdict_before_traffic_rolls_back(#[case] happens: fn(&mut Bench), #[case] rejection: Rejection) {
    let mut bench = canary();
    bench.declare(NEW).component().candidate.pods = 1;
    bench.settle();
    assert_eq!(bench.release().phase, Phase::Starting);
    happens(&mut bench);
    let plan = bench.plan();
    assert_eq!((plan.weight, bench.release().phase), (0, Phase::RollingBack));
    bench.component().candidate = Track::default();
    bench.settle();
    assert_eq!((bench.state(2), bench.status.rejections), (RevisionState::Rejected(rejection), 1));
    // Applying it again does nothing, and reverting heals.
    assert!(bench.status.release.is_none());
    let rejected = bench.status.clone();
    bench.observed.stable_harmed = false;
    bench.declare(OLD).declare(NEW);
    assert_eq!(bench.status, rejected);
}

#[test]
fn a_failed_analysis_rolls_back_capacity_first() {
    let mut bench = canary();
    bench.stepping().observed.analysis = Some(Analysis::Fail);
    bench.component().old = Track { pods: 2, available: 2, ..Track::default() };
    bench.component().replicas = 2;
    let plan = bench.plan();
    assert_eq!(bench.state(2), RevisionState::Rejected(Rejection::AnalysisFailed));
    assert_eq!((plan.weight, plan.components[0].primary, plan.components[0].candidate), (50, Some(3), 2));
}

#[test]
fn no_data_neither_promotes_nor_rolls_back() {
    let mut bench = canary();
    bench.stepping().observed.analysis = Some(Analysis::Unknown);
    bench.pass(100_000).verb("promote", "2.2");
    assert_eq!((bench.release().phase, bench.release().step), (Phase::Stepping, 2));
    bench.verb("promote", "2.2.force");
    assert_eq!(bench.release().phase, Phase::Finishing);
}

#[test]
fn a_wait_ends_with_its_time_and_its_data() {
    let mut bench = canary();
    bench.stepping().observed.analysis = Some(Analysis::Pass);
    bench.pass(299);
    assert_eq!(bench.release().step, 2);
    bench.pass(1);
    assert_eq!(bench.release().phase, Phase::Finishing);
}

#[test]
fn an_outage_in_a_wait_is_a_verdict_at_the_deadline() {
    let mut bench = gated();
    bench.stepping().component().candidate.available = 0;
    bench.component().candidate.unavailable_since = Some(START);
    bench.pass(599);
    assert_eq!(bench.release().phase, Phase::Stepping);
    bench.pass(1);
    assert_eq!(bench.release().phase, Phase::RollingBack);
}

#[test]
fn trouble_that_comes_and_goes_resets_no_deadline() {
    let mut bench = canary();
    bench.declare(NEW).component().candidate.pods = 1;
    for _ in 0..60 {
        bench.observed.infrastructure_trouble = true;
        bench.pass(10);
        bench.observed.infrastructure_trouble = false;
        bench.settle();
        if bench.release().phase == Phase::RollingBack {
            return;
        }
        bench.pass(10);
    }
    assert_eq!(bench.release().phase, Phase::RollingBack);
}

#[test]
fn lasting_trouble_withdraws_the_candidate() {
    let mut bench = canary();
    bench.stepping().observed.infrastructure_trouble = true;
    bench.settle();
    assert_eq!(bench.suspended_by(), Some(SuspendedBy::Infrastructure));
    assert_eq!(bench.plan().weight, 50);
    bench.pass(60);
    let plan = bench.plan();
    assert_eq!((plan.weight, plan.components[0].candidate, plan.components[0].primary), (0, 1, Some(4)));
    bench.observed.infrastructure_trouble = false;
    bench.settle();
    assert_eq!(bench.suspended_by(), None);
}

#[test]
fn a_verdict_without_automatic_rollback_waits() {
    let mut bench = canary();
    bench.desired.policy.automatic = false;
    bench.stepping().observed.analysis = Some(Analysis::Fail);
    bench.settle();
    bench.observed.analysis = Some(Analysis::Pass);
    let plan = bench.plan();
    assert_eq!(bench.suspended_by(), Some(SuspendedBy::Verdict(Rejection::AnalysisFailed)));
    assert_eq!((plan.weight, plan.components[0].candidate), (0, 1));
    bench.verb("abort", "2");
    assert_eq!(bench.release().phase, Phase::RollingBack);
}

#[test]
fn a_place_that_fails_late_keeps_the_candidate() {
    let mut bench = canary();
    bench.stepping().pass(300).pass(600);
    assert_eq!(bench.suspended_by(), Some(SuspendedBy::PromotionIncomplete));
    assert_eq!(bench.plan().candidate, Some(2));
    bench.component().old = Track::default();
    bench.component().new = Track { pods: 4, available: 4, ..Track::default() };
    bench.settle();
    assert_eq!(bench.release().phase, Phase::Handing);
    bench.component().candidate = Track::default();
    bench.settle();
    assert_eq!(bench.state(2), RevisionState::Current);
}

#[test]
fn hold_stops_the_clock_and_no_verdict() {
    let mut bench = canary();
    bench.stepping();
    bench.verbs.hold = true;
    bench.pass(10_000);
    assert_eq!((bench.suspended_by(), bench.release().step), (Some(SuspendedBy::Hold), 2));
    bench.observed.analysis = Some(Analysis::Fail);
    bench.settle();
    assert_eq!(bench.release().phase, Phase::RollingBack);
}

#[rstest]
#[case::paused(Operation::Paused, SuspendedBy::Paused)]
#[case::stopped(Operation::Stopped, SuspendedBy::Stopped)]
fn a_stop_in_the_middle_keeps_the_step(#[case] operation: Operation, #[case] reason: SuspendedBy) {
    let mut bench = canary();
    bench.stepping().pass(100).observed.operation = operation;
    match bench.settle() {
        Directive::Nothing => assert_eq!(operation, Operation::Paused),
        Directive::Apply(plan) => {
            assert_eq!((plan.components[0].primary, plan.components[0].candidate), (Some(0), 0));
        }
        Directive::Persist => panic!("settled"),
    }
    assert_eq!(bench.suspended_by(), Some(reason));
    bench.pass(1000).observed.operation = Operation::Running;
    bench.settle();
    assert_eq!((bench.release().step, bench.release().elapsed(bench.now)), (2, 100));
}

#[test]
fn a_drain_of_both_tracks_is_no_verdict() {
    let mut bench = canary();
    bench.stepping();
    bench.component().old = Track::default();
    bench.component().candidate = Track { pods: 2, unavailable_since: Some(START), ..Track::default() };
    bench.pass(10_000);
    assert_eq!(bench.suspended_by(), Some(SuspendedBy::BothTracksDown));
}

#[test]
fn different_rejections_open_the_breaker() {
    let mut bench = canary();
    bench.observed.check = Outcome::Failed;
    bench.declare(NEW).declare(Fingerprint(3));
    assert_eq!(bench.status.rejections, 2);
    bench.observed.check = Outcome::Passed;
    bench.declare(Fingerprint(4));
    assert_eq!((bench.state(4), bench.status.release.is_none()), (RevisionState::Held, true));
    bench.declare(Fingerprint(5));
    assert_eq!((bench.state(4), bench.state(5)), (RevisionState::Cancelled, RevisionState::Held));
    bench.verb("retry", "5");
    assert_eq!((bench.release().revision, bench.status.rejections), (6, 0));
}

#[test]
fn an_abort_does_not_count_for_the_breaker() {
    let mut bench = gated();
    bench.stepping();
    bench.verb("abort", "2.now");
    assert_eq!((bench.status.rejections, bench.release().at_once), (0, true));
    let plan = bench.plan();
    assert_eq!((plan.weight, plan.components[0].primary, plan.components[0].candidate), (0, Some(4), 0));
}

#[test]
fn a_second_edit_waits_for_the_first_candidate_to_leave() {
    let mut bench = gated();
    bench.stepping().declare(Fingerprint(3));
    assert_eq!((bench.state(2), bench.release().phase), (RevisionState::Cancelled, Phase::RollingBack));
    bench.candidate(0);
    assert_eq!((bench.release().revision, bench.release().phase), (3, Phase::Starting));
}

#[test]
fn an_edit_while_finishing_waits_for_the_end() {
    let mut bench = canary();
    bench.stepping().pass(300).declare(Fingerprint(3));
    assert_eq!((bench.release().revision, bench.release().phase), (2, Phase::Finishing));
    bench.declare(OLD);
    assert_eq!(bench.release().phase, Phase::RollingBack);
}

#[test]
fn a_rollback_runs_an_older_revision() {
    let mut bench = rolling();
    bench.declare(NEW).component().old = Track::default();
    bench.component().new = Track { pods: 4, available: 4, ..Track::default() };
    bench.settle();
    bench.component().old = bench.component().new;
    bench.component().new = Track::default();
    assert_eq!(bench.verb("rollback", "2:9").len(), 1);
    bench.verb("rollback", "2:1");
    assert_eq!((bench.release().revision, bench.status.revisions[0].copy_of), (3, Some(1)));
    bench.component().new = std::mem::take(&mut bench.component().old);
    bench.settle();
    // The revision that is still declared does not start again by itself.
    assert_eq!((bench.state(2), bench.state(3)), (RevisionState::RolledBack, RevisionState::Current));
    assert!(bench.status.release.is_none());
}

#[rstest]
#[case("promote", "1.2")]
#[case("promote", "2.9")]
#[case("promote", "2.0")]
#[case("promote", "yes")]
#[case("promote", "2")]
#[case("abort", "1")]
#[case("abort", "2.later")]
#[case("hold", "3")]
#[case("retry", "2")]
#[case("rollback", "2")]
#[case("promote", "00000001.2")]
fn a_stale_or_wrong_verb_is_reported(#[case] verb: &str, #[case] value: &str) {
    let mut bench = gated();
    bench.stepping();
    let before = bench.status.clone();
    let ignored = bench.verb(verb, value);
    assert_eq!((ignored.len(), &bench.status), (1, &before));
    assert!(!ignored[0].advice.is_empty());
}

#[test]
fn a_fingerprint_names_a_release_in_git() {
    let mut bench = gated();
    bench.stepping();
    assert!(bench.verb("promote", "00000002.2").is_empty());
    assert_eq!(bench.release().phase, Phase::Finishing);
}

#[test]
fn routes_get_traffic_once_the_pods_are_there() {
    let mut bench = Bench::new(Strategy::CanaryByRoutes, &[Step::SetWeight(50), Step::Gate]);
    bench.declare(NEW).candidate(1);
    bench.observed.verify = Some(VerifyRun { revision: 2, step: 0, outcome: Outcome::Passed });
    let plan = bench.plan();
    assert_eq!((plan.weight, plan.components[0].candidate, plan.components[0].primary), (0, 2, Some(4)));
    bench.candidate(2);
    assert_eq!(bench.plan().weight, 50);
}

#[test]
fn a_switch_waits_for_all_pods() {
    let steps = [Step::SetWeight(100), Step::Wait(300)];
    let mut bench = Bench::new(Strategy::BlueGreen, &steps);
    bench.desired.policy.preview_pods = Some(1);
    bench.declare(NEW).candidate(1);
    assert_eq!(bench.plan().components[0].candidate, 1);
    bench.observed.verify = Some(VerifyRun { revision: 2, step: 0, outcome: Outcome::Passed });
    let plan = bench.plan();
    assert_eq!((plan.weight, plan.components[0].candidate), (0, 4));
    assert_eq!(bench.candidate(4).plan().weight, 100);
}

#[test]
fn the_base_of_an_autoscaler_only_rises_in_a_release() {
    let mut bench = Bench::new(Strategy::CanaryByPods, &[Step::SetWeight(50), Step::Gate]);
    bench.component().autoscaled = true;
    bench.stepping();
    assert_eq!(bench.plan().components[0].candidate, 2);
    bench.component().pods = 8;
    assert_eq!(bench.plan().components[0].candidate, 4);
    bench.component().pods = 3;
    let plan = bench.plan();
    assert_eq!((plan.components[0].candidate, plan.components[0].primary), (4, None));
}

#[test]
fn a_verify_step_runs_under_traffic() {
    let mut bench = Bench::new(Strategy::CanaryByPods, &[Step::SetWeight(50), Step::Verify]);
    bench.stepping();
    assert_eq!(bench.plan().verify, Some(2));
    bench.observed.verify = Some(VerifyRun { revision: 2, step: 2, outcome: Outcome::Passed });
    bench.settle();
    assert_eq!(bench.release().phase, Phase::Finishing);
}

#[test]
fn the_history_keeps_what_was_rejected() {
    let mut bench = gated();
    bench.desired.policy.history_limit = 3;
    bench.observed.check = Outcome::Failed;
    bench.declare(NEW);
    bench.observed.check = Outcome::Pending;
    for number in 3..9 {
        bench.declare(Fingerprint(number));
    }
    assert!(bench.status.revisions.len() <= 3);
    assert_eq!(bench.state(2), RevisionState::Rejected(Rejection::CheckFailed));
    assert_eq!(bench.state(1), RevisionState::Current);
}

#[test]
fn a_lost_status_withdraws_the_candidate_with_its_capacity() {
    let mut bench = gated();
    bench.stepping();
    bench.component().old = Track { pods: 2, available: 2, ..Track::default() };
    bench.component().replicas = 2;
    let revisions = std::mem::take(&mut bench.status).revisions;
    bench.status = recover(revisions, bench.desired.strategy, &bench.desired.steps, bench.now);
    let plan = bench.plan();
    assert_eq!((plan.weight, plan.components[0].primary, plan.components[0].candidate), (50, Some(3), 2));
}

#[test]
fn a_rollback_ends_a_running_release() {
    let mut bench = gated();
    bench.stepping();
    bench.verb("rollback", "2:1");
    assert_eq!((bench.state(2), bench.release().phase), (RevisionState::RolledBack, Phase::RollingBack));
    bench.candidate(0);
    assert!(bench.status.release.is_none());
}

#[test]
fn a_newer_declaration_does_not_wait_for_capacity() {
    let mut bench = gated();
    bench.stepping();
    bench.component().old = Track { pods: 4, available: 1, ..Track::default() };
    bench.declare(Fingerprint(3)).pass(599);
    assert!(!bench.release().at_once);
    bench.pass(1);
    assert_eq!((bench.release().at_once, bench.plan().components[0].candidate), (true, 0));
}

#[test]
fn every_transition_of_the_page_has_its_test() {
    let page = include_str!("../../../docs/dev/release-machine.md");
    let (_, table) = page.split_once("## Transitions").expect("the page has the table");
    let (table, _) = table.split_once("## Invariants").expect("the table ends");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")).collect();
    assert_eq!(rows.len(), 31);
    for row in rows {
        let name = row.trim_end_matches("` |").rsplit('`').next().expect("a name");
        let test = format!("\nfn {name}(");
        assert!(include_str!("tests.rs").contains(&test), "no test {name}: {row}");
    }
}

#[test]
fn a_status_survives_being_stored() {
    let mut bench = gated();
    bench.stepping();
    let text = serde_json::to_string(&bench.status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), bench.status);
}
