//! The transitions. The rows that stand higher win.

use crate::plan::{WITHDRAW_SECONDS, candidate_target, plan};
use crate::{
    Analysis, Base, Desired, Fingerprint, Observed, Operation, Outcome, Phase, Plan, Rejection, Release,
    Revision, RevisionState, Status, Step, Strategy, Suspended, SuspendedBy, Time, Verbs,
};

/// The caller's next act.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Directive {
    /// Write the status, and nothing else of the release.
    Persist,
    /// Make the objects of the plan.
    Apply(Plan),
    /// Write nothing: the resource is paused.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    pub status: Status,
    pub directive: Directive,
    /// When time alone may change the decision.
    pub wake: Option<Time>,
}

/// Decides the next status. The objects follow only from a status that is stored: if the next one differs,
/// it is written first.
#[must_use]
pub fn decide(status: &Status, desired: &Desired, verbs: &Verbs, observed: &Observed, now: Time) -> Decision {
    let mut machine = Machine { status: status.clone(), desired, verbs, observed, now };
    match machine.status.release.take() {
        None => machine.rest(),
        Some(release) => machine.run(release),
    }
    let next = machine.status;
    let directive = if next != *status {
        Directive::Persist
    } else if observed.operation == Operation::Paused {
        Directive::Nothing
    } else {
        Directive::Apply(plan(&next, desired, observed, now))
    };
    let wake = next.release.as_ref().and_then(|release| wake(release, desired, now));
    Decision { status: next, directive, wake }
}

/// Rebuilds a status that was lost, from the recorded revisions, newest first. A release that was running is
/// cancelled and withdrawn with its capacity kept; the declared revision then starts under a new number, so
/// a gate that was opened before is closed again.
#[must_use]
pub fn recover(mut revisions: Vec<Revision>, strategy: Strategy, steps: &[Step], now: Time) -> Status {
    let from = revisions.iter().find(|revision| revision.state == RevisionState::Current);
    let running = revisions.iter().find(|revision| revision.state == RevisionState::Releasing);
    let release = from.zip(running).map(|(from, running)| Release {
        revision: running.number,
        from: from.number,
        declared: running.fingerprint,
        strategy,
        steps: steps.to_vec(),
        phase: Phase::RollingBack,
        step: u8::try_from(steps.len()).unwrap_or(u8::MAX),
        step_started_at: now,
        suspended: None,
        // It may have traffic, and loses it only with its capacity replaced.
        verified: true,
        way_back: true,
        at_once: false,
        bases: Vec::new(),
    });
    for revision in &mut revisions {
        if revision.state == RevisionState::Releasing {
            revision.state = RevisionState::Cancelled;
        }
    }
    Status { release, revisions, rejections: 0 }
}

fn wake(release: &Release, desired: &Desired, now: Time) -> Option<Time> {
    let remaining = |seconds: i64| seconds - release.elapsed(now);
    let wait = match release.current_step() {
        Some(Step::Wait(seconds)) if release.phase == Phase::Stepping => Some(remaining(i64::from(seconds))),
        _ => None,
    };
    let seconds = match release.suspended {
        Some(Suspended { at, by: SuspendedBy::Infrastructure }) => Some(WITHDRAW_SECONDS - now.since(at)),
        Some(_) => None,
        None => wait.or(Some(remaining(desired.policy.deadline_seconds))),
    };
    seconds.filter(|seconds| *seconds > 0).map(|seconds| now.plus(seconds))
}

pub(crate) struct Machine<'a> {
    pub(crate) status: Status,
    pub(crate) desired: &'a Desired,
    pub(crate) verbs: &'a Verbs,
    pub(crate) observed: &'a Observed,
    pub(crate) now: Time,
}

