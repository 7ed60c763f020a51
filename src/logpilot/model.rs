//! A validated cluster with every default filled in: whoever holds one can build all its objects, and
//! building cannot fail. Components are data; nothing downstream asks which one it has.

use k8s_openapi::{
    api::core::v1::{Toleration, TopologySpreadConstraint},
    apimachinery::pkg::api::resource::Quantity,
};

use super::{monitoring::Monitoring, restart::Restart};
use crate::{
    api::{
        cluster::{Environment, PodSecurity},
        component::EnvVar,
        exposure::ComponentKey,
        patches::ObjectPatch,
        storage::{Backend, Sharing},
    },
    engine::{plan::Key, resource::ResourceRef},
    kinds::LOGPILOT_CLUSTER,
    workload::{
        StringMap,
        api::{
            common::{DeletionPolicy, EnvFromSource},
            exposure::Protocol,
            storage::AccessMode,
        },
        image::Image,
        model::{
            Claim, Gateway, Identity, Ingress, LoadBalancer, NodePort, PdbPolicy, Probes, Resources, Rollout,
            Scale,
        },
        resolve::network::NetworkPeers,
        scope::Scope,
    },
};

#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// What all its objects have in common, such as whose they are.
    pub scope: Scope,
    pub environment: Environment,
    pub namespace: ServersNamespace,
    pub system_namespace: Option<String>,
    pub service_account_annotations: StringMap,
    pub api_key: ApiKey,
    pub storage: Storage,
    /// For how long a changed configuration is tried before it reaches the servers; `None`: not at all.
    pub config_check_seconds: Option<i64>,
    /// `None` where no backups are asked for.
    pub backup: Option<Backup>,
    /// `None` where none is asked for; whether it is still to be done is not known here.
    pub restore: Option<Restore>,
    /// The enabled ones, in the order all, rest, grpc.
    pub components: Vec<Component>,
    pub ingress: Option<Ingress>,
    pub gateway: Option<Gateway>,
    pub monitoring: Monitoring,
    /// `None` where it was turned off.
    pub network_policy: Option<NetworkPeers>,
    pub paused: bool,
    pub patches: Vec<ObjectPatch>,
    /// By the user's wish; the components say which of them have no pods.
    pub stopped: bool,
}

impl Cluster {
    /// The resource's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.scope.owner.name
    }

    /// The resource's.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.scope.owner.uid
    }

    /// What everything that is kept for it goes by.
    #[must_use]
    pub fn resource(&self) -> ResourceRef {
        ResourceRef::new(&LOGPILOT_CLUSTER, None, self.name())
    }

    /// Of an object in the servers' namespace.
    #[must_use]
    pub fn key(&self, name: impl Into<String>) -> Key {
        Key { namespace: Some(self.namespace.name.clone()), name: name.into() }
    }

    /// Claims of the backups that are ours to make.
    pub fn backup_volumes(&self) -> impl Iterator<Item = &Claim> {
        let jobs = self.backup.iter().flat_map(|backup| &backup.jobs);
        jobs.filter_map(|job| job.volume.as_ref())
    }

    /// Where objects for the monitoring live: in the system namespace where one is named.
    #[must_use]
    pub fn monitoring_namespace(&self) -> &str {
        self.system_namespace.as_ref().unwrap_or(&self.namespace.name)
    }

    /// Claims whose pods all have to run on one node.
    pub fn co_scheduled_claims(&self) -> impl Iterator<Item = &str> {
        let components = self.components.iter().filter(|component| component.co_scheduled);
        components.map(|component| component.claim.as_str())
    }

    /// Whether a component is reached through the controller of an Ingress or Gateway.
    #[must_use]
    pub fn is_exposed(&self, component: &Component) -> bool {
        let of_ingress = self.ingress.iter().flat_map(|ingress| &ingress.routes);
        let of_gateway = self.gateway.iter().flat_map(|gateway| &gateway.routes);
        of_ingress.chain(of_gateway).any(|route| route.service == component.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServersNamespace {
    pub name: String,
    pub labels: StringMap,
    pub pod_security: PodSecurity,
    /// The level was written down, and is no default.
    pub pod_security_asked: bool,
    pub deletion_policy: DeletionPolicy,
}

/// Where the key that clients present is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub secret: String,
    pub key: String,
    /// No Secret was named: one is made.
    pub generated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub backend: Backend,
    pub sharing: Sharing,
    pub access_mode: AccessMode,
    /// Claims that we make; none where an existing one is used.
    pub claims: Vec<Claim>,
    /// A claim of the user's that is used instead.
    pub existing_claim: Option<String>,
    /// A claim carries one pod and no more.
    pub one_pod: bool,
}

/// Scheduled backups of the data. Not taken if absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// Five fields of cron.
    pub schedule: String,
    /// Of the IANA database.
    pub time_zone: String,
    pub suspend: bool,
    /// How many stay.
    pub keep: i32,
    /// One for each claim that holds data.
    pub jobs: Vec<BackupJob>,
}

