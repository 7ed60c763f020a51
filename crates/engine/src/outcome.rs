//! The results of applying a plan, object by object.

use std::time::Duration;

use super::{api_client::named, cache::Id, error::Error};

/// Reason of an object that waits because another client keeps reverting it.
pub const CONTESTED: &str = "Contested";

/// The result for one planned object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyResult {
    InSync,
    Created,
    Updated,
    Deleted,
    /// The plan says to leave the object alone, and why.
    Held(&'static str),
    /// Nothing can be done until something else has happened.
    Waiting {
        reason: &'static str,
        message: String,
    },
    /// The name is taken by a foreign object.
    Conflict {
        message: String,
        /// The other resource that the object was created for and outlived, if its labels name one.
        instance: Option<String>,
    },
    /// The object uses or acts on a foreign object, and is not written meanwhile.
    Behind {
        message: String,
        /// True if the object existed and was deleted, so that it no longer acts on a foreign object.
        withdrawn: bool,
    },
    /// The cluster does not serve this kind.
    Unserved,
    Failed(Error),
}

impl ApplyResult {
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Deleted | Self::Behind { withdrawn: true, .. })
    }

    /// Returns whether the object is in backoff: it was rejected or reverted too often, or is blocked
    /// by a name that is taken. It is retried when its own delay has passed.
    #[must_use]
    pub fn is_backing_off(&self) -> bool {
        matches!(
            self,
            Self::Failed(_)
                | Self::Waiting { reason: CONTESTED, .. }
                | Self::Conflict { .. }
                | Self::Behind { withdrawn: false, .. }
        )
    }

    /// Returns whether the object is as planned, or cannot exist in this cluster.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::InSync | Self::Created | Self::Updated | Self::Deleted | Self::Unserved)
    }
}

/// One object and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedObject {
    pub id: Id,
    pub result: ApplyResult,
}

impl AppliedObject {
    #[must_use]
    pub fn object(&self) -> String {
        named(self.id.0, &self.id.1)
    }
}

/// Everything that applying a plan did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub steps: Vec<AppliedObject>,
    /// When the first object in backoff may be retried.
    pub again: Option<Duration>,
}

impl Outcome {
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| step.result.is_settled())
    }
}
