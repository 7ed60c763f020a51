//! What an object of a plan means for those that depend on it: nothing of ours uses, or acts on, what is not ours.

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
    write_backoff::Why,
};

/// Whether those that depend on an object may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is ours, or there is none, or one that goes by itself.
    Free,
    /// It is somebody else's.
    Foreign,
    /// There is none, because it depends itself on an object that is somebody else's: this one.
    Held(String),
    /// The API server did not say.
    Unknown,
}

/// Why an object is not written: what it depends on, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Foreign { target: String },
    Held { target: String, root: String },
    Unknown { target: String },
}

impl Obstacle {
    /// The one that counts most among those of an object.
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

    /// The object that is somebody else's.
    fn root(&self) -> &str {
        match self {
            Self::Foreign { target } | Self::Unknown { target } => target,
            Self::Held { root, .. } => root,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Foreign { target } => {
                format!("held back: it depends on {target}, which this operator did not create")
            }
            Self::Held { target, root } => {
                format!(
                    "held back: it depends on {target}, which is held back because this operator did not create {root}"
                )
            }
            Self::Unknown { target } => format!("waits until the owner of {target} is known"),
        }
    }
}

/// In the place of what would be written: a look at the name alone.
const LOOKED: u64 = u64::MAX;

/// What runs goes on as it was begun. Everything else would act on what is not ours, and is taken away from it.
fn runs(kind: &Kind) -> bool {
    kind.management != Management::Managed || kind.nature == Nature::Workload
}

impl Applier<'_> {
    /// What comes of an object that may not be written.
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
            // Its own name may be taken too, and then that is what its owner has to know.
            None => match self.look(planned, behind(false)).await {
                Look::Known(result) => return result,
                Look::Ours(child) => Some(*child),
                Look::Unread => None,
            },
        };
        let Some(child) = child else { return behind(false) };
        let acts = matches!(obstacle, Obstacle::Foreign { .. }) && !runs(planned.kind) && !child.deleting;
        match self.owner.of(&child) {
            // As for pruning: deleted is only what names the resource as its controller.
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

    /// Looks at the name of an object that is held back, and no more often than at the one that it is behind.
    async fn look(&self, planned: &Planned, behind: ApplyResult) -> Look {
        let id: Id = (planned.kind, planned.key.clone());
        let result = match self.rests.blocked_reason(&id, LOOKED) {
            Some(Why::Known(conflict @ ApplyResult::Conflict { .. })) => return Look::Known(conflict),
            // Behind the same object or another one by now.
            Some(Why::Known(_)) => return Look::Known(behind),
            _ => match self.verdict(planned).await {
                Ok(Verdict::Foreign(foreign)) => conflict(foreign),
                Ok(Verdict::Absent) => behind,
                Ok(Verdict::Ours(child)) => return Look::Ours(child),
                Err(_) => return Look::Unread,
            },
        };
        self.rests.record(&id, LOOKED, backoff::NAME_CONFLICT, &result);
        Look::Known(result)
    }

    /// What this outcome means for those that depend on the object. Where it does not tell whether somebody else has the
    /// name, one read does, and its answer is the outcome then.
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

    /// Whose the object of a planned name is, by one read.
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

/// What a look at the name of an object that is held back came to.
enum Look {
    Known(ApplyResult),
    Ours(Box<Child>),
    Unread,
}

enum Verdict {
    Absent,
    /// Or an earlier resource's, which goes by itself.
    Ours(Box<Child>),
    Foreign(Foreign),
}

/// An object with our labels that says something else than the plan.
pub(super) fn lookalike(path: &str) -> Foreign {
    let whose = format!(
        "it has the labels of this resource and the operator did not write it, as after a restore from a backup, and \
         its {path} differs from the plan"
    );
    Foreign { whose, instance: None }
}
