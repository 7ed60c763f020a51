//! The facts that the caller gathers before each decision, without any object of Kubernetes.

use crate::{Fingerprint, Step, Strategy, Time};

/// The declaration of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Desired {
    pub fingerprint: Fingerprint,
    pub rendering: Fingerprint,
    pub strategy: Strategy,
    /// Empty without a candidate.
    pub steps: Vec<Step>,
    pub policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Whether a verdict rolls back by itself.
    pub automatic: bool,
    /// Restarts of the new revision's containers that are tolerated in one release.
    pub max_restarts: u32,
    /// The breaker opens after this many different rejections in a row.
    pub max_consecutive: u32,
    /// `progressDeadlineSeconds`.
    pub deadline_seconds: i64,
    pub verify: bool,
    /// The pods of a blue-green candidate until the switch; `None` as many as the primary has.
    pub preview_pods: Option<u32>,
    pub history_limit: usize,
}

/// The observed state of the objects and of the jobs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    pub components: Vec<Component>,
    pub operation: Operation,
    /// The checks of `Preparing`. Without any check this is `Passed`.
    pub check: Outcome,
    /// The verification that the plan asked for, if it has a result.
    pub verify: Option<VerifyRun>,
    /// `None` when no analysis is declared.
    pub analysis: Option<Analysis>,
    /// Whether the place cannot run the new pods, or cannot route to them. A job that cannot run belongs
    /// here.
    pub infrastructure_trouble: bool,
    /// Whether the old revision fails since the candidate runs on its data.
    pub stable_harmed: bool,
    /// The candidate's weight that the data plane has carried for long enough. `None` while it is not known.
    pub weight: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    pub name: String,
    /// The pods that the component has without a release; with an autoscaler, what it asks for now.
    pub pods: u32,
    /// The update strategy's limits, resolved against `pods`.
    pub max_surge: u32,
    pub max_unavailable: u32,
    pub autoscaled: bool,
    /// The revision of the primary Deployment's template, if its controller has observed the last write; else
    /// 0. An update that was just allowed or withdrawn is then never taken for done.
    pub template: u32,
    /// The replicas of the primary Deployment: as last written or as observed by its controller, whichever is
    /// less. An available pod above this number may be on its way out.
    pub replicas: u32,
    /// The pods of the primary Deployment by template: `new` are those of the release's revision, `old` all
    /// others, of whichever revision.
    pub old: Track,
    pub new: Track,
    pub candidate: Track,
}

/// The pods of one track.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Track {
    /// The pods that the Deployment wants or that exist, whichever is more, including terminating ones; at
    /// least 1 while its controller has not observed the last write or deletion. A stale view then never
    /// shows a track as gone.
    pub pods: u32,
    /// Available for `minReadySeconds`, so that flapping pods do not count.
    pub available: u32,
    /// Restarts of containers in this release.
    pub restarts: u32,
    /// Since when the Deployment's condition `Available` is False.
    pub unavailable_since: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Running,
    /// Nothing is decided and nothing but the status is written.
    Paused,
    /// No server runs, by `stopped` or for a restore.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Pending,
    Passed,
    Failed,
}

/// The result of the verification that belongs to a step; step 0 is the one before traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifyRun {
    pub revision: u32,
    pub step: u8,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Analysis {
    Pass,
    Fail,
    /// No data, or too little.
    Unknown,
}

impl Observed {
    /// Whether every component has a pod that serves the old revision, or wants none.
    #[must_use]
    pub fn stable_serves(&self, now: Time) -> bool {
        self.components.iter().all(|component| {
            let outage = component.old.unavailable_since.map_or(0, |since| now.since(since));
            component.old.available > 0 || outage < UNAVAILABLE_SECONDS
        })
    }

    #[must_use]
    pub(crate) fn candidate_available(&self) -> bool {
        self.components.iter().all(|component| component.candidate.available > 0 || component.pods == 0)
    }
}

/// How long the old revision is without any available pod until a release no longer protects it.
pub(crate) const UNAVAILABLE_SECONDS: i64 = 60;
