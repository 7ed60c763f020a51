//! The stored part of the machine, in the status of a resource. Everything it remembers is here.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Step, Strategy, Time};

/// A hash of the versioned fields as the user wrote them, in eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Fingerprint(pub u32);

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u32::from_str_radix(&text, 16).map(Fingerprint)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Absent when no release is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
    /// The history, newest first, which is also the memory of what was rejected.
    pub revisions: Vec<Revision>,
    /// How many revisions were rejected since the last success or retry. All of them differ, because a
    /// rejected one starts again only by a retry.
    pub rejections: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    pub revision: u32,
    /// The revision that served before, and serves again after a rollback.
    pub from: u32,
    /// The user's declaration when the release began. A rollback by verb runs other content than this.
    pub declared: Fingerprint,
    pub strategy: Strategy,
    /// The steps as they were when the release began. An edit of the steps changes the next release.
    pub steps: Vec<Step>,
    pub phase: Phase,
    /// The step that runs, from 1; 0 before the first.
    pub step: u8,
    /// When the present phase or step began. Readiness never changes it.
    pub step_started_at: Time,
    /// Since when the clock of the step stands, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// Whether the candidate may receive traffic.
    pub verified: bool,
    /// Whether `from` was serving when the release began. If not, nothing rolls back to it.
    pub way_back: bool,
    /// Whether a rollback takes the candidate away at any capacity.
    pub at_once: bool,
    /// The pods of each component with an autoscaler, from which the candidate's count follows. They only
    /// rise within a step, so that candidate and autoscaler do not push each other.
    #[serde(default)]
    pub bases: Vec<Base>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    pub component: String,
    pub pods: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Checks run that need no pod of the new revision.
    Preparing,
    /// The candidate starts and is verified, without traffic.
    Starting,
    /// The steps run.
    Stepping,
    /// The primary Deployment is updated while the candidate keeps its share.
    Finishing,
    /// Traffic returns to the primary Deployment, then the candidate leaves.
    Handing,
    /// The primary Deployment gets the previous revision, and the candidate leaves.
    RollingBack,
}

/// Why the clock of a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspended {
    pub at: Time,
    pub by: SuspendedBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SuspendedBy {
    Paused,
    Stopped,
    /// The verb `hold`.
    Hold,
    /// The place cannot run the pods: no node, quota, registry, route. It says nothing about the revision.
    Infrastructure,
    /// Neither track has an available pod, for example during a drain of their common node.
    BothTracksDown,
    /// The candidate serves, and the primary Deployment does not come up with the same revision.
    PromotionIncomplete,
    /// A verdict without automatic rollback: an edit, `abort` or `rollback` ends it.
    Verdict(Rejection),
}

/// Why a revision was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Rejection {
    CheckFailed,
    CrashLoopBackOff,
    ProgressDeadlineExceeded,
    VerifyFailed,
    AnalysisFailed,
    StableHarmed,
    /// The verb `abort` ended it. It does not count for the breaker.
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    pub number: u32,
    pub fingerprint: Fingerprint,
    /// A hash of the templates as rendered.
    pub rendering: Fingerprint,
    pub state: RevisionState,
    /// The revision whose content this one has, after a rollback by verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RevisionState {
    Current,
    /// Served until a newer one replaced it.
    Superseded,
    Rejected(Rejection),
    /// The user rolled back from it. It starts again only by `retry`.
    RolledBack,
    /// An edit ended its release.
    Cancelled,
    Releasing,
    /// The breaker is open: it starts only by `retry`.
    Held,
}

impl RevisionState {
    /// Whether a rollback may go to it.
    #[must_use]
    pub fn served(self) -> bool {
        matches!(self, RevisionState::Current | RevisionState::Superseded)
    }

    /// Whether a declaration of the same content needs a `retry`.
    #[must_use]
    pub fn needs_retry(self) -> bool {
        matches!(self, RevisionState::Rejected(_) | RevisionState::RolledBack | RevisionState::Held)
    }
}

impl Status {
    #[must_use]
    pub fn current(&self) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.state == RevisionState::Current)
    }

    #[must_use]
    pub fn newest_with(&self, fingerprint: Fingerprint) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.fingerprint == fingerprint)
    }

    pub(crate) fn set_state(&mut self, number: u32, state: RevisionState) {
        self.revisions
            .iter_mut()
            .filter(|revision| revision.number == number)
            .for_each(|revision| revision.state = state);
    }

    /// Limits the history. Revisions that never served leave first, those that need a `retry` last; the
    /// current revision and the newest one stay.
    pub(crate) fn prune(&mut self, limit: usize) {
        while self.revisions.len() > limit.max(2) {
            let oldest = |leaves: fn(RevisionState) -> bool| {
                self.revisions
                    .iter()
                    .skip(1)
                    .rposition(|revision| revision.state != RevisionState::Current && leaves(revision.state))
            };
            let leaving = oldest(|state| state == RevisionState::Cancelled)
                .or_else(|| oldest(|state| !state.needs_retry()))
                .or_else(|| oldest(|_| true));
            let Some(index) = leaving else { return };
            self.revisions.remove(index + 1);
        }
    }
}

impl Release {
    /// The step that runs.
    #[must_use]
    pub fn current_step(&self) -> Option<Step> {
        self.steps.get(usize::from(self.step).checked_sub(1)?).copied()
    }

    /// The weight of the step that runs, and the one before it. Once all steps are done, both are the last.
    #[must_use]
    pub fn weights(&self) -> (u8, u8) {
        let last = |steps: &mut dyn DoubleEndedIterator<Item = &Step>| {
            steps.rev().find_map(|step| if let Step::SetWeight(weight) = step { Some(*weight) } else { None })
        };
        let upto = usize::from(self.step);
        let before = upto.saturating_sub(1);
        (
            last(&mut self.steps.iter().take(upto)).unwrap_or(0),
            last(&mut self.steps.iter().take(before)).unwrap_or(0),
        )
    }

    /// For how long the clock of the step has run. It does not run while the release is suspended.
    #[must_use]
    pub fn elapsed(&self, now: Time) -> i64 {
        self.suspended.map_or(now, |suspended| suspended.at).since(self.step_started_at)
    }
}
