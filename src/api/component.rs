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
    /// `false` turns the component off and keeps its settings.
    pub enabled: Option<bool>,
    /// Overrides `spec.image` for this component.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::image_format(), validation = rules::image_version())]
    pub image: Option<String>,
    /// Number of pods; not together with `autoscaling`. Default: 2 for all and grpc, 3 for rest.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// CPU and memory of the server container.
    #[x_kube(
        validation = rule::memory_within_limit("256Mi", "512Mi"),
        validation = rule::ephemeral_storage_within_limit()
    )]
    pub resources: Option<Resources>,
    /// User and groups of the pods, and of those that back its data up, restore it or try its configuration.
    pub security_context: Option<PodIdentity>,
    /// Health checks.
    pub probes: Option<Probes>,
    /// How pods are replaced.
    pub strategy: Option<Strategy>,
    /// Seconds a pod must be ready before it counts as available. Default 0.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: Option<i32>,
    /// Seconds after which an update without progress is reported as stuck. Default 600.
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,
    /// Old revisions kept for a rollback.
    #[schemars(range(min = 1, max = 100))]
    pub revision_history_limit: Option<i32>,
    /// Seconds a pod may take to stop, the 5 s preStop delay included. Default 45.
    #[schemars(range(min = 0, max = 3600))]
    #[x_kube(validation = rule::grace_period())]
    pub termination_grace_period_seconds: Option<i64>,
    /// A HorizontalPodAutoscaler. Replicas then belong to it.
    pub autoscaling: Option<Autoscaling>,
    /// A PodDisruptionBudget.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// More environment variables. Settings of the operator have fields of their own.
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// Secrets and ConfigMaps whose keys become environment variables.
    #[schemars(length(max = 16))]
    pub env_from: Option<Vec<EnvFromSource>>,
    /// Added to the pods' labels.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub pod_labels: StringMap,
    /// Added to the pods' annotations.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub pod_annotations: StringMap,
    /// Labels a node must have to run the pods.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub node_selector: StringMap,
    /// Taints that the pods tolerate.
    #[schemars(length(max = 32))]
    pub tolerations: Option<Vec<Toleration>>,
    /// How the pods spread over zones or nodes. Left out: over both, where they may; `[]`: not at all.
    #[schemars(length(max = 8))]
    #[x_kube(validation = rule::spread_once())]
    pub topology_spread: Option<Vec<TopologySpread>>,
    /// A PriorityClass of the cluster; not one of the system's.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name(), validation = rule::priority_class())]
    pub priority_class_name: Option<String>,
    /// A Service of type LoadBalancer in front of the component.
    pub load_balancer: Option<LoadBalancer>,
    /// A Service of type NodePort in front of the component.
    pub node_port: Option<NodePort>,
    /// This component's own claim; only with `storage.sharing: PerComponent`.
    pub volume: Option<ComponentVolume>,
}

/// Size of a component's own claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ComponentVolume {
    /// May grow. A smaller size is taken while the volume is not that large yet; no volume shrinks.
    #[schemars(schema_with = "super::schema::memory")]
    pub size: Quantity,
}

