//! Determines whether the objects that depend on a planned object may be written: no object of the
//! operator uses or acts on a foreign object.

use super::{
    apply::{Applier, failed},
    backoff,
    cache::{Id, Snapshot},
    child::Child,
    content,
    decide::conflict,
    error::Error,
    kind::{Kind, Management, Nature},
    outcome::ApplyResult,
    owner::{Foreign, Ownership},
    plan::Planned,
    prune::GONE,
    write_backoff::BackoffReason,
};

/// The effect of an object on the objects that depend on it: whether they may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They may: the object is the operator's, does not exist, or disappears without help.
    Free,
    /// They may not: the object is foreign.
    Foreign,
    /// They may not: the object does not exist because it depends on this foreign object.
    Held(String),
    /// The API server did not answer.
    Unknown,
}

/// The dependency that blocks the write of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Foreign { target: String },
    Held { target: String, root: String },
    Unknown { target: String },
}

impl Obstacle {
    /// Returns the most important obstacle among the dependencies of an object.
    pub(super) fn of<'a>(targets: impl Iterator<Item = (&'a Planned, &'a Standing)>) -> Option<Self> {
        let all = targets.filter_map(|(planned, standing)| {
            let target = planned.to_string();
            match standing {
                Standing::Free => None,
                Standing::Foreign => Some((0, Self::Foreign { target })),
                Standing::Held(root) => Some((1, Self::Held { target, root: root.clone() })),
                Standing::Unknown => Some((2, Self::Unknown { target })),
            }
        });
        all.min_by_key(|(rank, _)| *rank).map(|(_, obstacle)| obstacle)
    }

    /// The foreign object.
    fn root(&self) -> &str {
        match self {
            Self::Foreign { target } | Self::Unknown { target } => target,
            Self::Held { root, .. } => root,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Foreign { target } => {
                format!("blocked: it depends on {target}, which this operator did not create")
            }
            Self::Held { target, root } => {
                format!(
                    "blocked: it depends on {target}, which is blocked because this operator did not create {root}"
                )
            }
            Self::Unknown { target } => format!("waits until the owner of {target} is known"),
        }
    }
}

/// Takes the place of the digest of the desired object: only the name is read.
const LOOKED: u64 = u64::MAX;

/// Returns whether an object keeps running unchanged. All others would act on a foreign object, and are
/// deleted.
fn runs(kind: &Kind) -> bool {
    kind.management != Management::Managed || kind.nature == Nature::Workload
}

