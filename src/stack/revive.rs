//! Pods that would wait for nothing, and are evicted so that their replacements start at once.
//!
//! When a dependency becomes available again, its dependents may still sit in crash backoff, for up to five
//! minutes. And a StatefulSet does not replace a pod of an outdated revision that never becomes ready, such as
//! one with an image that does not exist, when that template is reverted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use tracing::info;

use super::{
    api::component::ComponentKind,
    gates::{Observed, Wanted},
    model::Stack,
    observe, plan,
};
use crate::{
    engine::{
        api_client::ApiClient,
        cache::{ObjectCache, Snapshot},
        child::Child,
        error::Disposition,
        events::Note,
        outcome::{AppliedObject, ApplyResult},
    },
    kinds::Managed,
    reasons,
    workload::health,
};

/// Most evictions of one reconcile.
const MOST: usize = 20;

/// Reasons of a waiting container that another start of the same pod does not change.
const PERMANENT: [&str; 7] = [
    reasons::IMAGE_PULL,
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    reasons::CRASH_LOOP,
    reasons::CONTAINER_CONFIG,
    reasons::CONTAINER_START,
];

/// Evictions that were tried, so that none is repeated.
#[derive(Default)]
pub struct Reviver {
    /// Names of pods of StatefulSets, with the revision that should replace theirs.
    replaced: BTreeSet<(String, String)>,
}

/// A pod that is to be evicted, and why.
pub(super) struct Due<'a> {
    pub(super) child: &'a Child,
    /// The revision that should replace it.
    revision: Option<String>,
    reason: &'static str,
    why: String,
}

impl Reviver {
    /// Evicts the pods that are due. Returns the results to report, and an event for each eviction.
    pub async fn carry_out(
        &mut self,
        writer: &ApiClient,
        cache: &ObjectCache,
        (stack, observed): (&Stack, &BTreeMap<String, Observed>),
        snapshot: &Snapshot,
    ) -> (Vec<AppliedObject>, Vec<Note>) {
        let (mut steps, mut notes) = (Vec::new(), Vec::new());
        for Due { child, revision, reason, why } in self.due(stack, observed, snapshot) {
            let result = match writer.evict(child.kind, &child.key, &child.uid, child.version).await {
                Ok(()) => {
                    info!(object = %child, reason, "evicted: {why}");
                    cache.mark_deleting(child);
                    self.replaced.extend(revision.map(|revision| (child.key.name.clone(), revision)));
                    let message = format!("evicted {child}, {why}");
                    notes.push(Note { reason: reason.to_owned(), message, ..Note::default() });
                    ApplyResult::Deleted
                }
                // The pod has changed, or no longer exists: its own event reports that.
                Err(error) if error.disposition() == Disposition::Refresh => continue,
                Err(error) => ApplyResult::Failed(error),
            };
            steps.push(AppliedObject { id: (child.kind, child.key.clone()), result });
        }
        (steps, notes)
    }

    pub(super) fn due<'a>(
        &mut self,
        stack: &Stack,
        observed: &BTreeMap<String, Observed>,
        snapshot: &'a Snapshot,
    ) -> Vec<Due<'a>> {
        let outdated = outdated(stack, snapshot);
        let revisions: BTreeSet<&String> = outdated.iter().map(|(.., revision)| revision).collect();
        self.replaced.retain(|(_, revision)| revisions.contains(revision));
        let mut due: Vec<Due<'a>> = Vec::new();
        for (child, component, revision) in &outdated {
            if !self.replaced.contains(&(child.key.name.clone(), revision.clone())) {
                let why = format!(
                    "an outdated pod that never became ready, so that component {component} continues"
                );
                let reason = reasons::OUTDATED_POD_EVICTED;
                due.push(Due { child, revision: Some(revision.clone()), reason, why });
            }
        }
        let wanted = plan::wanted(stack);
        let turns = Turns { wanted: &wanted, observed, ready: ready_since(snapshot) };
        for child in snapshot.of_kind(Pod::KIND).filter(|child| is_ours(child)) {
            let Some(pod) = child.observed::<health::Pod>() else { continue };
            let in_backoff = pod.waiting.as_ref().is_some_and(|it| it.reason == reasons::CRASH_LOOP);
            let Some((dependency, turn)) = turns.of(&pod.component).filter(|_| in_backoff) else { continue };
            // It failed after its dependency was back: that is its own problem.
            if pod.ended_at > 0 && pod.ended_at <= turn && !due.iter().any(|it| it.child.uid == child.uid) {
                let why = format!("which was in crash backoff since before {dependency} became available");
                due.push(Due { child, revision: None, reason: reasons::BACKOFF_POD_EVICTED, why });
            }
        }
        due.truncate(MOST);
        due
    }
}

/// Only a pod of a controller is created again.
fn is_ours(child: &Child) -> bool {
    let kinds = ["ReplicaSet", "StatefulSet"];
    !child.deleting && child.controller.as_ref().is_some_and(|it| kinds.contains(&it.kind.as_str()))
}

/// Returns the pods that their StatefulSet waits for in vain, with their component and the revision that
/// should replace theirs.
fn outdated<'a>(stack: &Stack, snapshot: &'a Snapshot) -> Vec<(&'a Child, String, String)> {
    let mut found = Vec::new();
    for (component, workload) in stack.running().filter(|(it, _)| it.kind == ComponentKind::StatefulSet) {
        let Some(live) = observe::live(stack, component, snapshot) else { continue };
        let Some(set) = live.observed::<health::StatefulSet>() else { continue };
        // Only once the template is written that should replace the pod.
        let written =
            set.counts.template.as_deref() == Some(&plan::template_hash(stack, component, workload));
        if !written || !set.counts.observed || set.update_revision.is_empty() {
            continue;
        }
        for child in snapshot.of_kind(Pod::KIND).filter(|child| !child.deleting) {
            let Some(pod) = child.observed::<health::Pod>() else { continue };
            let is_outdated = pod.revision.as_ref().is_some_and(|revision| *revision != set.update_revision);
            let waits = pod.waiting.as_ref().is_some_and(|it| PERMANENT.contains(&it.reason.as_str()));
            if child.is_controlled_by(&live.uid) && is_outdated && waits && !pod.ready {
                found.push((&**child, component.name.clone(), set.update_revision.clone()));
            }
        }
    }
    found
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
    wanted: &'a BTreeMap<String, Wanted>,
    observed: &'a BTreeMap<String, Observed>,
    ready: BTreeMap<&'a str, i64>,
}

impl Turns<'_> {
    /// Returns the dependency, direct or not, that became available last, and when. `None` while one is
    /// not available, or if there is none.
    fn of(&self, component: &str) -> Option<(&str, i64)> {
        let mut open = vec![component];
        let (mut seen, mut last) = (BTreeSet::new(), None);
        while let Some(next) = open.pop() {
            for dependency in self.wanted.get(next).into_iter().flat_map(|it| &it.depends_on) {
                let Some(on) = self.wanted.get(dependency) else { continue };
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
