//! Builds the status from the apply outcome and the live objects. Pure, apart from the given time.

mod components;
mod conditions;
mod configs;
mod endpoints;
mod volumes;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    backups,
    facts::{Facts, IsLiving},
    model::Component,
    problems, restore,
};
use crate::{
    api::{
        LogPilotCluster, LogPilotClusterStatus,
        status::{BackupStatus, ComponentStatus, Effective, LastChange, Problem, Severity},
    },
    engine::{
        cache::Snapshot,
        conditions::{DesiredCondition, merge},
        deadlines::DeadlineTracker,
        outcome::Outcome,
        plan::Plan,
    },
    reasons,
};

/// All inputs to a status.
pub struct View<'a> {
    pub cr: &'a LogPilotCluster,
    /// The newest known status, which may be newer than the one in `cr`.
    pub before: &'a LogPilotClusterStatus,
    pub namespace: &'a str,
    pub components: &'a [Component],
    pub plan: &'a Plan,
    pub outcome: &'a Outcome,
    pub snapshot: &'a Snapshot,
    /// Problems that were known before anything was written, and warnings about the spec.
    pub known: Vec<Problem>,
    pub backups: Vec<BackupStatus>,
    pub restore: restore::State,
    pub effective: Option<Effective>,
    pub change: Option<LastChange>,
    pub paused: bool,
    pub stopped: bool,
    pub facts: &'a Facts,
    pub is_living: IsLiving<'a>,
    pub clock: &'a DeadlineTracker,
}

/// Builds the status of a resource that was planned.
#[must_use]
pub fn build(view: View<'_>) -> LogPilotClusterStatus {
    let before = view.before.clone();
    let now = Time(view.clock.now());
    let mut found = view.known.clone();
    let world = problems::World {
        cluster: view.cr.metadata.name.as_deref().unwrap_or_default(),
        is_living: view.is_living,
        plan: view.plan,
        facts: view.facts,
    };
    found.extend(problems::outcome_problems(view.outcome, world));
    found.extend(problems::live_problems(view.plan, view.snapshot, view.clock));
    problems::remove_secondary_problems(&mut found);
    found.sort_by_key(|problem| problem.severity);
    found.dedup();
    let deployments: Vec<components::Workload> =
        view.components.iter().filter_map(|component| components::workload(component, &view)).collect();
    let wanted = conditions::derive(&view, &found, &deployments);
    let ready = wanted.iter().find(|condition| condition.type_ == "Ready");
    let summary = if view.paused {
        reasons::PAUSED.to_owned()
    } else {
        ready.map(|condition| condition.reason.clone()).unwrap_or_default()
    };
    let sum = |count: fn(&ComponentStatus) -> i32| -> i32 {
        deployments.iter().map(|workload| count(&workload.status)).sum()
    };
    LogPilotClusterStatus {
        conditions: merge(&before.conditions, wanted, view.cr.metadata.generation, &now),
        observed_generation: view.cr.metadata.generation,
        namespace: Some(view.namespace.to_owned()),
        pods: Some(format!("{}/{}", sum(|status| status.ready), sum(|status| status.desired))),
        version: Some(components::version(&deployments)),
        summary: Some(summary),
        problem_count: count(&found, Severity::Error),
        warning_count: some(count(&found, Severity::Warning)),
        component_summary: Some(
            deployments
                .iter()
                .map(|workload| {
                    let status = &workload.status;
                    format!("{}:{}/{}", status.name, status.ready, status.desired)
                })
                .collect::<Vec<_>>()
                .join(" "),
        ),
        storage_summary: volumes::summary(&view),
        url: endpoints::url(&view),
        components: deployments.iter().map(|workload| workload.status.clone()).collect(),
        endpoints: endpoints::of_services(&view),
        volumes: volumes::in_use(&before.volumes, &view),
        last_backup: backups::oldest(&view.backups),
        backups: view.backups,
        restore: view.restore.status,
        effective: view.effective,
        last_change: view.change.or(before.last_change),
        problems: found.into_iter().take(32).collect(),
    }
}

/// Builds the status of a resource that cannot be planned: running workloads are left unchanged, and
/// their reported state is kept.
#[must_use]
pub fn rejected(
    before: LogPilotClusterStatus,
    generation: Option<i64>,
    reason: &str,
    problems: Vec<Problem>,
    now: &Time,
) -> LogPilotClusterStatus {
    let message = problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ");
    let condition = |type_, status| DesiredCondition {
        type_,
        status,
        reason: reason.to_owned(),
        message: message.clone(),
    };
    let wanted = vec![condition("Ready", false), condition("Accepted", false), condition("Stalled", true)];
    LogPilotClusterStatus {
        conditions: merge(&before.conditions, wanted, generation, now),
        observed_generation: generation,
        summary: Some(reason.to_owned()),
        problem_count: count(&problems, Severity::Error),
        warning_count: some(count(&problems, Severity::Warning)),
        problems: problems.into_iter().take(32).collect(),
        ..before
    }
}

fn count(problems: &[Problem], severity: Severity) -> i32 {
    let found = problems.iter().filter(|problem| problem.severity == severity).count();
    i32::try_from(found).unwrap_or(i32::MAX)
}

/// Returns `None` if there is nothing to show, so that a status without warnings does not change.
fn some(count: i32) -> Option<i32> {
    (count > 0).then_some(count)
}
