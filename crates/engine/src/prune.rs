//! Deletes objects that the operator owns and no longer plans, and no others: by UID, after the
//! workloads were applied.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use tracing::info;

use super::{
    apply::{Applier, failed, replaced},
    backoff,
    cache::{Id, Snapshot},
    child::Child,
    error::Error,
    kind::{Kind, Management, Nature},
    outcome::{AppliedObject, ApplyResult, Outcome},
    owner::{Owner, Ownership},
    plan::Plan,
};

/// Takes the place of the desired digest for an object that is to be deleted.
pub(super) const GONE: u64 = 0;

/// Returns the objects to delete. `keep` spares some that are not planned but still in use.
#[must_use]
pub fn orphaned<'a>(
    plan: &Plan,
    outcome: &Outcome,
    snapshot: &'a Snapshot,
    owner: &Owner,
    keep: impl Fn(&Child) -> bool,
) -> Vec<&'a Child> {
    let unsettled: HashSet<&'static Kind> =
        outcome.steps.iter().filter(|step| !step.result.is_settled()).map(|step| step.id.0).collect();
    if unsettled.iter().any(|kind| kind.wave == 0) {
        return Vec::new();
    }
    // Objects that old pods use may be deleted only when the workloads are as planned. No pod uses a
    // Job.
    let rolled = !unsettled.iter().any(|kind| kind.nature == Nature::Workload);
    let planned: HashSet<Id> =
        plan.objects.iter().map(|planned| (planned.kind, planned.key.clone())).collect();
    snapshot
        .children
        .values()
        .chain(snapshot.gone.values())
        .map(AsRef::as_ref)
        .filter(|child| {
            (child.kind.management == Management::RunToCompletion
                || child.kind.management == Management::Managed && rolled)
                && !child.deleting
                && child.is_controlled_by(&owner.uid)
                && !planned.contains(&(child.kind, child.key.clone()))
                && !unsettled.contains(child.kind)
                && !keep(child)
        })
        .collect()
}

impl Applier<'_> {
    /// Deletes these objects of this snapshot. Returns the result for each.
    pub async fn prune(&self, children: Vec<&Child>, snapshot: &Snapshot) -> Vec<AppliedObject> {
        let mut steps = Vec::new();
        for child in children {
            steps.push(self.prune_one(child, snapshot));
        }
        stream::iter(steps).buffered(8).collect().await
    }

    async fn prune_one(&self, child: &Child, snapshot: &Snapshot) -> AppliedObject {
        let id: Id = (child.kind, child.key.clone());
        let delete = async || match self.delete_if_owned(child, snapshot.gone.contains_key(&id)).await {
            Ok(true) => {
                info!(object = %child, owner = %self.owner.resource.key(), "deleted: no longer planned");
                ApplyResult::Deleted
            }
            Ok(false) => ApplyResult::InSync,
            // Replaced by another object of that name, which its own event brings to the cache.
            Err(error) if replaced(&error) => ApplyResult::InSync,
            Err(error) => failed(error),
        };
        let result = self.unless_backing_off(&id, GONE, backoff::FAILURE, delete).await;
        AppliedObject { id, result }
    }

    /// Deletes an object if the operator owns it. Returns whether there was something to delete. An
    /// object that left its watch without a known deletion may only have lost the label that the watch
    /// selects by: one read shows this, and whether the operator still owns it.
    async fn delete_if_owned(&self, child: &Child, out_of_view: bool) -> Result<bool, Error> {
        if out_of_view {
            let found = self.writer.get(child.kind, &child.key).await?;
            let now = found.as_ref().and_then(|live| Child::read(child.kind, live));
            let there = now.filter(|now| now.uid == child.uid && !now.deleting);
            if there.is_none_or(|now| self.owner.of(&now) != Ownership::Ours) {
                self.cache.mark_deleting(child);
                return Ok(false);
            }
        }
        self.delete(child).await?;
        Ok(true)
    }
}
