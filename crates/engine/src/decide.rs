//! Decides what to do about one planned object, from the plan, the cached view, the ownership, and what
//! is known about the API server. This module sends no requests.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use super::{
    cache::{Id, Snapshot, SyncState},
    child::Child,
    fingerprint,
    kind::{Kind, Management},
    outcome::{ApplyResult, CONTESTED},
    owner::{Foreign, Owner, Ownership},
    plan::{Planned, Replicas},
};

/// Objects of one resource that the API server stores differently from what the operator writes. They
/// are recorded so that the operator does not write them for ever.
#[derive(Default)]
pub struct AcceptedDivergence {
    pairs: Mutex<HashMap<Id, (u64, Option<u64>)>>,
}

impl AcceptedDivergence {
    fn contains(&self, id: &Id, pair: (u64, Option<u64>)) -> bool {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).get(id) == Some(&pair)
    }

    pub(super) fn insert(&self, id: Id, pair: (u64, Option<u64>)) -> bool {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, pair) != Some(pair)
    }
}

/// The action for one planned object.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Skip(ApplyResult),
    CreateOnce,
    Create,
    Update {
        uid: String,
        body: Value,
        replicas_at_stake: bool,
        version: u64,
    },
    /// Recreate the object: the fields that differ are immutable.
    Recreate,
    /// Read the object: its content shows whether it is the operator's.
    Look,
}

pub(super) fn decide(
    planned: &Planned,
    snapshot: &Snapshot,
    owner: &Owner,
    normalised: &AcceptedDivergence,
) -> Decision {
    if let Some(reason) = planned.held {
        return Decision::Skip(ApplyResult::Held(reason));
    }
    if planned.kind.management == Management::CreateOnly {
        return Decision::CreateOnce;
    }
    match snapshot.coverage(planned.kind) {
        // A write that is based on an old view still has a precondition.
        SyncState::Synced | SyncState::Stale(_) => {}
        SyncState::NotServed => return Decision::Skip(ApplyResult::Unserved),
        SyncState::Pending => {
            return Decision::Skip(not_listed(planned.kind, "the first list is under way"));
        }
        SyncState::Failing(why) => return Decision::Skip(not_listed(planned.kind, &why)),
    }
    let Some(child) = snapshot.get(planned.kind, &planned.key) else { return Decision::Create };
    match owner.of(child) {
        Ownership::Ours if child.deleting => Decision::Skip(terminating(planned)),
        // A Job runs to its end as it was created.
        Ownership::Ours
            if planned.kind.management == Management::RunToCompletion
                && !snapshot.has_not_begun(&planned.key.name) =>
        {
            Decision::Skip(ApplyResult::InSync)
        }
        Ownership::Ours => {
            let (body, replicas_at_stake) = live_body(planned, child);
            let wanted = fingerprint::of_desired(&body);
            let id: Id = (planned.kind, planned.key.clone());
            if child.digest == Some(wanted) || normalised.contains(&id, (wanted, child.digest)) {
                Decision::Skip(ApplyResult::InSync)
            } else if planned.kind.management == Management::RunToCompletion {
                Decision::Recreate
            } else {
                Decision::Update { uid: child.uid.clone(), body, replicas_at_stake, version: child.version }
            }
        }
        Ownership::PreviousOwner => Decision::Skip(earlier()),
        Ownership::Lookalike => Decision::Look,
        Ownership::Foreign(foreign) => Decision::Skip(conflict(foreign)),
    }
}

fn not_listed(kind: &Kind, why: &str) -> ApplyResult {
    ApplyResult::Waiting {
        reason: "WatchFailing",
        message: format!("{} cannot be listed: {why}", kind.plural),
    }
}

pub(super) fn contested() -> ApplyResult {
    let message = "another client keeps reverting this object; the operator retries with increasing delays (up to \
                   5 minutes). See metadata.managedFields for the other field manager";
    ApplyResult::Waiting { reason: CONTESTED, message: message.to_owned() }
}

pub(super) fn terminating(planned: &Planned) -> ApplyResult {
    let message = match planned.kind.management {
        Management::Retained => "is being deleted: its data is lost when no pod uses it any more",
        _ => "is being deleted; the operator recreates it afterwards",
    };
    ApplyResult::Waiting { reason: "ChildTerminating", message: message.to_owned() }
}

pub(super) fn earlier() -> ApplyResult {
    ApplyResult::Waiting {
        reason: "ChildTerminating",
        message:
            "belongs to a deleted resource of the same name; it will be recreated after garbage collection"
                .to_owned(),
    }
}

pub(super) fn conflict(foreign: Foreign) -> ApplyResult {
    let Foreign { whose, instance } = foreign;
    ApplyResult::Conflict { message: format!("the name is taken by another object: {whose}"), instance }
}

/// Returns the body for an existing object, and whether it contains a number of pods that an autoscaler
/// may be changing.
///
/// Omitting a field that only the operator owns resets it to its default (1). Until an autoscaler has
/// taken over the number, the operator therefore writes it unchanged.
pub(super) fn live_body(planned: &Planned, child: &Child) -> (Value, bool) {
    let kept = match planned.replicas {
        Replicas::Planned | Replicas::Enforced => return (planned.body.clone(), false),
        // An autoscaler ignores a workload with zero replicas: one that the operator scaled to zero
        // would stay there after the handover.
        Replicas::Autoscaled { initial } => {
            child.replicas.filter(|live| *live > 0).or(Some(i64::from(initial)))
        }
        Replicas::AutoscaledByOthers => child.replicas,
    };
    if child.owns_replicas { (planned_body(planned, kept), true) } else { (without_replicas(planned), false) }
}

/// Returns whether other managers own the number of pods of an object whose plan does not know about
/// them: they were not looked up.
pub(super) fn is_undecided(planned: &Planned, child: &Child) -> bool {
    planned.replicas == Replicas::Planned
        && child.is_scaled_by_others()
        && planned.body.pointer("/spec/replicas").and_then(Value::as_i64).is_some_and(|planned| planned > 0)
}

/// Returns the body for an object that has to be created. Under an autoscaler it starts with the number
/// of pods of its predecessor.
pub(super) fn new_body(planned: &Planned, last: Option<i64>) -> Value {
    match planned.replicas {
        Replicas::Planned | Replicas::Enforced => planned.body.clone(),
        Replicas::Autoscaled { initial } => {
            planned_body(planned, last.filter(|last| *last > 0).or(Some(i64::from(initial))))
        }
        Replicas::AutoscaledByOthers => planned_body(planned, last),
    }
}

/// Returns the body with this number of pods, if the plan does not set the number.
fn planned_body(planned: &Planned, replicas: Option<i64>) -> Value {
    let mut body = planned.body.clone();
    let decided_elsewhere =
        matches!(planned.replicas, Replicas::Autoscaled { .. }) || body.pointer("/spec/replicas").is_some();
    if let (true, Some(replicas), Some(spec)) =
        (decided_elsewhere, replicas, body.get_mut("spec").and_then(Value::as_object_mut))
    {
        spec.insert("replicas".into(), replicas.into());
    }
    body
}

pub(super) fn without_replicas(planned: &Planned) -> Value {
    let mut body = planned.body.clone();
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    body
}
