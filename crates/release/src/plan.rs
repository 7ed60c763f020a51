//! The objects that the stored status asks for. No decision is made here.

use crate::counts::{exchange, portion, split};
use crate::{
    Component, Desired, Observed, Operation, Phase, Release, Status, Step, Strategy, SuspendedBy, Time,
};

/// How long trouble of the place lasts before the candidate gives way to one pod without traffic.
pub(crate) const WITHDRAW_SECONDS: i64 = 60;

/// The objects that the stored status asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The revision of the primary Deployments' templates.
    pub primary: u32,
    /// The revision of the candidate Deployments; `None` when there are none.
    pub candidate: Option<u32>,
    /// The candidate's share in percent. By pods, anything above 0 means that the Services select both
    /// tracks, and 0 means the primary alone.
    pub weight: u8,
    pub components: Vec<Counts>,
    /// Whether the checks of `Preparing` run.
    pub check: bool,
    /// The step for which the verification runs; 0 is the one before traffic.
    pub verify: Option<u8>,
    /// Whether the analysis runs.
    pub analysis: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counts {
    pub component: String,
    /// `None` leaves the number to the autoscaler.
    pub primary: Option<u32>,
    pub candidate: u32,
    /// `maxSurge` and `maxUnavailable` of the primary Deployment; `None` for its own.
    pub rolling: Option<(u32, u32)>,
    /// The least that the autoscaler may set while the candidate still carries a share.
    pub autoscaler_min: Option<u32>,
}

/// Returns the plan for the stored status.
#[must_use]
pub fn plan(status: &Status, desired: &Desired, observed: &Observed, now: Time) -> Plan {
    let current = status.current().map_or(0, |revision| revision.number);
    let stopped = observed.operation == Operation::Stopped;
    let Some(release) = &status.release else {
        let components = observed.components.iter().map(|component| without_candidate(component, stopped));
        return Plan {
            primary: current,
            candidate: None,
            weight: 0,
            components: components.collect(),
            check: false,
            verify: None,
            analysis: false,
        };
    };
    let updated = matches!(release.phase, Phase::Finishing | Phase::Handing);
    let has_candidate = release.strategy.has_candidate() && release.phase != Phase::Preparing;
    let components: Vec<_> = observed
        .components
        .iter()
        .map(|component| {
            if stopped || !has_candidate {
                without_candidate(component, stopped)
            } else {
                counts(release, desired, observed, component, now)
            }
        })
        .collect();
    let verify = match (release.phase, release.current_step()) {
        (Phase::Starting, _) if desired.policy.verify => Some(0),
        (Phase::Stepping, Some(Step::Verify)) => Some(release.step),
        _ => None,
    };
    Plan {
        primary: if updated { release.revision } else { release.from },
        candidate: has_candidate.then_some(release.revision),
        weight: weight(release, desired, observed, &components, now),
        components,
        check: release.phase == Phase::Preparing,
        verify,
        analysis: release.phase == Phase::Stepping && observed.analysis.is_some(),
    }
}

fn without_candidate(component: &Component, stopped: bool) -> Counts {
    let pods = (!component.autoscaled).then_some(component.pods);
    Counts {
        component: component.name.clone(),
        primary: if stopped { Some(0) } else { pods },
        candidate: 0,
        rolling: None,
        autoscaler_min: None,
    }
}

/// Whether the candidate is reduced to one pod without traffic. Once the primary is being updated, the
/// candidate is part of its capacity and stays.
fn is_withdrawn(release: &Release, now: Time) -> bool {
    let early = matches!(release.phase, Phase::Starting | Phase::Stepping);
    early
        && release.suspended.is_some_and(|suspended| match suspended.by {
            SuspendedBy::Verdict(_) => true,
            SuspendedBy::Infrastructure => now.since(suspended.at) >= WITHDRAW_SECONDS,
            _ => false,
        })
}

/// The surge of a release. A candidate always needs room for one pod more, so a `maxSurge` of 0 counts as 1.
fn surge(component: &Component) -> u32 {
    component.max_surge.max(1)
}

/// The candidate's count once the weight is reached.
pub(crate) fn candidate_target(
    release: &Release,
    desired: &Desired,
    component: &Component,
    weight: u8,
) -> u32 {
    let base = release
        .bases
        .iter()
        .find(|base| base.component == component.name)
        .map_or(component.pods, |base| base.pods.max(component.pods));
    match release.strategy {
        Strategy::CanaryByPods if weight == 0 => 1,
        Strategy::CanaryByPods if component.autoscaled => portion(base, weight),
        Strategy::CanaryByPods => split(component.pods, weight, surge(component)).0,
        Strategy::CanaryByRoutes => portion(base, weight),
        Strategy::BlueGreen if weight == 0 => desired.policy.preview_pods.unwrap_or(base),
        Strategy::BlueGreen => base,
        Strategy::RollingUpdate | Strategy::Recreate => 0,
    }
}

