//! One server role: `all`, `rest` or `grpc`. A component exists when its key is present.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use workload::{
    StringMap,
    api::{
        common::{EnvFromSource, EnvVarSource, Quantity, Resources, Toleration, TopologySpread},
        component::{Autoscaling, PodDisruptionBudget, Strategy},
    },
};

use super::rules::{self, components as rule};

/// Settings of one component. `{}` is a complete component with the defaults of its role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::replicas_or_autoscaling(),
    validation = rule::replicas_after_autoscaling(),
    validation = rule::deadline_after_min_ready(),
    validation = rules::presence::switch_stays_off("its pods would start"),
    validation = rules::presence::no_replicas_are_kept()
)]
pub struct ComponentSpec {
    /// `false` removes the component and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Overrides `spec.image` for this component.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::image_format(), validation = rules::image_version())]
    pub image: Option<String>,
    /// Number of pods. Not allowed while `autoscaling` is enabled. Default: set by `environment`; in
    /// `Production`, 2 for `all` and `grpc`, 3 for `rest`.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// CPU, memory and ephemeral storage of the server container.
    #[x_kube(
        validation = rule::memory_within_limit("256Mi", "512Mi"),
        validation = rule::ephemeral_storage_within_limit()
    )]
    pub resources: Option<Resources>,
    /// User and groups of the server pods and of the backup, restore and config-check pods of this component.
    pub security_context: Option<PodIdentity>,
    /// Health checks of the server container.
    pub probes: Option<Probes>,
    /// How pods are replaced during an update. Absent values follow from the storage.
    pub strategy: Option<Strategy>,
    /// Seconds that a new pod must be ready before it counts as available. Default 0.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: Option<i32>,
    /// Seconds without progress after which an update is reported as stuck. Must be greater than
    /// `minReadySeconds`. Default 600.
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,
    /// Number of old revisions to keep for a rollback. Default 10, as in Kubernetes.
    #[schemars(range(min = 1, max = 100))]
    pub revision_history_limit: Option<i32>,
    /// Seconds that a pod has to terminate, including the 5 s preStop delay. At least 6. Default 45.
    #[schemars(range(min = 0, max = 3600))]
    #[x_kube(validation = rule::grace_period())]
    pub termination_grace_period_seconds: Option<i64>,
    /// HorizontalPodAutoscaler of the component. It then controls the number of pods.
    pub autoscaling: Option<Autoscaling>,
    /// PodDisruptionBudget of the component. Default: `maxUnavailable: 1`, if that cannot block a drain.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// Additional environment variables, except those that the operator sets, which have fields of their own.
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// Secrets and ConfigMaps whose keys become environment variables.
    #[schemars(length(max = 16))]
    pub env_from: Option<Vec<EnvFromSource>>,
    /// Labels that are added to the pods.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub pod_labels: StringMap,
    /// Annotations that are added to the pods.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub pod_annotations: StringMap,
    /// Labels that a node must have to run the pods.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub node_selector: StringMap,
    /// Taints that the pods tolerate.
    #[schemars(length(max = 32))]
    pub tolerations: Option<Vec<Toleration>>,
    /// How the pods spread over zones or nodes. Absent: over both if the storage allows it. `[]`: not at all.
    #[schemars(length(max = 8))]
    #[x_kube(validation = rule::spread_once())]
    pub topology_spread: Option<Vec<TopologySpread>>,
    /// PriorityClass of the pods. The classes of the system (`system-…`) are not allowed.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name(), validation = rule::priority_class())]
    pub priority_class_name: Option<String>,
    /// Service of type LoadBalancer in front of the component.
    pub load_balancer: Option<LoadBalancer>,
    /// Service of type NodePort in front of the component.
    pub node_port: Option<NodePort>,
    /// PersistentVolumeClaim of this component. Allowed only with `storage.sharing: PerComponent`.
    pub volume: Option<ComponentVolume>,
}

/// Size of the PVC of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ComponentVolume {
    /// Size of the PVC. Can be increased. It can be decreased only as long as the volume has not reached the
    /// new size, because volumes cannot shrink.
    #[schemars(schema_with = "super::schema::memory")]
    pub size: Quantity,
}

/// User and groups of the pods. Components that share a volume must have the same user and `fsGroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::platform_assigns_all())]
pub struct PodIdentity {
    /// Source of the IDs. `Operator`: the operator sets them. `Platform`: the operator leaves them out of the
    /// pods, for platforms that assign them, such as OpenShift. Default `Operator`.
    pub assigned_by: Option<AssignedBy>,
    /// User ID. 0 (root) is allowed only if `namespace.podSecurity` is not `Restricted`. Default 10001.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Group ID. Default: `runAsUser`.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// Group ID that owns the volumes. After a change, the kubelet changes the group of all files of a volume
    /// at the next start. Default: `runAsUser`.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub fs_group: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AssignedBy {
    /// The operator writes user and groups into the pods.
    #[default]
    Operator,
    /// The platform's admission controller sets user and groups.
    Platform,
}

