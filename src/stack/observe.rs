//! The state of a stack's live workloads, as the gates need it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::Pod,
};

use super::{
    api::component::ComponentKind,
    gates::Observed,
    model::{Stack, StackComponent},
    plan,
};
use crate::{
    engine::{cache::Snapshot, child::Child, deadlines::DeadlineTracker, plan::Key},
    kinds::Managed,
    workload::{
        health::{self, Deployment as Counts, Stage},
        model::Component,
        problems::printable,
    },
};

/// Longest text of `blockedBy`, in characters. With 16 texts in each of 16 components, the status stays below
/// 100 KB.
const WHY: usize = 128;

/// The workloads that exist, by component.
#[must_use]
pub fn workloads(stack: &Stack, snapshot: &Snapshot, clock: &DeadlineTracker) -> BTreeMap<String, Observed> {
    let of = |(component, workload): (&StackComponent, &Component)| {
        Some((component.name.clone(), observed(stack, component, workload, (snapshot, clock))?))
    };
    stack.running().filter_map(of).collect()
}

fn observed(
    stack: &Stack,
    component: &StackComponent,
    workload: &Component,
    (snapshot, clock): (&Snapshot, &DeadlineTracker),
) -> Option<Observed> {
    if component.kind == ComponentKind::Job {
        return job(stack, component, workload, snapshot);
    }
    let counts = counts(stack, component, snapshot)?;
    let ready = counts.available >= counts.desired;
    let idle = counts.desired == 0 && workload.scale.most() > 0;
    let why = match &counts.stuck {
        Some(cause) => format!("{} of {} ready: {}", counts.ready, counts.desired, cause.message),
        None if ready => String::new(),
        None => match waiting(component, snapshot) {
            Some(cause) => format!("{} of {} ready: {cause}", counts.ready, counts.desired),
            None => format!("{} of {} ready", counts.ready, counts.desired),
        },
    };
    Some(Observed {
        template: counts.template.clone().unwrap_or_default(),
        complete: counts.complete() && !idle,
        available: ready && !idle,
        idle,
        failed: counts.stuck.is_some()
            || component.kind == ComponentKind::StatefulSet
                && !ready
                && is_overdue(workload, snapshot, clock),
        why: if idle { "is stopped".to_owned() } else { shortened(&why) },
    })
}

/// Returns a text that fits into `blockedBy`.
#[must_use]
pub fn shortened(why: &str) -> String {
    let why = printable(why);
    if why.chars().count() > WHY { why.chars().take(WHY - 1).chain(['…']).collect() } else { why }
}

/// Returns whether a pod has not been ready for longer than a rollout may take. A StatefulSet, unlike a
/// Deployment, has no deadline of its own.
fn is_overdue(workload: &Component, snapshot: &Snapshot, clock: &DeadlineTracker) -> bool {
    let deadline = i64::from(workload.progress_deadline_seconds.unwrap_or(i32::MAX));
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>());
    let waits = |pod: &health::Pod| pod.component == workload.kind && !pod.ready && pod.ends.is_none();
    pods.filter(|pod| waits(pod)).any(|pod| clock.expired(deadline, pod.created.max(pod.unready_since)))
}

/// Pods of a Deployment or StatefulSet.
#[must_use]
pub fn counts<'a>(stack: &Stack, component: &StackComponent, snapshot: &'a Snapshot) -> Option<&'a Counts> {
    health::counts(live(stack, component, snapshot)?)
}

/// The live Deployment or StatefulSet of a component.
#[must_use]
pub fn live<'a>(stack: &Stack, component: &StackComponent, snapshot: &'a Snapshot) -> Option<&'a Child> {
    let kind = match component.kind {
        ComponentKind::Deployment => Deployment::KIND,
        ComponentKind::StatefulSet => StatefulSet::KIND,
        ComponentKind::Job | ComponentKind::External => return None,
    };
    let name = component.workload.as_ref()?.name.clone();
    let key = Key { namespace: Some(stack.scope.namespace.clone()), name };
    let child = snapshot.get(kind, &key)?;
    (!child.deleting && child.is_controlled_by(&stack.scope.owner.uid)).then_some(child)
}

/// The Job of the content that is planned. One of another content is none.
fn job(
    stack: &Stack,
    component: &StackComponent,
    workload: &Component,
    snapshot: &Snapshot,
) -> Option<Observed> {
    let name = plan::job_name(stack, component, workload);
    let key = Key { namespace: Some(stack.scope.namespace.clone()), name };
    let child =
        snapshot.get(Job::KIND, &key).filter(|child| child.is_controlled_by(&stack.scope.owner.uid))?;
    let health::Job { end, .. } = child.observed::<health::Job>()?;
    let succeeded = end.as_ref().is_some_and(|end| end.succeeded);
    let why = match end {
        None => "runs".to_owned(),
        Some(end) if end.succeeded => String::new(),
        Some(end) => format!("failed: {}", end.cause.message),
    };
    Some(Observed {
        template: plan::template_hash(stack, component, workload),
        complete: succeeded,
        available: succeeded,
        idle: false,
        failed: end.as_ref().is_some_and(|end| !end.succeeded),
        why: shortened(&why),
    })
}

/// Why a pod of a component waits, as the scheduler and its kubelet say.
fn waiting(component: &StackComponent, snapshot: &Snapshot) -> Option<String> {
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>());
    pods.filter(|pod| pod.component == component.name && pod.ends.is_none()).find_map(|pod| {
        if let Some((message, _)) = &pod.unschedulable {
            return Some(format!("unschedulable: {message}"));
        }
        if let Some(cause) = &pod.waiting {
            return Some(match cause.message.as_str() {
                "" => cause.reason.clone(),
                message => format!("{}: {message}", cause.reason),
            });
        }
        match pod.creating.as_ref()?.stage {
            Stage::Preparing => Some("volumes and network are being set up".to_owned()),
            Stage::Pulling => Some(format!("pulling image {}", pod.image)),
            Stage::Unseen | Stage::Unknown => None,
        }
    })
}

/// Components that have pods which have not ended.
#[must_use]
pub fn with_pods(snapshot: &Snapshot) -> BTreeSet<String> {
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| {
        let pod = child.observed::<health::Pod>()?;
        (!matches!(pod.phase.as_str(), "Succeeded" | "Failed")).then(|| pod.component.clone())
    });
    pods.collect()
}

/// ConfigMaps that pods mount, or that the template of a live workload names.
#[must_use]
pub fn config_maps(snapshot: &Snapshot) -> BTreeSet<String> {
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>());
    let workloads = snapshot.children.values().filter_map(|child| health::counts(child));
    let named = workloads.flat_map(|counts| &counts.config_maps);
    pods.flat_map(|pod| &pod.config_maps).chain(named).cloned().collect()
}