/// Whether pods of both tracks share the traffic and the total, with a fixed number of pods.
fn shares_pods(release: &Release, component: &Component) -> bool {
    release.strategy == Strategy::CanaryByPods && !component.autoscaled
}

/// The old pods that stay, whatever the Deployment controller still does: not those that an update or a lower
/// count may yet remove.
fn returned(release: &Release, component: &Component) -> u32 {
    if component.template == release.from { component.old.available.min(component.replicas) } else { 0 }
}

fn counts(
    release: &Release,
    desired: &Desired,
    observed: &Observed,
    component: &Component,
    now: Time,
) -> Counts {
    let (weight, _) = release.weights();
    let pods = component.pods;
    let target = candidate_target(release, desired, component, weight);
    let target = if pods == 0 && !component.autoscaled { 0 } else { target };
    let room = pods + surge(component);
    let base = release.bases.iter().find(|base| base.component == component.name).map(|base| base.pods);
    let mut result = without_candidate(component, false);
    match release.phase {
        Phase::Preparing => {}
        _ if is_withdrawn(release, now) => {
            // Capacity first here too: the primary's missing pods return before the candidate's leave.
            result.candidate = if shares_pods(release, component) {
                exchange(pods, 1, returned(release, component)).min(component.candidate.pods.max(1))
            } else {
                1
            };
            if shares_pods(release, component) {
                result.primary = Some(pods.min(room - result.candidate.min(room)));
            }
        }
        Phase::Starting | Phase::Stepping if shares_pods(release, component) => {
            let remaining = if weight == 0 { pods } else { split(pods, weight, surge(component)).1 };
            let primary = exchange(pods, remaining, component.candidate.available).min(pods);
            result.primary = Some(primary);
            result.candidate = target.min(room - primary);
        }
        Phase::Starting | Phase::Stepping => result.candidate = target,
        Phase::Finishing if shares_pods(release, component) => {
            let candidate = exchange(pods, 0, component.new.available).min(target);
            result.candidate = candidate;
            result.primary = Some(pods.min(room - candidate));
            // Only available candidates replace pods of the primary while those are updated. Without any, one
            // pod more lets the update go on; the candidate that is not ready stays, because it may return.
            let replaced = candidate.min(component.candidate.available).min(surge(component));
            let missing = replaced + component.max_unavailable;
            result.rolling = (candidate > 0).then_some((u32::from(missing == 0), missing));
        }
        Phase::Finishing => {
            result.candidate = target;
            result.autoscaler_min = base;
        }
        Phase::Handing => {
            result.autoscaler_min = base;
            result.candidate = if observed.weight == Some(0) { 0 } else { component.candidate.pods };
        }
        Phase::RollingBack if release.at_once => {}
        Phase::RollingBack if release.strategy == Strategy::CanaryByPods => {
            let wanted = base.unwrap_or(pods);
            let returned = returned(release, component);
            let candidate = exchange(wanted, 0, returned).min(component.candidate.pods);
            result.candidate = candidate;
            result.autoscaler_min = base;
            if !component.autoscaled {
                result.primary = Some(pods.min(room - candidate.min(room)));
            }
        }
        Phase::RollingBack => {
            result.candidate = if observed.weight == Some(0) { 0 } else { component.candidate.pods };
        }
    }
    result
}

/// The candidate's weight. By routes and by switch it is 0 whenever a component has no available candidate,
/// and it rises to the step's weight only once the candidate has the pods for it. By pods, readiness decides
/// which pods get traffic, so the selector does not follow it: while the primary is being updated, a selector
/// that lags behind a candidate that came back would leave no pod behind the Service.
fn weight(release: &Release, desired: &Desired, observed: &Observed, counts: &[Counts], now: Time) -> u8 {
    let (weight, before) = release.weights();
    let by_pods = release.strategy == Strategy::CanaryByPods;
    let able = by_pods || observed.candidate_available();
    // By pods, the candidate leaves the Services once the primary can do without it.
    let whole = |component: &Component| returned(release, component) >= component.pods;
    let leaves = is_withdrawn(release, now) && (!by_pods || observed.components.iter().all(whole));
    if !release.verified || !able || leaves {
        return 0;
    }
    match release.phase {
        Phase::Preparing | Phase::Starting | Phase::Handing => 0,
        Phase::Stepping | Phase::Finishing => {
            let carried = release.phase == Phase::Finishing
                || by_pods
                || observed.components.iter().all(|component| {
                    component.candidate.available >= candidate_target(release, desired, component, weight)
                });
            if carried { weight } else { before }
        }
        Phase::RollingBack => {
            let leaves = counts.iter().all(|counts| counts.candidate == 0);
            if by_pods && !leaves && !release.at_once { weight } else { 0 }
        }
    }
}
