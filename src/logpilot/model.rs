//! A validated cluster with every default filled in: whoever holds one can build all its objects, and
//! building cannot fail. Components are data; nothing downstream asks which one it has.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{monitoring::Monitoring, restart::Restart};
use crate::{
    api::{
        cluster::{Environment, PodSecurity},
        common::{
            DeletionPolicy, EnvFromSource, EnvVar, ImagePullPolicy, IntOrPercent, ProbePort, Quantity,
            ResourceList, StringMap, Toleration, TopologySpread,
        },
        component::{ProbeMode, ScalingBehavior, UnhealthyPodEviction},
        exposure::{ComponentKey, HttpMethod, IssuerRef, Protocol},
        gateway::ParentRef,
        network::{Egress, Peer, PodPeer},
        patches::ObjectPatch,
        storage::{AccessMode, Backend, Sharing},
    },
    engine::plan::Key,
    workload::{image::Image, names::ClusterName},
};

#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The resource's name: the `instance` label and the owner reference.
    pub name: String,
    pub uid: String,
    /// `L` of the design: the prefix of every child's name.
    pub prefix: ClusterName,
    pub environment: Environment,
    pub namespace: ServersNamespace,
    pub system_namespace: Option<String>,
    pub common_labels: StringMap,
    pub common_annotations: StringMap,
    pub service_account_annotations: StringMap,
    pub image_pull_policy: Option<ImagePullPolicy>,
    pub image_pull_secrets: Vec<String>,
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
    pub network_policy: Option<NetworkPolicy>,
    pub limit_range: Option<LimitRange>,
    pub quota: Option<Quota>,
    /// What holds data says that it may not be deleted.
    pub deletion_protection: bool,
    pub paused: bool,
    pub patches: Vec<ObjectPatch>,
    /// By the user's wish; the components say which of them have no pods.
    pub stopped: bool,
}

impl Cluster {
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

#[derive(Clone, Debug, PartialEq, Eq)]
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    /// The component it belongs to; `None` where all share it.
    pub role: Option<&'static ServerRole>,
    pub size: Quantity,
    pub storage_class_name: Option<String>,
    pub access_mode: AccessMode,
    pub deletion_policy: DeletionPolicy,
}

/// Scheduled copies of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupTarget {
    Claim(String),
    Bucket(Box<Bucket>),
}

/// Of S3, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub unhealthy_pods: UnhealthyPodEviction,
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
    pub topology_spread: Option<Vec<TopologySpread>>,
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

/// Who decides how many pods there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    Fixed(i32),
    Autoscaled(Autoscaler),
}

impl Scale {
    /// The most pods that can run, a surge apart.
    #[must_use]
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Autoscaled(scaler) => scaler.max,
        }
    }

    /// The fewest pods that should run.
    #[must_use]
    pub fn fewest(&self) -> i32 {
        match self {
            Self::Fixed(replicas) => *replicas,
            Self::Autoscaled(scaler) => scaler.min,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    pub min: i32,
    pub max: i32,
    /// Percent of the request. At least one of the two targets is given.
    pub cpu: Option<i32>,
    pub memory: Option<i32>,
    pub behavior: Option<ScalingBehavior>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every old pod stops before a new one starts.
    Recreate,
    RollingUpdate {
        max_surge: IntOrPercent,
        max_unavailable: IntOrPercent,
    },
}

/// Requests and limits with every default filled in; a CPU limit may be none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub requests: ResourceList,
    pub limits: ResourceList,
}

/// User and groups of a pod; `None` is what the platform assigns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub user: Option<i64>,
    pub group: Option<i64>,
    /// Owns the volumes.
    pub fs_group: Option<i64>,
}

/// Health checks; `None` is a probe that was turned off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    pub liveness: Option<Probe>,
    pub readiness: Option<Probe>,
    pub startup: Option<Probe>,
}

impl Probes {
    /// Those that run.
    pub fn all(&self) -> impl Iterator<Item = &Probe> {
        [&self.liveness, &self.readiness, &self.startup].into_iter().flatten()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// By which `check` was chosen, for people.
    pub mode: ProbeMode,
    pub check: ProbeType,
    pub timing: ProbeTiming,
}

/// What a probe asks. Ports are names of the container's, or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeType {
    Http { path: String, port: ProbePort },
    Tcp { port: ProbePort },
    Grpc { port: i32 },
    Exec { command: Vec<String> },
}

/// In seconds and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    pub initial_delay: i32,
    pub period: i32,
    pub timeout: i32,
    pub failures: i32,
    pub successes: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PdbPolicy {
    /// Nothing was said: one pod at a time, where that cannot block a drain.
    Default,
    Off,
    MinAvailable(IntOrPercent),
    MaxUnavailable(IntOrPercent),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    pub http_port: i32,
    pub grpc_port: i32,
    pub class: Option<String>,
    pub source_ranges: Vec<String>,
    pub annotations: StringMap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePort {
    pub http: Option<i32>,
    pub grpc: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    pub class_name: Option<String>,
    pub annotations: StringMap,
    pub routes: Vec<Route>,
    pub tls: Option<Tls>,
    pub cors: Option<Cors>,
    pub requests_per_second: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    pub parents: GatewayParents,
    pub routes: Vec<Route>,
}

/// What the routes of the Gateway API hang on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayParents {
    /// A Gateway that we make.
    Own { class_name: String, tls: Option<Tls> },
    /// Somebody else's.
    Existing(Vec<ParentRef>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub secret_name: String,
    pub issuer: Option<IssuerRef>,
}

/// `None` is the default of the annotation's writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    pub allow_origins: Option<Vec<String>>,
    pub allow_methods: Option<Vec<HttpMethod>>,
    pub allow_headers: Option<Vec<String>>,
}

/// One host and path, and the Service and port behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `None`: every host that no other rule names.
    pub host: Option<String>,
    pub path: String,
    /// What stands in the place of the path when the request arrives; without a `/` at the end, but for `/` itself.
    pub rewrite: Option<String>,
    pub protocol: Protocol,
    pub service: String,
    pub port: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// `None`: anyone.
    pub clients: Option<Vec<Peer>>,
    pub monitoring: PodPeer,
    /// `None` where nobody said who it is, and the class does not tell.
    pub ingress_controller: Option<PodPeer>,
    pub egress: Vec<Egress>,
}

/// What a container of the namespace gets that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRange {
    pub requests: ResourceList,
    pub limits: ResourceList,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// By the names that a ResourceQuota knows, such as `requests.cpu`. Never empty.
    pub hard: BTreeMap<&'static str, Quantity>,
}

impl From<&IntOrPercent> for IntOrString {
    fn from(count: &IntOrPercent) -> Self {
        match count {
            IntOrPercent::Int(number) => Self::Int(*number),
            IntOrPercent::Percent(text) => Self::String(text.clone()),
        }
    }
}
