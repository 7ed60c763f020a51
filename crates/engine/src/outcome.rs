//! What came of applying a plan, object by object.

use std::time::Duration;

use super::{api_client::named, cache::Id, error::Error};

/// Why an object waits that somebody changes as often as it is put right.
pub const CONTESTED: &str = "Contested";

/// What came of one planned object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyResult {
    InSync,
    Created,
    Updated,
    Deleted,
    /// The plan asks to leave it alone, and says why.
    Held(&'static str),
    /// Nothing can be done until something else has happened.
    Waiting {
        reason: &'static str,
        message: String,
    },
    /// The name is taken by an object that is not ours.
    Conflict {
        message: String,
        /// The other resource that the object was made for and outlives, where its labels name one.
        instance: Option<String>,
    },
    /// It uses or acts on an object that is not ours, and is not written meanwhile.
    Behind {
        message: String,
        /// It was there, and was deleted so that it acts on what is not ours no longer.
        withdrawn: bool,
    },
    /// Its kind is not served here.
    Unserved,
    Failed(Error),
}

impl ApplyResult {
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Deleted | Self::Behind { withdrawn: true, .. })
    }

    /// Refused, put right once too often, or behind a name that is taken: tried again when its own time comes.
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

    /// As planned now, or not possible on this cluster by its nature.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::InSync | Self::Created | Self::Updated | Self::Deleted | Self::Unserved)
    }
}

/// One object and what came of it.
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
    /// When the first of those that rest may be tried again.
    pub again: Option<Duration>,
}

impl Outcome {
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.steps.iter().all(|step| step.result.is_settled())
    }
}