/// From one claim to another.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupJob {
    /// Of the CronJob.
    pub name: String,
    /// The claim that holds the data.
    pub claim: String,
    pub target: BackupTarget,
    /// The target, where it is a claim and ours to make.
    pub volume: Option<Claim>,
    pub node_selector: StringMap,
    pub tolerations: Vec<Toleration>,
    /// Those of the servers: what is made beside the database must stay theirs to write.
    pub identity: Identity,
}

/// Where the copies of one claim go.
#[derive(Clone, Debug, PartialEq)]
pub enum BackupTarget {
    Claim(String),
    Bucket(Box<Bucket>),
}

/// Of S3, and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    pub name: String,
    /// Without a `/` at either end.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub path_style: bool,
    /// `None`: the pods get keys for their ServiceAccount.
    pub key: Option<BucketKey>,
    /// ConfigMap and key of the certificates that are trusted instead of the public ones.
    pub ca: Option<(String, String)>,
    /// Room for one copy: that of the data, where it is known.
    pub scratch: Option<Quantity>,
}

/// Secret with the key of a bucket; only pods read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKey {
    pub secret: String,
    pub key_id_key: String,
    pub secret_key_key: String,
}

/// A backup in the place of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// It is carried out once for each.
    pub request_id: String,
    /// File name of the backup.
    pub from: String,
    /// Where each component has its own data.
    pub component: Option<ComponentKey>,
    /// The claim that holds the data.
    pub claim: String,
}

/// What the name of a component stands for. There are three, in [`super::defaults`].
#[derive(Debug, PartialEq, Eq)]
pub struct ServerRole {
    pub key: ComponentKey,
    /// `all`, `rest` or `grpc`: the last part of names, and the `component` label.
    pub name: &'static str,
    pub container: &'static str,
    pub ports: &'static [Port],
    pub http: Option<&'static Port>,
    pub grpc: Option<&'static Port>,
    /// The port that a TCP probe connects to.
    pub serving: &'static Port,
    pub cpu_request: &'static str,
    pub cpu_limit: &'static str,
    /// Size of the component's own claim, with `sharing: PerComponent`.
    pub claim_size: &'static str,
}

impl ServerRole {
    /// The port of a protocol, where the component serves it.
    #[must_use]
    pub fn port(&self, protocol: Protocol) -> Option<&'static Port> {
        match protocol {
            Protocol::Http => self.http,
            Protocol::Grpc => self.grpc,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    pub number: i32,
    /// Told to proxies that cannot guess the protocol.
    pub app_protocol: Option<&'static str>,
}

/// One server role that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    pub role: &'static ServerRole,
    /// `L-{c}`: its Deployment, ClusterIP Service, autoscaler, disruption budget, policy, and its `app` label.
    pub name: String,
    pub image: Image,
    pub scale: Scale,
    pub rollout: Rollout,
    pub resources: Resources,
    pub identity: Identity,
    pub probes: Probes,
    pub budget: PdbPolicy,
    /// What a drain may do with pods that are not ready.
    pub unhealthy_pod_eviction_policy: String,
    pub config: ConfigFile,
    /// The claim that its pods mount.
    pub claim: String,
    /// All pods that mount the claim must run on one node.
    pub co_scheduled: bool,
    /// The user's own, without ours.
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub pod_labels: StringMap,
    pub pod_annotations: StringMap,
    pub node_selector: StringMap,
    pub tolerations: Vec<Toleration>,
    /// `None`: the default spread.
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub priority_class_name: Option<String>,
    pub grace_period_seconds: i64,
    pub min_ready_seconds: Option<i32>,
    pub progress_deadline_seconds: Option<i32>,
    pub revision_history_limit: Option<i32>,
    pub load_balancer: Option<LoadBalancer>,
    pub node_port: Option<NodePort>,
    pub restart: Restart,
    /// No pods, and nothing that would make or guard them: the whole cluster is stopped, or its data is being restored.
    pub stopped: bool,
}

/// The component's `application.yml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    pub text: String,
    pub hash: String,
    /// Name of the ConfigMap.
    pub name: String,
}
