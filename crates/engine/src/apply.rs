//! Makes the live objects match the plan. Only differences are written, without a read, and with a
//! precondition that makes it impossible to overwrite a foreign object.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::Value;
use tracing::{info, warn};

use super::{
    api_client::{ApiClient, Precondition},
    backoff,
    cache::{Id, ObjectCache, Snapshot},
    child::Child,
    content,
    decide::{
        AcceptedDivergence, Decision, conflict, contested, decide, earlier, is_undecided, live_body,
        new_body, terminating, without_replicas,
    },
    dependencies,
    error::{Disposition, Error},
    fingerprint,
    kind::{Management, Nature},
    outcome::{AppliedObject, ApplyResult, Outcome},
    owner::{Owner, Ownership},
    plan::{Plan, Planned, Replicas},
    retry::Retry,
    standing::{Obstacle, Standing, lookalike},
    write_backoff::{BackoffReason, WriteBackoff},
};

/// Maximum number of writes in flight for one resource, so that one large plan leaves capacity for
/// others.
const IN_FLIGHT: usize = 8;
/// Pause between two reverts of a number of pods that the data depends on. An autoscaler scales every
/// 15 s.
const ENFORCED: Retry = Retry::new(backoff::FIRST, Duration::from_secs(10));

/// Everything that apply needs in addition to the plan.
pub struct Applier<'a> {
    pub writer: &'a ApiClient,
    pub cache: &'a ObjectCache,
    pub normalised: &'a AcceptedDivergence,
    pub write_backoff: &'a WriteBackoff,
    pub owner: &'a Owner,
}

