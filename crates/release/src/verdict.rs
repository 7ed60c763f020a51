//! The reasons that end a release, and those that stop its clock. A verdict is about the revision; trouble of
//! the place is not.

use crate::decide::Machine;
use crate::{
    Analysis, Component, Operation, Outcome, Phase, Rejection, Release, RevisionState, Step, Suspended,
    SuspendedBy,
};

impl Machine<'_> {
    /// Whether the release ends without success, and whether its candidate leaves at any capacity.
    pub(crate) fn end(&self, release: &Release) -> Option<(RevisionState, bool)> {
        if release.phase == Phase::RollingBack || release.phase == Phase::Handing {
            return None;
        }
        if self.verbs.rollback.is_some() {
            return Some((RevisionState::RolledBack, false));
        }
        if self.desired.fingerprint != release.declared && self.gives_way(release) {
            return Some((RevisionState::Cancelled, false));
        }
        if let Some(at_once) = self.verbs.abort {
            return Some((RevisionState::Rejected(Rejection::Aborted), at_once));
        }
        let rejection = self.verdict(release)?;
        let automatic = self.desired.policy.automatic && release.way_back;
        let ends = automatic && !self.is_incomplete(release);
        ends.then_some((RevisionState::Rejected(rejection), rejection == Rejection::StableHarmed))
    }

    /// Whether another declaration ends this release. An update of the primary Deployments is finished first,
    /// unless it does not succeed or the declaration is what served before.
    fn gives_way(&self, release: &Release) -> bool {
        let from = self.status.revisions.iter().find(|revision| revision.number == release.from);
        release.phase != Phase::Finishing
            || from.is_some_and(|from| from.fingerprint == self.desired.fingerprint)
            || release.elapsed(self.now) >= self.desired.policy.deadline_seconds
            || self.verdict(release).is_some()
    }

    /// The verdict on the revision of the release. A verdict that did not end the release stays.
    fn verdict(&self, release: &Release) -> Option<Rejection> {
        if let Some(Suspended { by: SuspendedBy::Verdict(rejection), .. }) = release.suspended {
            return Some(rejection);
        }
        let restarts: u32 = self
            .observed
            .components
            .iter()
            .map(|component| component.candidate.restarts + component.new.restarts)
            .sum();
        let failed = |step: u8| self.verify_outcome(release, step) == Outcome::Failed;
        let verifies = match (release.phase, release.current_step()) {
            (Phase::Starting, _) => self.desired.policy.verify,
            (Phase::Stepping, Some(Step::Verify)) => true,
            _ => false,
        };
        let runs = release.phase != Phase::Preparing;
        if release.phase == Phase::Preparing && self.observed.check == Outcome::Failed {
            Some(Rejection::CheckFailed)
        } else if runs && release.strategy.has_candidate() && self.observed.stable_harmed {
            Some(Rejection::StableHarmed)
        } else if runs && restarts > self.desired.policy.max_restarts {
            Some(Rejection::CrashLoopBackOff)
        } else if verifies && failed(release.step) {
            Some(Rejection::VerifyFailed)
        } else if release.phase == Phase::Stepping && self.observed.analysis == Some(Analysis::Fail) {
            Some(Rejection::AnalysisFailed)
        } else if !self.observed.infrastructure_trouble && self.is_over_deadline(release) {
            Some(Rejection::ProgressDeadlineExceeded)
        } else {
            None
        }
    }

    /// Whether pods run and are not available in time. In a step that waits, the outage itself is timed: the
    /// step's own clock says nothing about it.
    fn is_over_deadline(&self, release: &Release) -> bool {
        let deadline = self.desired.policy.deadline_seconds;
        let late = release.elapsed(self.now) >= deadline;
        match (release.phase, release.current_step()) {
            (Phase::Preparing | Phase::Handing | Phase::RollingBack, _) => false,
            (Phase::Finishing, _) => late && !self.is_updated(),
            (Phase::Stepping, Some(Step::Gate | Step::Wait(_))) => {
                self.observed.components.iter().any(|component| {
                    let outage = component.candidate.unavailable_since;
                    // If the old revision is down too, the outage says nothing about the new one.
                    component.old.available > 0 && outage.is_some_and(|at| self.now.since(at) >= deadline)
                })
            }
            (Phase::Starting | Phase::Stepping, _) => late && !self.has_candidates(release),
        }
    }

    /// The candidate serves and the primary Deployment does not come up: the place is at fault, not the
    /// revision.
    fn is_incomplete(&self, release: &Release) -> bool {
        release.phase == Phase::Finishing
            && release.strategy.has_candidate()
            && self.observed.candidate_available()
            && !self.observed.stable_harmed
    }

    /// Why the clock stands.
    pub(crate) fn standing(&self, release: &Release) -> Option<SuspendedBy> {
        if matches!(release.phase, Phase::Handing | Phase::RollingBack) {
            return (self.observed.operation == Operation::Stopped).then_some(SuspendedBy::Stopped);
        }
        let down = |component: &Component| {
            component.pods > 0 && component.old.available == 0 && component.candidate.available == 0
        };
        if let Some(rejection) = self.verdict(release) {
            let incomplete = self.is_incomplete(release);
            Some(if incomplete { SuspendedBy::PromotionIncomplete } else { SuspendedBy::Verdict(rejection) })
        } else if self.observed.operation == Operation::Stopped {
            Some(SuspendedBy::Stopped)
        } else if self.verbs.hold {
            Some(SuspendedBy::Hold)
        } else if self.observed.infrastructure_trouble {
            Some(SuspendedBy::Infrastructure)
        } else if matches!(release.phase, Phase::Starting | Phase::Stepping)
            && self.observed.components.iter().any(down)
        {
            Some(SuspendedBy::BothTracksDown)
        } else {
            None
        }
    }
}
