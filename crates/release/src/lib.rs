//! The state machine of releases. It knows no Kubernetes, no product and no client: [`decide`] is a pure
//! function of the stored status, the declared release, what was observed, and the time.
//!
//! The caller gathers an [`Observed`], calls [`decide`], and carries out its [`Directive`]: it either writes
//! the status, or makes the objects that the stored status asks for, never both in one reconcile. A crash
//! therefore falls before a status write, where nothing happened, or after it, where the next process makes
//! the same objects. `docs/dev/release-machine.md` lists states, transitions and invariants.

mod counts;
mod decide;
mod observed;
mod plan;
mod status;
mod steps;
#[cfg(test)]
mod tests;
mod time;
mod verbs;
mod verdict;

pub use counts::{exchange, share, split};
pub use decide::{Decision, Directive, decide, recover};
pub use observed::{Analysis, Component, Desired, Observed, Operation, Outcome, Policy, Track, VerifyRun};
pub use plan::{Counts, Plan, plan};
pub use status::{
    Base, Fingerprint, Phase, Rejection, Release, Revision, RevisionState, Status, Suspended, SuspendedBy,
};
pub use steps::{BlueGreen, InvalidStep, Pause, Step, Strategy, UserStep, parse_duration, validate_steps};
pub use time::Time;
pub use verbs::{IgnoredVerb, Promote, Rollback, Verbs, parse_verbs};