impl Machine<'_> {
    /// No release runs.
    fn rest(&mut self) {
        let declared = self.desired.fingerprint;
        let Some(current) = self.status.current().cloned() else {
            self.record(declared, self.desired.rendering, RevisionState::Current, None);
            return;
        };
        if self.observed.operation == Operation::Paused {
            return;
        }
        if let Some(source) = self.rollback_source().filter(|source| source.number != current.number) {
            self.start(source.fingerprint, source.rendering, Some(source.number));
            return;
        }
        if declared == current.fingerprint {
            self.forget_held();
            if self.verbs.retry && self.desired.rendering != current.rendering {
                self.retry();
            }
            return;
        }
        if self.desired.rendering == current.rendering {
            self.forget_held();
            self.status
                .revisions
                .iter_mut()
                .filter(|revision| revision.number == current.number)
                .for_each(|revision| revision.fingerprint = declared);
            return;
        }
        let known = self.status.newest_with(declared).map(|revision| revision.state);
        if known.is_some_and(RevisionState::needs_retry) {
            if self.verbs.retry {
                self.retry();
            }
        } else if self.status.rejections >= self.desired.policy.max_consecutive {
            self.forget_held();
            self.record(declared, self.desired.rendering, RevisionState::Held, None);
        } else {
            self.start(declared, self.desired.rendering, None);
        }
    }

    fn rollback_source(&self) -> Option<Revision> {
        let to = self.verbs.rollback?.to;
        self.status.revisions.iter().find(|revision| revision.number == to).cloned()
    }

    fn forget_held(&mut self) {
        for revision in &mut self.status.revisions {
            if revision.state == RevisionState::Held {
                revision.state = RevisionState::Cancelled;
            }
        }
    }

    fn retry(&mut self) {
        self.status.rejections = 0;
        self.start(self.desired.fingerprint, self.desired.rendering, None);
    }

    fn record(
        &mut self,
        fingerprint: Fingerprint,
        rendering: Fingerprint,
        state: RevisionState,
        copy_of: Option<u32>,
    ) -> u32 {
        let number = self.status.revisions.first().map_or(0, |revision| revision.number) + 1;
        let revision = Revision { number, fingerprint, rendering, state, copy_of };
        self.status.revisions.insert(0, revision);
        self.status.prune(self.desired.policy.history_limit);
        number
    }

    /// Starts a release. It goes straight into the primary Deployments where there is nothing to protect, and
    /// where the user asked for a revision that has served before.
    fn start(&mut self, fingerprint: Fingerprint, rendering: Fingerprint, copy_of: Option<u32>) {
        self.forget_held();
        let from = self.status.current().map_or(0, |revision| revision.number);
        let revision = self.record(fingerprint, rendering, RevisionState::Releasing, copy_of);
        let way_back = self.observed.stable_serves(self.now);
        let idle = self.observed.operation == Operation::Stopped
            || self.observed.components.iter().all(|component| component.pods == 0);
        let straight = copy_of.is_some() || !way_back || idle;
        let strategy = match self.desired.strategy {
            strategy if straight && strategy.has_candidate() => Strategy::RollingUpdate,
            strategy => strategy,
        };
        let steps = if strategy.has_candidate() { self.desired.steps.clone() } else { Vec::new() };
        self.status.release = Some(Release {
            revision,
            from,
            declared: self.desired.fingerprint,
            strategy,
            steps,
            phase: if straight { Phase::Finishing } else { Phase::Preparing },
            step: 0,
            step_started_at: self.now,
            suspended: None,
            verified: false,
            way_back,
            at_once: false,
            bases: Vec::new(),
        });
    }

    fn run(&mut self, mut release: Release) {
        if self.observed.operation == Operation::Paused {
            self.suspend(&mut release, SuspendedBy::Paused);
        } else if let Some((state, at_once)) = self.end(&release) {
            self.status.set_state(release.revision, state);
            if let RevisionState::Rejected(rejection) = state
                && rejection != Rejection::Aborted
            {
                self.status.rejections += 1;
            }
            release.at_once = at_once;
            self.enter(&mut release, Phase::RollingBack);
        } else {
            let standing = self.standing(&release);
            if let Some(reason) = standing {
                self.suspend(&mut release, reason);
            } else {
                self.resume(&mut release);
                self.follow_autoscalers(&mut release);
            }
            // An update of the primary Deployments that succeeds after all is a success.
            let succeeds = matches!(
                standing,
                Some(
                    SuspendedBy::PromotionIncomplete | SuspendedBy::Infrastructure | SuspendedBy::Verdict(_)
                )
            ) && release.phase == Phase::Finishing;
            if (standing.is_none() || succeeds) && self.progress(&mut release) {
                return;
            }
        }
        self.status.release = Some(release);
    }

    /// Stops the clock. Another reason does not start it again.
    fn suspend(&self, release: &mut Release, by: SuspendedBy) {
        let at = release.suspended.map_or(self.now, |suspended| suspended.at);
        release.suspended = Some(Suspended { at, by });
    }

    /// Starts the clock where it stood, so that trouble that comes and goes cannot reset a deadline.
    fn resume(&self, release: &mut Release) {
        if let Some(suspended) = release.suspended.take() {
            release.step_started_at = release.step_started_at.plus(self.now.since(suspended.at));
        }
    }

    fn enter(&self, release: &mut Release, phase: Phase) {
        release.phase = phase;
        release.step_started_at = self.now;
        release.suspended = None;
    }

    fn follow_autoscalers(&self, release: &mut Release) {
        if !matches!(release.phase, Phase::Starting | Phase::Stepping) {
            return;
        }
        for component in self.observed.components.iter().filter(|component| component.autoscaled) {
            match release.bases.iter_mut().find(|base| base.component == component.name) {
                Some(base) => base.pods = base.pods.max(component.pods),
                None => {
                    release.bases.push(Base { component: component.name.clone(), pods: component.pods });
                }
            }
        }
    }

    /// Moves on if the phase or step is done. Returns whether the release is over.
    fn progress(&mut self, release: &mut Release) -> bool {
        match release.phase {
            Phase::Preparing if self.observed.check == Outcome::Passed => {
                let candidate = release.strategy.has_candidate();
                self.enter(release, if candidate { Phase::Starting } else { Phase::Finishing });
            }
            Phase::Starting => {
                let passed =
                    !self.desired.policy.verify || self.verify_outcome(release, 0) == Outcome::Passed;
                if passed && self.observed.candidate_available() {
                    release.verified = true;
                    self.next_step(release);
                }
            }
            Phase::Stepping if self.step_is_done(release) => self.next_step(release),
            Phase::Finishing if self.is_updated() => {
                if self.candidate_is_gone() {
                    self.complete(release);
                    return true;
                }
                self.enter(release, Phase::Handing);
            }
            Phase::Handing if self.candidate_is_gone() => {
                self.complete(release);
                return true;
            }
            Phase::RollingBack => {
                // A newer declaration does not wait for a withdrawal that cannot get its capacity.
                let late = release.elapsed(self.now) >= self.desired.policy.deadline_seconds;
                let newer = self.desired.fingerprint != release.declared;
                release.at_once |= late && newer;
                return self.is_rolled_back(release, newer);
            }
            _ => {}
        }
        false
    }

    fn next_step(&self, release: &mut Release) {
        release.step = release.step.saturating_add(1);
        let phase = if release.current_step().is_some() { Phase::Stepping } else { Phase::Finishing };
        self.enter(release, phase);
    }

    fn step_is_done(&self, release: &Release) -> bool {
        let promote = self
            .verbs
            .promote
            .filter(|promote| promote.through.is_none_or(|through| through >= release.step));
        let known = matches!(self.observed.analysis, None | Some(Analysis::Pass));
        let forced = promote.is_some_and(|promote| promote.force);
        match release.current_step() {
            Some(Step::SetWeight(weight)) => {
                self.has_candidates(release) && self.observed.weight == Some(weight)
            }
            Some(Step::Verify) => self.verify_outcome(release, release.step) == Outcome::Passed,
            Some(Step::Gate) => promote.is_some() && self.has_candidates(release),
            Some(Step::Wait(seconds)) => {
                let over = release.elapsed(self.now) >= i64::from(seconds);
                (over || promote.is_some()) && (known || forced) && self.has_candidates(release)
            }
            None => false,
        }
    }

    pub(crate) fn verify_outcome(&self, release: &Release, step: u8) -> Outcome {
        match self.observed.verify {
            Some(run) if run.revision == release.revision && run.step == step => run.outcome,
            _ => Outcome::Pending,
        }
    }

    /// Whether every component has the candidate's pods for the present step.
    pub(crate) fn has_candidates(&self, release: &Release) -> bool {
        let (weight, _) = release.weights();
        self.observed.components.iter().all(|component| {
            let target = candidate_target(release, self.desired, component, weight);
            // Before the first step, one available pod is enough to be verified.
            let target = if release.phase == Phase::Starting { target.min(1) } else { target };
            component.candidate.available >= target || component.pods == 0
        })
    }

    /// Whether the primary Deployments run the release alone, with all their pods.
    pub(crate) fn is_updated(&self) -> bool {
        self.observed
            .components
            .iter()
            .all(|component| component.old.pods == 0 && component.new.available >= component.pods)
    }

    fn candidate_is_gone(&self) -> bool {
        self.observed.components.iter().all(|component| component.candidate.pods == 0)
    }

    fn is_rolled_back(&self, release: &Release, newer: bool) -> bool {
        let serves = self.observed.components.iter().all(|component| {
            component.new.pods == 0
                && component.template == release.from
                && component.old.available >= component.pods.saturating_sub(component.max_unavailable)
        });
        self.candidate_is_gone() && (serves || newer || !release.way_back)
    }

    fn complete(&mut self, release: &Release) {
        let copy = self
            .status
            .revisions
            .iter()
            .any(|revision| revision.number == release.revision && revision.copy_of.is_some());
        let replaced = if copy { RevisionState::RolledBack } else { RevisionState::Superseded };
        self.status.set_state(release.from, replaced);
        self.status.set_state(release.revision, RevisionState::Current);
        self.status.rejections = 0;
    }
}