impl Applier<'_> {
    /// Returns the result for an object that must not be written.
    pub(super) async fn withhold(
        &self,
        planned: &Planned,
        snapshot: &Snapshot,
        obstacle: &Obstacle,
    ) -> ApplyResult {
        let message = obstacle.message();
        if let Obstacle::Unknown { .. } = obstacle {
            return ApplyResult::Waiting { reason: "Progressing", message };
        }
        let behind = |withdrawn| ApplyResult::Behind { message: message.clone(), withdrawn };
        let child = match snapshot.get(planned.kind, &planned.key) {
            Some(child) => Some(Child::clone(child)),
            // Its own name may be taken too. In that case the owner has to know that.
            None => match self.look(planned, behind(false)).await {
                Look::Known(result) => return result,
                Look::Ours(child) => Some(*child),
                Look::Unread => None,
            },
        };
        let Some(child) = child else { return behind(false) };
        let acts = matches!(obstacle, Obstacle::Foreign { .. }) && !runs(planned.kind) && !child.deleting;
        match self.owner.of(&child) {
            // As in pruning, only an object that names the resource as its controller is deleted.
            Ownership::Ours if acts && child.is_controlled_by(&self.owner.uid) => {
                let id: Id = (planned.kind, planned.key.clone());
                let withdraw = async || match self.delete(&child).await {
                    Ok(()) => behind(true),
                    Err(error) => failed(error),
                };
                self.unless_backing_off(&id, GONE, backoff::FAILURE, withdraw).await
            }
            Ownership::Foreign(foreign) => conflict(foreign),
            _ => behind(false),
        }
    }

    /// Reads the name of a blocked object, no more often than the name of the object that blocks it.
    async fn look(&self, planned: &Planned, behind: ApplyResult) -> Look {
        let id: Id = (planned.kind, planned.key.clone());
        let result = match self.write_backoff.blocked_reason(&id, LOOKED) {
            Some(BackoffReason::Known(conflict @ ApplyResult::Conflict { .. })) => {
                return Look::Known(conflict);
            }
            // It may be blocked by another object by now.
            Some(BackoffReason::Known(_)) => return Look::Known(behind),
            _ => match self.verdict(planned).await {
                Ok(Verdict::Foreign(foreign)) => conflict(foreign),
                Ok(Verdict::Absent) => behind,
                Ok(Verdict::Ours(child)) => return Look::Ours(child),
                Err(_) => return Look::Unread,
            },
        };
        self.write_backoff.record(&id, LOOKED, backoff::NAME_CONFLICT, &result);
        Look::Known(result)
    }

    /// Returns what this result means for dependent objects. If it does not show whether another owner
    /// has taken the name, one read does, and the result is replaced by the outcome of that read.
    pub(super) async fn standing(
        &self,
        planned: &Planned,
        snapshot: &Snapshot,
        result: ApplyResult,
        obstacle: Option<&Obstacle>,
        ask: bool,
    ) -> (ApplyResult, Standing) {
        let known = snapshot
            .get(planned.kind, &planned.key)
            .is_some_and(|child| matches!(self.owner.of(child), Ownership::Ours | Ownership::PreviousOwner));
        let free = match &result {
            ApplyResult::Conflict { .. } => return (result, Standing::Foreign),
            ApplyResult::Behind { withdrawn, .. } if *withdrawn || !known => {
                let root = obstacle.map(Obstacle::root).unwrap_or_default().to_owned();
                return (result, Standing::Held(root));
            }
            ApplyResult::Waiting { reason, .. } => {
                known || ["ChildTerminating", "NamespaceTerminating"].contains(reason)
            }
            ApplyResult::Held(_) | ApplyResult::Failed(_) => known,
            _ => true,
        };
        if free || planned.kind.management == Management::CreateOnly {
            return (result, Standing::Free);
        }
        if !ask || matches!(result, ApplyResult::Failed(Error::Timeout { .. })) {
            return (result, Standing::Unknown);
        }
        match self.verdict(planned).await {
            Ok(Verdict::Foreign(foreign)) => (conflict(foreign), Standing::Foreign),
            Ok(Verdict::Ours(_) | Verdict::Absent) => (result, Standing::Free),
            Err(_) => (result, Standing::Unknown),
        }
    }

    /// Reads the object of a planned name and returns its owner.
    async fn verdict(&self, planned: &Planned) -> Result<Verdict, Error> {
        let found = self.writer.get(planned.kind, &planned.key).await?;
        let Some(live) = found else { return Ok(Verdict::Absent) };
        let Some(child) = Child::read(planned.kind, &live) else { return Ok(Verdict::Absent) };
        Ok(match self.owner.of(&child) {
            Ownership::Foreign(foreign) => Verdict::Foreign(foreign),
            Ownership::Lookalike => {
                match content::difference(&planned.body, &live, planned.kind.domain.owner_group) {
                    Some(path) => Verdict::Foreign(lookalike(&path)),
                    None => Verdict::Ours(Box::new(child)),
                }
            }
            Ownership::Ours | Ownership::PreviousOwner => Verdict::Ours(Box::new(child)),
        })
    }
}

/// The result of reading the name of a blocked object.
enum Look {
    Known(ApplyResult),
    Ours(Box<Child>),
    Unread,
}

enum Verdict {
    Absent,
    /// The operator's, or an earlier resource's, which disappears without help.
    Ours(Box<Child>),
    Foreign(Foreign),
}

/// An object with the operator's labels whose content differs from the plan.
pub(super) fn lookalike(path: &str) -> Foreign {
    let whose = format!(
        "it has the labels of this resource and the operator did not write it, as after a restore from a backup, and \
         its {path} differs from the plan"
    );
    Foreign { whose, instance: None }
}
