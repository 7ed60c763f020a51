//! The facts about the environment that planning needs, as plain data. The controller gathers them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::model::{Component, Restore};
use crate::{
    engine::plan::Key,
    workload::{build::service::NodePorts, contention::RouteConflict, references::ResolvedReferences},
};

/// A value that is never printed: not in logs, status, events or panics.
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted(pub String);

impl fmt::Debug for Redacted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// The operator's own image, if its installation specifies it. A plan that is made without a Kubernetes
/// cluster uses the image of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorImage(pub Option<String>);

impl Default for OperatorImage {
    fn default() -> Self {
        Self(Some(concat!("logpilot-operator:", env!("CARGO_PKG_VERSION")).to_owned()))
    }
}

/// Returns whether a resource of this name exists now. A function, because the answer is seldom needed
/// and there may be many resources.
pub type IsLiving<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// The owner of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceFact {
    /// It does not exist: the operator creates it and owns it.
    #[default]
    Absent,
    /// The operator created it for this resource, and keeps it as planned.
    Ours,
    /// The operator did not create it: it is used and never changed.
    Foreign,
    /// It is being deleted: nothing can be created in it until the deletion is complete.
    Terminating,
}

/// A PVC that requests another size than the declared one, because Kubernetes would reject that.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingResize {
    pub claim: Key,
    /// The size that it requests meanwhile.
    pub now: Quantity,
    pub declared: Quantity,
    pub why: HeldWhy,
}

/// Why a PVC cannot have its declared size.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldWhy {
    /// Kubernetes changes the size of a PVC only after it is bound to a volume.
    NoVolume,
    /// Its volume has this capacity, and a volume cannot shrink.
    Capacity(Quantity),
}

/// A Deployment that another client scales, or may scale, past what its storage allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeyondStorage {
    pub deployment: Key,
    pub message: String,
    /// Whether more pods than allowed are requested now; otherwise an autoscaler may request them.
    pub now: bool,
}

/// The API key that clients must present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiKeyFact {
    /// Not read: the plan is made without a Kubernetes cluster.
    #[default]
    Unknown,
    /// The Secret exists and is valid; the hash of its value triggers a rollout when it changes.
    Present { hash: String },
    /// The spec names no Secret and none was generated yet: create it with this value.
    Generate { value: Redacted, hash: String },
    /// The Secret cannot be used: workloads are blocked. `reason` is a status reason, `message` says
    /// what to do.
    Invalid { message: String },
    /// The spec does not name the Secret, and it was not created for this resource: its value is not
    /// used as the key. `whose` says more.
    Foreign { secret: Key, whose: String },
    /// It was generated for an earlier resource of the name and is deleted with it: workloads wait for
    /// their own. It is read again after this delay.
    Going { again: Duration },
}

/// A configuration that is checked before it reaches the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCheck {
    /// `Job namespace/name`.
    pub object: String,
    pub verdict: CheckVerdict,
}

/// The result of a configuration check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckVerdict {
    Running,
    /// A server became ready with it.
    Good,
    /// The output of the server, or the reason why it did not become ready.
    Bad {
        message: String,
    },
}

/// A storage location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Claim(Key),
    /// URL of a prefix, with the server if one is specified.
    Bucket(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(key) => write!(formatter, "PersistentVolumeClaim {key}"),
            Self::Bucket(url) => formatter.write_str(url),
        }
    }
}

/// The contents of a storage location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    Data,
    Backups,
}

/// A storage location that another resource uses too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPlace {
    pub place: Place,
    pub contents: Contents,
    /// Whether the spec names it; otherwise it is a generated name.
    pub named: bool,
    /// Name of the other resource.
    pub by: String,
    pub theirs: Contents,
    /// Whether the other resource is older.
    pub older: bool,
}

impl SharedPlace {
    fn is_claim(&self, name: &str) -> bool {
        matches!(&self.place, Place::Claim(key) if key.name == name)
    }

