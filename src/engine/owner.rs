//! Whose a live object is, decided from what is kept of it. Foreign objects are never written over.

use super::{OWNER_GROUP, child::Child, kind::Role};

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
    Earlier,
    /// Somebody else's; says whose.
    Foreign(String),
}

impl Owner {
    #[must_use]
    pub fn of(&self, child: &Child) -> Ownership {
        match &child.controller {
            Some(controller) if controller.uid == self.uid => Ownership::Ours,
            Some(controller)
                if controller.kind == self.kind
                    && controller.name == self.name
                    && controller.api_version.starts_with(OWNER_GROUP) =>
            {
                // What holds data is taken over with its data, whatever policy an earlier resource had for it.
                if child.kind.role == Role::Kept { Ownership::Ours } else { Ownership::Earlier }
            }
            Some(controller) => {
                Ownership::Foreign(format!("it is controlled by {} '{}'", controller.kind, controller.name))
            }
            None => match &child.instance {
                // Without our entry in managedFields the labels alone prove nothing, but for what outlives us on purpose.
                Some(instance)
                    if *instance == self.name
                        && (child.digest.is_some() || child.kind.role == Role::Kept) =>
                {
                    Ownership::Ours
                }
                Some(instance) if *instance != self.name => {
                    Ownership::Foreign(format!("it belongs to {} '{instance}'", self.kind))
                }
                _ => Ownership::Foreign("it was not made by this operator".to_owned()),
            },
        }
    }
}
