//! Whose a live object is, decided from what is kept of it. Foreign objects are never written over.

use super::{child::Child, kind::Management};

/// The resource that a plan belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: &'static str,
    pub name: String,
    pub uid: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    Ours,
    /// Made for an earlier resource of the same name: the garbage collector takes it, then it is made anew.
    PreviousOwner,
    /// Its labels say ours and nothing else does, as after a restore from a backup: its content decides.
    Lookalike,
    Foreign(Foreign),
}

/// An object of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Whose it is, for users to read.
    pub whose: String,
    /// The other resource that it was made for, where its labels name one and nothing controls it: such an object outlives
    /// its resource.
    pub instance: Option<String>,
}

impl Owner {
    #[must_use]
    pub fn of(&self, child: &Child) -> Ownership {
        match &child.controller {
            Some(controller) if controller.uid == self.uid => Ownership::Ours,
            Some(controller)
                if controller.kind == self.kind
                    && controller.name == self.name
                    && controller.api_version.starts_with(child.kind.domain.owner_group) =>
            {
                // What holds data is taken over with its data, whatever policy an earlier resource had for it.
                if child.kind.management == Management::Retained {
                    Ownership::Ours
                } else {
                    Ownership::PreviousOwner
                }
            }
            Some(controller) => {
                foreign(format!("it is controlled by {} '{}'", controller.kind, controller.name), None)
            }
            None => match &child.instance {
                // Without our entry in managedFields the labels alone prove nothing, but for what outlives us on purpose.
                Some(instance)
                    if *instance == self.name
                        && (child.digest.is_some() || child.kind.management == Management::Retained) =>
                {
                    Ownership::Ours
                }
                Some(instance) if *instance != self.name => {
                    foreign(format!("it belongs to {} '{instance}'", self.kind), Some(instance.clone()))
                }
                // Never a Job, which would run once more, and never a Secret.
                Some(_) if child.kind.management == Management::Managed => Ownership::Lookalike,
                _ => foreign("it was not created by this operator".to_owned(), None),
            },
        }
    }
}

fn foreign(whose: String, instance: Option<String>) -> Ownership {
    Ownership::Foreign(Foreign { whose, instance })
}