    /// Returns whether this PVC holds the data of an older resource: only the servers of that resource
    /// may write there.
    #[must_use]
    pub fn is_data_of_older(&self, claim: &str) -> bool {
        let data = self.contents == Contents::Data && self.theirs == Contents::Data;
        self.older && data && self.is_claim(claim)
    }
}

/// Whether the Job of a restore is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestoreJob {
    /// Not evaluated: plans made without a Kubernetes cluster show what the spec requests.
    #[default]
    AsAsked,
    Planned(Restore),
    None,
}

/// All inputs to `plan` in addition to the resource itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Whether pods report that something they need is missing: the referenced objects are then read
    /// again soon.
    pub suspect: bool,
    pub namespace: NamespaceFact,
    /// Meaningless if the spec names no system namespace.
    pub system_namespace: NamespaceFact,
    /// Namespaces that were created for another resource that no longer exists, with its name.
    pub kept_namespaces: BTreeMap<String, String>,
    /// Settings of the spec that a namespace which the operator did not create lacks.
    pub namespace_ignored: Vec<String>,
    /// Whether the operator does not own the namespace while the limits of this resource apply to all
    /// of it.
    pub limits_shared: bool,
    /// Whether another resource uses the namespace: a policy of Delete is then not carried out. Not
    /// evaluated without such a policy.
    pub namespace_shared: bool,
    /// Locations that this resource requests and an older one uses.
    pub taken: Vec<RouteConflict>,
    /// Storage locations that other resources use too.
    pub shared: Vec<SharedPlace>,
    pub api_key: ApiKeyFact,
    /// PVCs that held data and no longer exist, with their former UIDs: not recreated until the user
    /// agrees.
    pub lost_claims: BTreeMap<String, String>,
    /// PVCs that cannot have their declared size, by name.
    pub held_sizes: BTreeMap<String, PendingResize>,
    /// References of the variables of each component, by the name of the Deployment, and the pull
    /// Secrets, by the name of the ServiceAccount; empty without references.
    pub references: BTreeMap<String, ResolvedReferences>,
    /// Configurations that have not run yet and are checked first, by the name of the Deployment.
    pub config_checks: BTreeMap<String, ConfigCheck>,
    pub restore: RestoreJob,
    /// The PVCs' records of the restores that ended, by name.
    pub restores: BTreeMap<String, String>,
    /// Number of pods to start after a stop, by the role of the component, if an autoscaler decides it.
    pub before_stop: BTreeMap<&'static str, i32>,
    /// Restarts that were requested before, by the role of the component; see [`super::restart`].
    pub restarts: BTreeMap<String, String>,
    /// The operator's own image, which backups run.
    pub operator_image: OperatorImage,
    /// Replicas last seen of each Deployment, for one that must be recreated under an autoscaler.
    pub last_replicas: BTreeMap<String, i32>,
    /// Deployments whose number of pods is decided by an autoscaler that the operator did not create.
    pub autoscaled_by_others: BTreeSet<String>,
    /// Deployments that another client scales past their storage, by name.
    pub beyond_storage: BTreeMap<String, BeyondStorage>,
    pub node_ports: NodePorts,
}

impl Facts {
    /// Returns whether another client runs more pods of a component than its storage allows, so that
    /// the operator reverts the number immediately.
    #[must_use]
    pub fn is_enforced(&self, component: &Component) -> bool {
        self.beyond_storage.get(&component.name).is_some_and(|beyond| beyond.now)
    }

    /// Returns whether the servers of another resource write the data of this PVC.
    #[must_use]
    pub fn is_data_of_older(&self, claim: &str) -> bool {
        self.shared.iter().any(|it| it.is_data_of_older(claim))
    }

    /// Returns the other resource that uses a PVC.
    #[must_use]
    pub fn other_user(&self, claim: &str) -> Option<&str> {
        self.shared.iter().find(|it| it.is_claim(claim)).map(|it| it.by.as_str())
    }

    /// Returns the state of a component's configuration check; stopping waits for none.
    #[must_use]
    pub fn config_check(&self, component: &Component) -> Option<&ConfigCheck> {
        self.config_checks.get(&component.name).filter(|_| !component.stopped)
    }
}