/// User and groups of the pods. Components that share a volume have the same user and `fsGroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::platform_assigns_all())]
pub struct PodIdentity {
    /// `Platform` leaves user and groups out of the pods, for platforms that assign them, such as OpenShift.
    /// Default `Operator`.
    pub assigned_by: Option<AssignedBy>,
    /// Default 10001. 0, which is root, only where `namespace.podSecurity` is not `Restricted`.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Default: the number of the user.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// The group that owns the volumes. Default: the number of the user. With another group than before, the kubelet
    /// hands all files of a volume over to it at the next start.
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub fs_group: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AssignedBy {
    /// The operator writes user and groups into the pods.
    #[default]
    Operator,
    /// The platform's admission does.
    Platform,
}

/// Health checks of the server container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::exec_has_command(), validation = rule::command_only_with_exec())]
pub struct Probes {
    /// `ActuatorGroups`: HTTP on the management port, `/actuator/health/liveness` and `/readiness`.
    /// `Actuator`: `/actuator/health` for every probe, so that a storage fault restarts the pod. `Tcp`: a
    /// connection to the serving port. `Grpc`: the gRPC health protocol, which the server answers only to
    /// callers with the API key. `Http`: the `path` of each probe. `Exec`: `command`. Each probe may have a mode of its
    /// own. Default `ActuatorGroups`.
    pub mode: Option<ProbeMode>,
    /// Command of mode `Exec`, run without a shell.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// Failing it restarts the pod.
    #[x_kube(validation = rule::one_success())]
    pub liveness: Option<ProbeTimings>,
    /// Failing it takes the pod out of its Services.
    pub readiness: Option<ProbeTimings>,
    /// Until it succeeds the others wait.
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
    /// A connection to the serving port.
    Tcp,
    /// The gRPC health protocol on the gRPC port. The server answers it only to callers with the API key.
    Grpc,
    /// HTTP on the management port, or on `port`, to the `path` that the probe names.
    Http,
    /// A command in the container.
    Exec,
}

/// One probe: what it asks, and its timing in seconds. Each value not given keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::probe_says_what_its_mode_asks())]
pub struct ProbeTimings {
    /// `false` leaves this probe out.
    pub enabled: Option<bool>,
    /// As `probes.mode`, for this probe alone.
    pub mode: Option<ProbeMode>,
    /// What an HTTP probe asks for. Default: that of the mode; `Http` has none.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::probe_path())]
    pub path: Option<String>,
    /// `management`, `http`, `grpc` or a number. Default: the management port for HTTP, the serving port for `Tcp`, and
    /// the gRPC port for `Grpc`.
    #[serde(default)]
    pub port: Option<ProbePort>,
    /// Command of mode `Exec`, for this probe alone.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// Seconds from the container's start to the first check.
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between checks.
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,
    /// Seconds an answer may take.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
    /// Failures in a row that count.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
    /// Only 1 for liveness and startup, as in a Pod.
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
    /// `false` removes the Service and keeps its settings.
    pub enabled: Option<bool>,
    /// Default 80; only for a component that serves HTTP.
    #[schemars(range(min = 1, max = 65535))]
    pub http_port: Option<i32>,
    /// Default 50051; only for a component that serves gRPC.
    #[schemars(range(min = 1, max = 65535))]
    pub grpc_port: Option<i32>,
    /// The implementation that serves it, where it is not the cluster's default. Immutable while there is one.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub class: Option<String>,
    /// Clients that may connect, as CIDR blocks; at least one. Left out: everyone.
    #[schemars(schema_with = "super::schema::cidrs")]
    #[serde(default)]
    pub source_ranges: Option<Vec<String>>,
    /// Settings of the cloud's load balancer.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_annotations())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
}

/// A Service of type NodePort in front of the component. Ports not given are allocated by the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::presence::switch_stays_off("clients could connect"))]
pub struct NodePort {
    /// `false` removes the Service and keeps its settings.
    pub enabled: Option<bool>,
    /// Port for HTTP; only for a component that serves it.
    #[schemars(range(min = 30000, max = 32767))]
    pub http: Option<i32>,
    /// Port for gRPC; only for a component that serves it.
    #[schemars(range(min = 30000, max = 32767))]
    pub grpc: Option<i32>,
}

/// An environment variable of the server container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueFrom)")
    .message("must have exactly one of `value` and `valueFrom`; an empty variable is `value: ''`"))]
pub struct EnvVar {
    /// A C identifier that is not one of the operator's own settings.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::environment::variable_name(), validation = rules::environment::not_owned())]
    pub name: String,
    /// Plain text. Secrets belong into `valueFrom`.
    #[schemars(length(max = 32768))]
    pub value: Option<String>,
    /// A Secret, a ConfigMap or a field of the pod.
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
