//! A validated cluster with every default filled in: it is sufficient to build all objects, and
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
    /// Properties that all objects have in common, such as their owner.
    pub scope: Scope,
    pub environment: Environment,
    pub namespace: ServersNamespace,
    pub system_namespace: Option<String>,
    pub service_account_annotations: StringMap,
    pub api_key: ApiKey,
    pub storage: Storage,
    /// Seconds for which a changed configuration is checked before it reaches the servers; `None`
    /// disables the check.
    pub config_check_seconds: Option<i64>,
    /// `None` if the spec requests no backups.
    pub backup: Option<Backup>,
    /// `None` if the spec requests no restore; whether it is still to be carried out is not known here.
    pub restore: Option<Restore>,
    /// The enabled components, in the order all, rest, grpc.
    pub components: Vec<Component>,
    pub ingress: Option<Ingress>,
    pub gateway: Option<Gateway>,
    pub monitoring: Monitoring,
    /// `None` if it is disabled.
    pub network_policy: Option<NetworkPeers>,
    pub paused: bool,
    pub patches: Vec<ObjectPatch>,
    /// Whether the user stopped the cluster; each component says whether it has no pods.
    pub stopped: bool,
}

impl Cluster {
    /// Returns the name of the resource.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.scope.owner.name
    }

    /// Returns the UID of the resource.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.scope.owner.uid
    }

    /// Returns the key under which the state of the resource is kept.
    #[must_use]
    pub fn resource(&self) -> ResourceRef {
        ResourceRef::new(&LOGPILOT_CLUSTER, None, self.name())
    }

    /// Returns the key of an object in the servers' namespace.
    #[must_use]
    pub fn key(&self, name: impl Into<String>) -> Key {
        Key { namespace: Some(self.namespace.name.clone()), name: name.into() }
    }

    /// Returns the PVCs of the backups that the operator creates.
    pub fn backup_volumes(&self) -> impl Iterator<Item = &Claim> {
        let jobs = self.backup.iter().flat_map(|backup| &backup.jobs);
        jobs.filter_map(|job| job.volume.as_ref())
    }

    /// Returns the namespace of monitoring objects: the system namespace if the spec names one.
    #[must_use]
    pub fn monitoring_namespace(&self) -> &str {
        self.system_namespace.as_ref().unwrap_or(&self.namespace.name)
    }

    /// Claims whose pods all have to run on one node.
    pub fn co_scheduled_claims(&self) -> impl Iterator<Item = &str> {
        let components = self.components.iter().filter(|component| component.co_scheduled);
        components.map(|component| component.claim.as_str())
    }

    /// Returns whether the controller of an Ingress or Gateway serves a component.
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
    /// Whether the spec sets the level, so that it is no default.
    pub pod_security_asked: bool,
    pub deletion_policy: DeletionPolicy,
}

/// The location of the key that clients send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub secret: String,
    pub key: String,
    /// Whether the spec names no Secret, so that the operator creates one.
    pub generated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub backend: Backend,
    pub sharing: Sharing,
    pub access_mode: AccessMode,
    /// PVCs that the operator creates; none if an existing one is used.
    pub claims: Vec<Claim>,
    /// An existing PVC of the user that is used instead.
    pub existing_claim: Option<String>,
    /// Whether a PVC supports only one pod.
    pub one_pod: bool,
}

/// Scheduled backups of the data. Absent: no backups.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// A cron expression of five fields.
    pub schedule: String,
    /// A time zone of the IANA database.
    pub time_zone: String,
    pub suspend: bool,
    /// Number of backups to keep.
    pub keep: i32,
    /// One Job for each PVC that holds data.
    pub jobs: Vec<BackupJob>,
}

/// A backup of one PVC to its target.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupJob {
    /// Name of the CronJob.
    pub name: String,
    /// The PVC that holds the data.
    pub claim: String,
    pub target: BackupTarget,
    /// The target, if it is a PVC that the operator creates.
    pub volume: Option<Claim>,
    pub node_selector: StringMap,
    pub tolerations: Vec<Toleration>,
    /// User and groups of the servers: files next to the database must stay writable for them.
    pub identity: Identity,
}

/// The target of the backups of one PVC.
#[derive(Clone, Debug, PartialEq)]
pub enum BackupTarget {
    Claim(String),
    Bucket(Box<Bucket>),
}

/// An S3 bucket and its connection settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    pub name: String,
    /// The prefix, without a `/` at either end.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub path_style: bool,
    /// The credentials; `None`: the pods get keys for their ServiceAccount.
    pub key: Option<BucketKey>,
    /// ConfigMap and key of the certificates that are trusted instead of the public ones.
    pub ca: Option<(String, String)>,
    /// Space for one copy: the size of the data, if it is known.
    pub scratch: Option<Quantity>,
}

/// Secret with the credentials of a bucket; only pods read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKey {
    pub secret: String,
    pub key_id_key: String,
    pub secret_key_key: String,
}

/// A restore: a backup replaces the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The request ID; a restore is carried out once for each ID.
    pub request_id: String,
    /// File name of the backup.
    pub from: String,
    /// The component to restore, if each component has its own data.
    pub component: Option<ComponentKey>,
    /// The PVC that holds the data.
    pub claim: String,
}

/// The definition of a component. There are three, in [`super::defaults`].
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
    /// Size of the component's own PVC, with `sharing: PerComponent`.
    pub claim_size: &'static str,
}

impl ServerRole {
    /// Returns the port of a protocol, if the component serves it.
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
    /// The `appProtocol` for proxies that cannot detect the protocol.
    pub app_protocol: Option<&'static str>,
}

/// One enabled server role.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    pub role: &'static ServerRole,
    /// `L-{c}`: the name of its Deployment, ClusterIP Service, autoscaler, disruption budget and
    /// policy, and its `app` label.
    pub name: String,
    pub image: Image,
    pub scale: Scale,
    pub rollout: Rollout,
    pub resources: Resources,
    pub identity: Identity,
    pub probes: Probes,
    pub budget: PdbPolicy,
    /// Whether a drain may evict pods that are not ready.
    pub unhealthy_pod_eviction_policy: String,
    pub config: ConfigFile,
    /// The PVC that its pods mount.
    pub claim: String,
    /// Whether all pods that mount the PVC must run on one node.
    pub co_scheduled: bool,
    /// The user's own variables, without the operator's.
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
    /// Whether the component has no pods, and no objects that create or protect them: the whole cluster
    /// is stopped, or its data is being restored.
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
