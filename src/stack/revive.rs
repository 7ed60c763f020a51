//! When a dependency becomes available again, its dependents may still wait in crash backoff, for up to five
//! minutes. Their pods are evicted, so that the replacements start immediately.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use tracing::info;

use super::{
    api::component::ComponentKind,
    gates::Observed,
    model::{Stack, StackComponent},
    observe,
};
use crate::{
    engine::{
        apply::Applier,
        cache::Snapshot,
        child::Child,
        deadlines::DeadlineTracker,
        events::Note,
        outcome::{AppliedObject, ApplyResult},
    },
    kinds::Managed,
    reasons,
    workload::health,
};

/// Most evictions of one reconcile.
const MOST: usize = 20;

/// A pod that is to be evicted.
pub(super) struct Due<'a> {
    pub(super) child: &'a Child,
    /// The dependency that it waited for.
    dependency: String,
}

/// Evicts the pods that are due. Returns the results to report, and an event for each eviction.
pub async fn evict(
    applier: &Applier<'_>,
    stack: &Stack,
    snapshot: &Snapshot,
) -> (Vec<AppliedObject>, Vec<Note>) {
    let (mut steps, mut notes) = (Vec::new(), Vec::new());
    for Due { child, dependency } in due(stack, snapshot) {
        let Some(step) = applier.evict(child).await else { continue };
        if step.result == ApplyResult::Deleted {
            info!(object = %child, dependency, "evicted a pod in crash backoff");
            let message = format!(
                "evicted {child}, which was in crash backoff since before {dependency} became available"
            );
            let reason = reasons::BACKOFF_POD_EVICTED.to_owned();
            notes.push(Note { reason, message, ..Note::default() });
        }
        steps.push(step);
    }
    (steps, notes)
}

/// Returns the pods in backoff whose last dependency became available after their last crash. A pod that
/// crashed after that has a problem of its own, so each return of a dependency evicts a pod at most once.
pub(super) fn due<'a>(stack: &Stack, snapshot: &'a Snapshot) -> Vec<Due<'a>> {
    let in_backoff = |child: &'a Child| {
        let pod = child.observed::<health::Pod>()?;
        let waits = pod.waiting.as_ref().is_some_and(|it| it.reason == reasons::CRASH_LOOP);
        (waits && pod.ended_at > 0).then_some((child, pod))
    };
    let pods = snapshot.of_kind(Pod::KIND).filter(|child| is_ours(child));
    let candidates: Vec<_> = pods.filter_map(|child| in_backoff(child)).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let turns = Turns {
        stack,
        observed: observe::workloads(stack, snapshot, &DeadlineTracker::at(Timestamp::now())),
        ready: ready_since(snapshot),
    };
    let due = candidates.into_iter().filter_map(|(child, pod)| {
        let (dependency, turn) = turns.of(&pod.component)?;
        (pod.ended_at <= turn).then(|| Due { child, dependency: dependency.to_owned() })
    });
    due.take(MOST).collect()
}

/// Only a pod of a controller is created again.
fn is_ours(child: &Child) -> bool {
    let kinds = ["ReplicaSet", "StatefulSet"];
    !child.deleting && child.controller.as_ref().is_some_and(|it| kinds.contains(&it.kind.as_str()))
}

/// The earliest moment since which a pod of each component is ready, in seconds since the epoch.
fn ready_since(snapshot: &Snapshot) -> BTreeMap<&str, i64> {
    let mut since: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>()) {
        if pod.ready && pod.ready_since > 0 {
            let earliest = since.entry(&pod.component).or_insert(pod.ready_since);
            *earliest = (*earliest).min(pod.ready_since);
        }
    }
    since
}

/// When the dependencies of a component became available.
struct Turns<'a> {
    stack: &'a Stack,
    observed: BTreeMap<String, Observed>,
    ready: BTreeMap<&'a str, i64>,
}

impl Turns<'_> {
    fn enabled(&self, component: &str) -> Option<&StackComponent> {
        self.stack.components.get(component).filter(|it| it.enabled)
    }

    /// Returns the dependency, direct or not, that became available last, and when. `None` while one is
    /// not available, or if there is none.
    fn of(&self, component: &str) -> Option<(&str, i64)> {
        let mut open = vec![component];
        let (mut seen, mut last) = (BTreeSet::new(), None);
        while let Some(next) = open.pop() {
            for dependency in self.enabled(next).into_iter().flat_map(|it| &it.depends_on) {
                let Some(on) = self.enabled(dependency) else { continue };
                if !seen.insert(dependency) {
                    continue;
                }
                open.push(dependency);
                if matches!(on.kind, ComponentKind::External | ComponentKind::Job) {
                    continue;
                }
                if !self.observed.get(dependency)?.available {
                    return None;
                }
                let since = *self.ready.get(dependency.as_str())?;
                if last.is_none_or(|(_, latest)| latest < since) {
                    last = Some((dependency.as_str(), since));
                }
            }
        }
        last
    }
}
