//! What planning has to know of the world, as plain data. Gathering it is the controller's work.

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

/// The operator's own image, where its installation says which. A plan that is made without a cluster names the
/// image of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorImage(pub Option<String>);

impl Default for OperatorImage {
    fn default() -> Self {
        Self(Some(concat!("logpilot-operator:", env!("CARGO_PKG_VERSION")).to_owned()))
    }
}

/// Whether there is a resource of this name now. A question, because its answer is seldom needed and there may be many.
pub type IsLiving<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// Whose a namespace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceFact {
    /// To be made, and then ours.
    #[default]
    Absent,
    /// Made by us for this cluster: kept as planned.
    Ours,
    /// Somebody else's: used, never changed.
    Foreign,
    /// Being deleted: nothing can be created in it; waited out.
    Terminating,
}

/// A claim asks for another size than the one that is declared, because Kubernetes would refuse that.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingResize {
    pub claim: Key,
    /// What it asks for meanwhile.
    pub now: Quantity,
    pub declared: Quantity,
    pub why: HeldWhy,
}

/// Why a claim cannot have its declared size.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldWhy {
    /// Kubernetes changes the size of a claim only once it has a volume.
    NoVolume,
    /// Its volume has this capacity, and no volume shrinks.
    Capacity(Quantity),
}

/// An autoscaler of others that targets a component's Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignScaler {
    pub name: String,
    /// The most pods that it may ask for.
    pub most: i32,
    pub scales_to_zero: bool,
}

/// Others scale a Deployment past what its storage allows, or may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeyondStorage {
    pub deployment: Key,
    pub message: String,
    /// More pods than allowed are asked for now; otherwise an autoscaler may ask for them.
    pub now: bool,
}

/// The API key that clients must present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiKeyFact {
    /// Not looked at: plans made without a cluster.
    #[default]
    Unknown,
    /// The Secret is there and good; the hash of its value rolls the pods when it changes.
    Present { hash: String },
    /// No Secret is named and none was generated yet: make it with this value.
    Generate { value: Redacted, hash: String },
    /// The Secret cannot be used: workloads are held. `reason` is a status reason, `message` says what to do.
    Invalid { message: String },
    /// Nobody named the Secret, and it was not made for this resource: its value is no key of ours. `whose` says more.
    Foreign { secret: Key, whose: String },
    /// It was generated for an earlier resource of the name, and goes with it: workloads wait for one of their own.
    /// Looked at again after this.
    Going { again: Duration },
}

/// A configuration that is tried before it may reach the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCheck {
    /// `Job namespace/name`.
    pub object: String,
    pub verdict: CheckVerdict,
}

/// What is known of a configuration that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckVerdict {
    Running,
    /// A server became ready with it.
    Good,
    /// What the server said, or what kept it from being ready.
    Bad {
        message: String,
    },
}

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Claim(Key),
    /// URL of a prefix, with the server where one is named.
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

/// What a resource keeps in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    Data,
    Backups,
}

/// A place where another resource keeps something too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPlace {
    pub place: Place,
    pub contents: Contents,
    /// The spec names it; else it is a generated name.
    pub named: bool,
    /// Name of the other resource.
    pub by: String,
    pub theirs: Contents,
    /// The other one is the older.
    pub older: bool,
}

impl SharedPlace {
    fn is_claim(&self, name: &str) -> bool {
        matches!(&self.place, Place::Claim(key) if key.name == name)
    }

    /// Whether this claim holds the data of an older resource: its servers write there, and no others may.
    #[must_use]
    pub fn is_data_of_older(&self, claim: &str) -> bool {
        let data = self.contents == Contents::Data && self.theirs == Contents::Data;
        self.older && data && self.is_claim(claim)
    }
}

/// Whether the Job of a restore is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestoreJob {
    /// Not looked at: plans made without a cluster show what the spec asks for.
    #[default]
    AsAsked,
    Planned(Restore),
    None,
}

/// Everything `plan` may look at beside the resource itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Pods say that something they need is missing: what they refer to is read again soon.
    pub suspect: bool,
    pub namespace: NamespaceFact,
    /// Meaningless where no system namespace is named.
    pub system_namespace: NamespaceFact,
    /// Namespaces that were made for another resource, by name; that one is gone.
    pub kept_namespaces: BTreeMap<String, String>,
    /// Settings of the namespace that one which is not ours lacks.
    pub namespace_ignored: Vec<String>,
    /// The namespace is not ours, and the limits of this resource hold for all of it.
    pub limits_shared: bool,
    /// Another cluster lives in the namespace: a policy of Delete is held back. Not looked for without one.
    pub namespace_shared: bool,
    /// What this cluster wants and an older one has.
    pub taken: Vec<RouteConflict>,
    /// Where others keep their data and backups too.
    pub shared: Vec<SharedPlace>,
    pub api_key: ApiKeyFact,
    /// Claims that held data and are gone, with the UIDs they had: not made again until the user says so.
    pub lost_claims: BTreeMap<String, String>,
    /// Of claims that cannot have their declared size, by their names.
    pub held_sizes: BTreeMap<String, PendingResize>,
    /// What the variables of each component refer to, by the Deployment's name, and the pull Secrets, by the
    /// ServiceAccount's; nothing where they refer to nothing.
    pub references: BTreeMap<String, ResolvedReferences>,
    /// Configurations that have not run yet and are tried first, by the Deployment's name.
    pub config_checks: BTreeMap<String, ConfigCheck>,
    pub restore: RestoreJob,
    /// What the claims say of the restores that ended, by their names.
    pub restores: BTreeMap<String, String>,
    /// Pods that come back after a stop, by the component's role, where an autoscaler decides how many.
    pub before_stop: BTreeMap<&'static str, i32>,
    /// Restarts that were asked for before, by the component's role; see [`super::restart`].
    pub restarts: BTreeMap<String, String>,
    /// The operator's own image, which backups run.
    pub operator_image: OperatorImage,
    /// Replicas last seen of each Deployment, for one that has to be made again under an autoscaler.
    pub last_replicas: BTreeMap<String, i32>,
    /// Deployments whose number of pods an autoscaler of others decides.
    pub autoscaled_by_others: BTreeSet<String>,
    /// What others scale past its storage, by the Deployment's name.
    pub beyond_storage: BTreeMap<String, BeyondStorage>,
    pub node_ports: NodePorts,
}

impl Facts {
    /// Whether others run more pods of a component than its storage allows, so that its number is written back at once.
    #[must_use]
    pub fn is_enforced(&self, component: &Component) -> bool {
        self.beyond_storage.get(&component.name).is_some_and(|beyond| beyond.now)
    }

    /// Whether the servers of another resource write the data of this claim.
    #[must_use]
    pub fn is_data_of_older(&self, claim: &str) -> bool {
        self.shared.iter().any(|it| it.is_data_of_older(claim))
    }

    /// The resource that keeps something on a claim, too.
    #[must_use]
    pub fn other_user(&self, claim: &str) -> Option<&str> {
        self.shared.iter().find(|it| it.is_claim(claim)).map(|it| it.by.as_str())
    }

    /// How the trial of a component's configuration is; stopping waits for none.
    #[must_use]
    pub fn config_check(&self, component: &Component) -> Option<&ConfigCheck> {
        self.config_checks.get(&component.name).filter(|_| !component.stopped)
    }
}