/// Health checks of the server container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::exec_has_command(), validation = rule::command_only_with_exec())]
pub struct Probes {
    /// How the probes check the server. `ActuatorGroups`: HTTP on the management port,
    /// `/actuator/health/liveness` and `/actuator/health/readiness`. `Actuator`: HTTP on the management port,
    /// `/actuator/health` for every probe, so that a storage fault restarts the pod. `Tcp`: a connection to
    /// the serving port. `Grpc`: the gRPC health protocol, which the server answers only to callers with the
    /// API key. `Http`: HTTP to the `path` of each probe. `Exec`: `command`. A probe can override the mode.
    /// Default `ActuatorGroups`.
    pub mode: Option<ProbeMode>,
    /// Command of mode `Exec`, run without a shell. Required with that mode.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// Liveness probe. The kubelet restarts the container if it fails.
    #[x_kube(validation = rule::one_success())]
    pub liveness: Option<ProbeTimings>,
    /// Readiness probe. The pod receives no traffic from its Services while it fails.
    pub readiness: Option<ProbeTimings>,
    /// Startup probe. The other probes start after it succeeds.
    #[x_kube(validation = rule::one_success())]
    pub startup: Option<ProbeTimings>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProbeMode {
    /// HTTP on the management port: `/actuator/health/liveness` and `/actuator/health/readiness`.
    #[default]
    ActuatorGroups,
    /// HTTP on the management port: `/actuator/health` for every probe; a storage fault restarts the pod.
    Actuator,
    /// A TCP connection to the serving port.
    Tcp,
    /// The gRPC health protocol on the gRPC port. The server answers only callers with the API key.
    Grpc,
    /// HTTP to the `path` of the probe, on the management port or on `port`.
    Http,
    /// A command in the container.
    Exec,
}

/// One probe: its target, and its timing in seconds. Absent values keep their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::probe_says_what_its_mode_asks())]
pub struct ProbeTimings {
    /// `false` removes this probe. Default true.
    pub enabled: Option<bool>,
    /// Mode of this probe. Default: `probes.mode`.
    pub mode: Option<ProbeMode>,
    /// Path of an HTTP probe. Required with mode `Http`, which has no default. Default: the path of the mode.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::probe_path())]
    pub path: Option<String>,
    /// Port of the probe: `management`, `http`, `grpc` or a number. Default: the management port for HTTP,
    /// the serving port for `Tcp`, and the gRPC port for `Grpc`.
    #[serde(default)]
    pub port: Option<ProbePort>,
    /// Command of mode `Exec`, for this probe only. Default: `probes.command`.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// Seconds from the start of the container to the first check. Default 30 (liveness) or 10.
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between checks. Default 10 for liveness and startup, 5 for readiness.
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,
    /// Seconds after which a check without a response fails. Default 3 for readiness, 5 for the others.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
    /// Consecutive failures after which the probe fails. Default 10 for startup, 3 for the others.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
    /// Consecutive successes after which the probe succeeds. Only 1 for liveness and startup, as in a Pod.
    /// Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub success_threshold: Option<i32>,
}

/// A Service of type LoadBalancer in front of the component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::load_balancer_class_is_kept(),
    validation = rules::presence::source_ranges_are_kept(),
    validation = rules::presence::some_source_range(),
    validation = rules::presence::switch_stays_off("clients could connect"),
    validation = rules::widening::load_balancer_guards_are_kept()
)]
pub struct LoadBalancer {
    /// `false` removes the Service and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Port for HTTP. Only for a component that serves HTTP. Default 80.
    #[schemars(range(min = 1, max = 65535))]
    pub http_port: Option<i32>,
    /// Port for gRPC. Only for a component that serves gRPC. Default 50051.
    #[schemars(range(min = 1, max = 65535))]
    pub grpc_port: Option<i32>,
    /// Load balancer class. Immutable while the load balancer exists. Default: the default implementation of
    /// the Kubernetes cluster.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub class: Option<String>,
    /// Client addresses that may connect, as CIDR blocks. At least one. Absent: all clients may connect.
    #[schemars(schema_with = "super::schema::cidrs")]
    #[serde(default)]
    pub source_ranges: Option<Vec<String>>,
    /// Annotations of the Service, which configure the load balancer of the cloud provider.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
}

/// A Service of type NodePort in front of the component. Kubernetes allocates the ports that are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::presence::switch_stays_off("clients could connect"))]
pub struct NodePort {
    /// `false` removes the Service and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Node port for HTTP, from 30000 to 32767. Only for a component that serves HTTP. Default: allocated by
    /// Kubernetes.
    #[schemars(range(min = 30000, max = 32767))]
    pub http: Option<i32>,
    /// Node port for gRPC, from 30000 to 32767. Only for a component that serves gRPC. Default: allocated by
    /// Kubernetes.
    #[schemars(range(min = 30000, max = 32767))]
    pub grpc: Option<i32>,
}

/// An environment variable of the server container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)")
    .message("must have exactly one of `value` and `valueFrom`; for an empty variable write `value: ''`"))]
pub struct EnvVar {
    /// Name of the variable: a C identifier that is not one of the operator's own settings.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::environment::variable_name(), validation = rules::environment::not_owned())]
    pub name: String,
    /// Value as plain text. Use `valueFrom` for secret values.
    #[schemars(length(max = 32768))]
    pub value: Option<String>,
    /// Source of the value: a Secret, a ConfigMap, a field of the pod, or a resource of the
    /// container.
    pub value_from: Option<EnvVarSource>,
}

/// A port of the server container, by name or number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProbePort {
    Number(i32),
    /// `management`, `http` or `grpc`.
    Name(String),
}

impl JsonSchema for ProbePort {
    fn schema_name() -> Cow<'static, str> {
        "ProbePort".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema::probe_port()
    }
}
