//! Inputs of a plan that come from the Kubernetes cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::{gates::Gate, hosts::RefusedHost, referenced::References};
use crate::workload::contention::RouteConflict;

/// All inputs of a plan, besides the stack itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The state of each generated Secret, by its name.
    pub secrets: BTreeMap<String, SecretFact>,
    /// The gate of each component. A component without an entry waits for nothing.
    pub gates: BTreeMap<String, Gate>,
    /// Components that are being stopped, and whose dependents have no pods any more.
    pub stopped: BTreeSet<String>,
    /// Components whose number of pods was last seen, for one that is created again under an autoscaler.
    pub last_replicas: BTreeMap<String, i32>,
    /// Components whose number of pods an autoscaler of another owner decides.
    pub autoscaled_by_others: BTreeSet<String>,
    /// Whether a pod reports that something it needs is missing.
    pub suspect: bool,
    /// The objects that the components refer to, besides generated Secrets.
    pub references: References,
    /// Why a component may not be written, other than its gate: a reason.
    pub held: BTreeMap<String, &'static str>,
    /// Paths of the node that were not granted: a message for each component that mounts one.
    pub host_paths: BTreeMap<String, String>,
    /// Hosts that the namespace does not allow.
    pub hosts: Vec<RefusedHost>,
    /// Hosts and paths that an older resource uses.
    pub taken: Vec<RouteConflict>,
    /// Names of Jobs that completed and are not planned: they do not run again, and stay if they exist.
    pub completed: BTreeSet<String>,
}

/// The state of a generated Secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretFact {
    /// It exists, with this UID. `replaces`: the UID of the lost Secret that it replaces.
    Exists { uid: String, replaces: Option<String> },
    /// It has to be created with these values.
    Generate { values: BTreeMap<String, String>, replaces: Option<String> },
    /// It existed, and data that it opens still does.
    Lost { uid: String },
    /// Another owner has an object of this name. `whose`: the owner, as a text for users. `unowned`: no owner
    /// controls it, and its labels name none.
    Foreign { whose: String, unowned: bool },
    /// It could not be read.
    Unknown,
}

impl SecretFact {
    /// Returns the UID of the lost Secret that it replaces: its readers restart.
    #[must_use]
    pub fn replaces(&self) -> Option<&str> {
        match self {
            Self::Exists { replaces, .. } | Self::Generate { replaces, .. } => replaces.as_deref(),
            Self::Lost { .. } | Self::Foreign { .. } | Self::Unknown => None,
        }
    }
}

/// Never shows a value.
impl std::fmt::Debug for SecretFact {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Exists { .. } => "Exists",
            Self::Generate { .. } => "Generate",
            Self::Lost { .. } => "Lost",
            Self::Foreign { .. } => "Foreign",
            Self::Unknown => "Unknown",
        })
    }
}