impl Applier<'_> {
    /// Evicts a pod that its controller creates again. `None` if it has changed or no longer exists: its own
    /// event reports that.
    pub async fn evict(&self, child: &Child) -> Option<AppliedObject> {
        let result = match self.writer.evict(child.kind, &child.key, &child.uid, child.version).await {
            Ok(()) => {
                self.cache.mark_deleting(child);
                ApplyResult::Deleted
            }
            Err(error) if error.disposition() == Disposition::Refresh => return None,
            Err(error) => ApplyResult::Failed(error),
        };
        Some(AppliedObject { id: (child.kind, child.key.clone()), result })
    }

    /// Writes the differences, wave by wave. A wave that did not settle blocks the next one. Within a
    /// wave, an object is written after those that it depends on, and not at all while one of them is
    /// foreign.
    ///
    /// `snapshot` is the view that the plan was computed from: a PVC that disappears in between must be
    /// reported as missing, not created.
    pub async fn apply(&self, plan: &Plan, snapshot: &Snapshot) -> Outcome {
        let objects = plan.in_apply_order();
        let dependencies = dependencies::of(&objects);
        let used: BTreeSet<usize> = dependencies.iter().flatten().copied().collect();
        // Each of dozens of objects would wait as long, and the reconcile would time out before it
        // could report the cause.
        let unanswered = AtomicBool::new(false);
        let mut done: BTreeMap<usize, (AppliedObject, Standing)> = BTreeMap::new();
        for batch in dependencies::batches(&objects, &dependencies) {
            let mut steps = Vec::new();
            for place in batch {
                let Some(planned) = objects.get(place) else { continue };
                let before = done.values().filter(|(step, _)| step.id.0.wave < planned.kind.wave);
                let missing = before
                    .map(|(step, _)| step)
                    .find(|step| !step.result.is_settled())
                    .map(AppliedObject::object);
                let targets = dependencies.get(place).into_iter().flatten();
                let obstacle = Obstacle::of(
                    targets.filter_map(|target| Some((*objects.get(*target)?, &done.get(target)?.1))),
                );
                let step =
                    self.step(planned, snapshot, (missing, obstacle), used.contains(&place), &unanswered);
                steps.push(async move { (place, step.await) });
            }
            done.extend(stream::iter(steps).buffered(IN_FLIGHT).collect::<Vec<_>>().await);
        }
        Outcome { steps: done.into_values().map(|(step, _)| step).collect(), ..Outcome::default() }
    }

    /// Processes one object. `used` says whether other objects depend on it.
    async fn step(
        &self,
        planned: &Planned,
        snapshot: &Snapshot,
        (missing, obstacle): (Option<String>, Option<Obstacle>),
        used: bool,
        unanswered: &AtomicBool,
    ) -> (AppliedObject, Standing) {
        let id: Id = (planned.kind, planned.key.clone());
        let answered = || !unanswered.load(Relaxed);
        let result = match (&missing, &obstacle) {
            (None, Some(obstacle)) if answered() => self.withhold(planned, snapshot, obstacle).await,
            _ => self.write(planned, snapshot, missing.as_deref(), unanswered).await,
        };
        if matches!(result, ApplyResult::Failed(Error::Timeout { .. })) {
            unanswered.store(true, Relaxed);
        }
        if !used {
            return (AppliedObject { id, result }, Standing::Free);
        }
        let ask = missing.is_none() && answered();
        let (result, standing) = self.standing(planned, snapshot, result, obstacle.as_ref(), ask).await;
        (AppliedObject { id, result }, standing)
    }

    async fn write(
        &self,
        planned: &Planned,
        snapshot: &Snapshot,
        missing: Option<&str>,
        unanswered: &AtomicBool,
    ) -> ApplyResult {
        let wait = |message: String| ApplyResult::Waiting { reason: "Progressing", message };
        let id: Id = (planned.kind, planned.key.clone());
        let decision = match missing {
            Some(missing) => Decision::Skip(wait(format!("waits for {missing}"))),
            None => decide(planned, snapshot, self.owner, self.normalised),
        };
        match decision {
            Decision::Skip(result) => result,
            _ if unanswered.load(Relaxed) => wait("waits: another request got no response".to_owned()),
            decision => {
                let carry_out = || self.carry_out(decision, planned, snapshot);
                let policy = if planned.replicas == Replicas::Enforced { ENFORCED } else { backoff::FAILURE };
                self.unless_backing_off(&id, fingerprint::of_desired(&planned.body), policy, carry_out).await
            }
        }
    }

    /// Attempts a write, unless the object is backing off after a rejection or after too many reverts.
    /// `policy` sets the pauses after too many reverts.
    pub(super) async fn unless_backing_off<Try: Future<Output = ApplyResult>>(
        &self,
        id: &Id,
        wanted: u64,
        policy: Retry,
        attempt: impl FnOnce() -> Try,
    ) -> ApplyResult {
        match self.write_backoff.blocked_reason(id, wanted) {
            Some(BackoffReason::Refused(error)) => return ApplyResult::Failed(error),
            Some(BackoffReason::Contested) => return contested(),
            Some(BackoffReason::Known(result)) => return result,
            None => {}
        }
        let result = attempt().await;
        self.write_backoff.record(id, wanted, policy, &result);
        result
    }

    async fn carry_out(&self, decision: Decision, planned: &Planned, snapshot: &Snapshot) -> ApplyResult {
        let result = match decision {
            Decision::Skip(result) => return result,
            Decision::CreateOnce => match self.writer.create(planned).await {
                Ok(_) => Ok(ApplyResult::Created),
                Err(error) => Err(error),
            },
            Decision::Create => self.create(planned, snapshot).await,
            Decision::Recreate => self.delete_for_recreate(planned, snapshot).await,
            Decision::Look => self.resolve_conflict(planned, None).await,
            Decision::Update { uid, body, replicas_at_stake, version } => {
                self.update(planned, body, &uid, replicas_at_stake.then_some(version)).await
            }
        };
        match result {
            Ok(result) => {
                if result.is_write() {
                    info!(object = %planned, owner = %self.owner.resource.key(), "{}", verb(&result));
                }
                result
            }
            Err(error) => failed(error),
        }
    }

    /// Deletes an object that has to be recreated. It is recreated once the deletion is complete.
    async fn delete_for_recreate(
        &self,
        planned: &Planned,
        snapshot: &Snapshot,
    ) -> Result<ApplyResult, Error> {
        let Some(child) = snapshot.get(planned.kind, &planned.key) else { return Ok(ApplyResult::InSync) };
        self.delete(child).await?;
        Ok(ApplyResult::Deleted)
    }

    /// Deletes this object and no later one of the same name. From then on the cache treats it as being
    /// deleted.
    pub(super) async fn delete(&self, child: &Child) -> Result<(), Error> {
        self.writer.delete(child.kind, &child.key, &child.uid).await?;
        self.cache.mark_deleting(child);
        Ok(())
    }

    /// Creates an object that is not known to exist.
    async fn create(&self, planned: &Planned, snapshot: &Snapshot) -> Result<ApplyResult, Error> {
        let id: Id = (planned.kind, planned.key.clone());
        let gone = snapshot.gone.get(&id);
        let body = new_body(planned, gone.and_then(|gone| gone.replicas));
        let refused = match self.writer.apply(planned, body.clone(), Precondition::Absent, true).await {
            Ok(answer) => {
                self.record(planned, &body, &answer);
                return Ok(ApplyResult::Created);
            }
            Err(error) if error.code() == Some(409) => error,
            Err(error) => return Err(error),
        };
        // The object exists after all. It is the operator's if it is the last known one, which still
        // exists and only left the watch.
        if let Some(gone) = gone {
            match self.writer.apply(planned, body.clone(), Precondition::Uid(&gone.uid), true).await {
                Ok(answer) => {
                    self.record(planned, &body, &answer);
                    return Ok(ApplyResult::Updated);
                }
                Err(error) if replaced(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.resolve_conflict(planned, Some(refused)).await
    }

    /// Reads an object that exists and is not known to be the operator's, and decides what to do about it.
    /// `refused` is the error of the attempt to create it, if there was one.
    async fn resolve_conflict(
        &self,
        planned: &Planned,
        refused: Option<Error>,
    ) -> Result<ApplyResult, Error> {
        let gone = || {
            let message = "no longer exists; reading it again".to_owned();
            refused.clone().map_or(Ok(ApplyResult::Waiting { reason: "Progressing", message }), Err)
        };
        let Some(live) = self.writer.get(planned.kind, &planned.key).await? else { return gone() };
        let Some(child) = Child::read(planned.kind, &live) else { return gone() };
        match self.owner.of(&child) {
            Ownership::Ours | Ownership::Lookalike if child.deleting => Ok(terminating(planned)),
            // The observed state differs from the one that the next waves were planned for.
            Ownership::Ours if planned.kind.wave == 0 || is_undecided(planned, &child) => {
                self.cache.upsert(child);
                let message = "exists already but was not in the cache; planning again".to_owned();
                Ok(ApplyResult::Waiting { reason: "Progressing", message })
            }
            Ownership::Ours => {
                let (body, replicas_at_stake) = live_body(planned, &child);
                let in_sync = planned.kind.management == Management::RunToCompletion
                    || child.digest == Some(fingerprint::of_desired(&body));
                self.cache.upsert(child.clone());
                if in_sync {
                    // The operator created it itself, and the response was lost.
                    return Ok(ApplyResult::InSync);
                }
                self.update(planned, body, &child.uid, replicas_at_stake.then_some(child.version)).await
            }
            Ownership::PreviousOwner => Ok(earlier()),
            Ownership::Lookalike => {
                if let Some(path) = content::difference(&planned.body, &live, planned.kind.domain.owner_group)
                {
                    return Ok(conflict(lookalike(&path)));
                }
                let (body, _) = live_body(planned, &child);
                // The precondition is the state that was evaluated: an object that changes in the
                // meantime is evaluated again.
                let judged = Precondition::Exactly { uid: &child.uid, version: child.version };
                let answer = self.writer.apply(planned, body.clone(), judged, true).await?;
                self.record(planned, &body, &answer);
                info!(object = %planned, owner = %self.owner.resource.key(), "adopted: it has the operator's labels and matches the plan");
                Ok(ApplyResult::Updated)
            }
            Ownership::Foreign(foreign) => Ok(conflict(foreign)),
        }
    }

    /// Writes a known object. `at_version` is set if the write contains a number of pods that an
    /// autoscaler may be changing at the same time.
    async fn update(
        &self,
        planned: &Planned,
        body: Value,
        uid: &str,
        at_version: Option<u64>,
    ) -> Result<ApplyResult, Error> {
        let force = at_version.is_none();
        let error = match self.writer.apply(planned, body.clone(), Precondition::Uid(uid), force).await {
            Ok(answer) => {
                self.record(planned, &body, &answer);
                return Ok(ApplyResult::Updated);
            }
            Err(error) => error,
        };
        if let (Some(version), Some(409)) = (at_version, error.code()) {
            if replaced(&error) {
                return Err(error);
            }
            // The autoscaler has scaled. It now owns its value, and omitting the field keeps that
            // value.
            let (body, precondition) = if error.message().contains(".spec.replicas") {
                (without_replicas(planned), Precondition::Uid(uid))
            } else {
                // Other managers own other fields of the plan. Taking those over must not write a stale
                // number of pods.
                (body, Precondition::Exactly { uid, version })
            };
            let answer = self.writer.apply(planned, body.clone(), precondition, true).await?;
            self.record(planned, &body, &answer);
            return Ok(ApplyResult::Updated);
        }
        if planned.kind.nature == Nature::Configuration
            && error.code() == Some(422)
            && error.message().contains("immutable")
        {
            // The name is the hash of the data, so an object with other data under this name is of no
            // use to anyone.
            self.writer.delete(planned.kind, &planned.key, uid).await?;
            let answer = self.writer.apply(planned, body.clone(), Precondition::Absent, true).await?;
            self.record(planned, &body, &answer);
            return Ok(ApplyResult::Created);
        }
        Err(error)
    }

    /// Stores the response to a write as the newest view, so that the resulting watch event is not a
    /// change.
    fn record(&self, planned: &Planned, body: &Value, answer: &Value) {
        let Some(child) = Child::read(planned.kind, answer) else { return };
        let pair = (fingerprint::of_desired(body), child.digest);
        let id: Id = (planned.kind, planned.key.clone());
        if pair.1 != Some(pair.0) && self.normalised.insert(id, pair) {
            warn!(object = %planned, "the API server stores this object differently from what was written; it is not written again until the plan changes");
        }
        self.cache.upsert(child);
    }
}

fn verb(result: &ApplyResult) -> &'static str {
    match result {
        ApplyResult::Created => "created",
        ApplyResult::Deleted => "deleted",
        _ => "updated",
    }
}

/// Returns whether the API server rejected the expected UID: the object was replaced or deleted.
pub(super) fn replaced(error: &Error) -> bool {
    match error.code() {
        Some(409) => error.message().contains("uid") || error.message().contains("UID"),
        Some(422) => error.message().contains("metadata.uid"),
        _ => false,
    }
}

/// Converts an error into the result of an object's step. A failure that passes by itself is a wait.
pub(super) fn failed(error: Error) -> ApplyResult {
    if replaced(&error) || (error.disposition() == Disposition::Refresh && error.code() != Some(404)) {
        return ApplyResult::Waiting { reason: "Progressing", message: format!("{error}; reading it again") };
    }
    if error.reason() == "NamespaceTerminating" {
        return ApplyResult::Waiting { reason: "NamespaceTerminating", message: error.message() };
    }
    ApplyResult::Failed(error)
}
