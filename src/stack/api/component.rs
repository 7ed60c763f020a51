//! One component of a stack.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rules as rule, volume::ComponentVolume};
use crate::workload::{
    StringMap,
    api::{
        common::{ResourceList, Toleration, TopologySpread},
        component::{PodDisruptionBudget, ScalingBehavior, Strategy},
        network::Peer,
        rules,
    },
};

/// A component: a program that runs as a Deployment, StatefulSet or Job, or an address outside the stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::external_or_image(),
    validation = rule::job_runs_once(),
    validation = rule::job_settings_need_job(),
    validation = rule::stateful_sets_are_not_scaled(),
    validation = rule::one_writer(),
    validation = rule::replicas_or_autoscaling(),
    validation = rule::limits_in_order(),
    validation = rule::probe_has_port()
)]
pub struct ComponentSpec {
    /// `Deployment` for programs without data of their own, `StatefulSet` for databases, `Job` for what
    /// runs once, such as a migration, and `External` for an address outside the stack. Default
    /// `Deployment`.
    pub kind: Option<ComponentKind>,
    /// `false` removes the workload; PVCs and settings are kept. Default `true`.
    pub enabled: Option<bool>,
    /// Image. Without a tag it has `spec.release.tag`; without registry and tag also `spec.release.registry`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::image_format())]
    pub image: Option<String>,
    /// Entrypoint of the container, run without a shell. Default: that of the image.
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub command: Option<Vec<String>>,
    /// Arguments of the entrypoint. Default: those of the image.
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub args: Option<Vec<String>>,
    /// User ID of the container. Containers never run as root. Default 10001.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub user: Option<i64>,
    /// Group ID of the container, which also owns its volumes. Default: the number of the user.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub group: Option<i64>,
    /// With `true` the container can write only to its volumes. Default `false`.
    pub read_only_root_filesystem: Option<bool>,
    /// Ports. The first is the main port, which references, probes and exposure use where none is named.
    /// Without ports the component has no Service.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(validation = rule::ports_differ())]
    pub ports: Option<Vec<Port>>,
    /// Environment variables by name. Values may contain references, such as `$(mysql.address)`,
    /// `$(secrets.mysql.password)` and `$(pod.name)`.
    #[schemars(schema_with = "super::schema::env")]
    #[x_kube(validation = rule::variable_names(), validation = rule::variables_are_not_hidden())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub env: StringMap,
    /// Secrets and ConfigMaps of this namespace whose keys become environment variables.
    #[schemars(length(max = 8))]
    pub env_from: Option<Vec<EnvFrom>>,
    /// Files by absolute path, each at most 64 KiB and 256 KiB in all. Text may contain references to
    /// components, not to secrets.
    #[schemars(schema_with = "super::schema::files")]
    #[x_kube(validation = rule::file_paths())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub files: StringMap,
    /// Volumes by name.
    #[schemars(schema_with = "super::schema::component_volumes")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, ComponentVolume>,
    /// Paths of the node, mounted at the same path. Only those that an administrator granted to the
    /// namespace with the annotation `logpilot.io/host-paths`.
    #[schemars(length(max = 4))]
    pub host_paths: Option<Vec<HostPath>>,
    /// Health checks. Default: a TCP connection to the main port, for readiness and startup.
    pub probes: Option<Probes>,
    /// CPU and memory of the container. Default: those of `spec.environment`.
    pub resources: Option<Resources>,
    /// Number of pods; not together with `autoscaling`. Default: that of `spec.environment`; one for a
    /// StatefulSet.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// A HorizontalPodAutoscaler, which then decides the number of pods.
    pub autoscaling: Option<Autoscaling>,
    /// Bounds of the number of pods that the program itself has. They limit `replicas` and `autoscaling`.
    pub replica_limits: Option<ReplicaLimits>,
    /// How pods are replaced. Default `RollingUpdate`, and `Recreate` for one pod with a PVC of its own.
    pub strategy: Option<Strategy>,
    /// Seconds that a pod must be ready before it counts as available. Default 0.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: Option<i32>,
    /// Seconds after which a rollout without progress is reported as failed. Default 600.
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,
    /// Seconds that a pod may take to stop, including the 5 s preStop delay. Default 30.
    #[schemars(range(min = 6, max = 3600))]
    pub termination_grace_period_seconds: Option<i64>,
    /// A PodDisruptionBudget. Default `maxUnavailable: 1` where two pods can run.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// Components that must be ready, or a Job complete, before this one is created, and that finish
    /// their own change before this one changes. They also get network access to each other's ports as
    /// `spec.networkPolicy` says.
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)), extend("x-kubernetes-list-type" = "set"))]
    pub depends_on: Option<Vec<String>>,
    /// Where the component serves Prometheus metrics.
    pub metrics: Option<Metrics>,
    /// A Service `<name>-loadbalancer` of type LoadBalancer.
    pub load_balancer: Option<LoadBalancer>,
    /// Labels that a node must have to run the pods.
    #[schemars(schema_with = "crate::workload::api::schema::labels")]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub node_selector: StringMap,
    /// Taints that the pods tolerate.
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
    /// How the pods spread over zones or nodes. Default: over nodes, as far as possible.
    #[schemars(length(max = 4))]
    pub topology_spread: Option<Vec<TopologySpread>>,
    /// Settings of kind Job.
    pub job: Option<Job>,
    /// Address of kind External.
    pub external: Option<External>,
    /// Network access to this component.
    pub network_policy: Option<ComponentNetworkPolicy>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ComponentKind {
    #[default]
    Deployment,
    StatefulSet,
    Job,
    External,
}

/// A port of the container, and of the component's Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name, by which references, probes and exposure name the port.
    #[schemars(length(min = 1, max = 15), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Number of the Service's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Number of the container's port. Default: `port`.
    #[schemars(range(min = 1, max = 65535))]
    pub target_port: Option<i32>,
    /// Default `TCP`.
    pub protocol: Option<PortProtocol>,
    /// Application protocol, such as `kubernetes.io/ws`, for proxies that cannot detect it.
    #[schemars(length(min = 1, max = 253))]
    pub app_protocol: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PortProtocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
}

/// All keys of a Secret or ConfigMap as environment variables: exactly one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.configMap)")
    .message("must have exactly one of `secret` and `configMap`"))]
pub struct EnvFrom {
    /// Name of a Secret.
    #[schemars(length(min = 1, max = 253))]
    pub secret: Option<String>,
    /// Name of a ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub config_map: Option<String>,
    /// Prefix of each variable's name.
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// With `true` the pod starts without the object. Default `false`.
    pub optional: Option<bool>,
}

/// A path of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostPath {
    /// Absolute path on the node and in the container.
    #[schemars(length(min = 2, max = 512))]
    #[x_kube(validation = rule::host_path())]
    pub path: String,
    /// Type that the path must have. Default: not checked.
    #[serde(rename = "type")]
    pub type_: Option<HostPathType>,
    /// Default `false`.
    pub read_only: Option<bool>,
    /// Supplementary group of the pod, for a socket that belongs to a group.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub group: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostPathType {
    Directory,
    File,
    Socket,
}

/// Health checks: one way of checking, and the timing of each probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::one_way_to_probe())]
pub struct Probes {
    /// Path of an HTTP request. With a path there is a liveness probe too, three times as patient as
    /// readiness.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::components::probe_path())]
    pub path: Option<String>,
    /// Command in the container, run without a shell.
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    pub command: Option<Vec<String>>,
    /// With `true` a TCP connection, which is the default.
    pub tcp: Option<bool>,
    /// With `true` the gRPC health protocol.
    pub grpc: Option<bool>,
    /// Name of the port. Default: the main port.
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,
    /// Restarts the container when it fails.
    pub liveness: Option<Probe>,
    /// Removes the pod from its Services while it fails. Dependents wait for it.
    pub readiness: Option<Probe>,
    /// The other probes wait until it succeeds. Default: 60 attempts, one every 5 s.
    pub startup: Option<Probe>,
}

/// One probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// `false` removes this probe.
    pub enabled: Option<bool>,
    /// Path of an HTTP request, for this probe alone.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::components::probe_path())]
    pub path: Option<String>,
    /// Seconds from the start of the container to the first check.
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between two checks.
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,
    /// Seconds that an answer may take.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,
    /// Consecutive failures after which the probe fails.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
}

/// CPU and memory of the container. They replace those of `spec.environment` as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::requests_within_limits("cpu"), validation = rule::requests_within_limits("memory"))]
pub struct Resources {
    /// Reserved for the pod by the scheduler.
    pub requests: Option<ResourceList>,
    /// Upper bound of what the container may use.
    pub limits: Option<ResourceList>,
}

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// `false` removes the autoscaler and keeps the settings.
    pub enabled: Option<bool>,
    /// Fewest pods. Default: the number of pods of `spec.environment`.
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: Option<i32>,
    /// Most pods. Required, here or in `spec.defaults`.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: Option<i32>,
    /// Average CPU use in percent of the request. Default 70 where no target is given.
    #[schemars(range(min = 1, max = 500))]
    #[serde(rename = "targetCPUUtilizationPercentage")]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// Average memory use in percent of the request.
    #[schemars(range(min = 1, max = 500))]
    pub target_memory_utilization_percentage: Option<i32>,
    /// How fast the autoscaler adds and removes pods.
    pub behavior: Option<ScalingBehavior>,
}

/// Bounds of the number of pods that the program itself has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max")
    .message("`min` must not be greater than `max`"))]
pub struct ReplicaLimits {
    /// Fewest pods.
    #[schemars(range(min = 1, max = 100))]
    pub min: Option<i32>,
    /// Most pods. With 1 there is no autoscaler.
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<i32>,
    /// Why, shown in the warning `ReplicasCapped`.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}

/// Where the component serves Prometheus metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Metrics {
    /// `false` turns scraping off and keeps the settings.
    pub enabled: Option<bool>,
    /// Name of the port. Default: the main port.
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,
    /// Default `/metrics`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::components::probe_path())]
    pub path: Option<String>,
}

/// A Service of type LoadBalancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// `false` removes the Service and keeps the settings.
    pub enabled: Option<bool>,
    /// Names of the ports. Default: the main port.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 15)), extend("x-kubernetes-list-type" = "set"))]
    pub ports: Option<Vec<String>>,
    /// Clients that may connect, as CIDR blocks. Default: any.
    #[schemars(schema_with = "crate::workload::api::schema::cidrs")]
    #[serde(default)]
    pub source_ranges: Option<Vec<String>>,
}

/// Settings of kind Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Retries before the Job fails. Default 3.
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<i32>,
    /// Seconds after which the Job fails. Default 600.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: Option<i64>,
}

/// An address outside the stack. The operator does not check it and never connects to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.host) != has(self.service)")
    .message("must have exactly one of `host` and `service`"))]
pub struct External {
    /// DNS name or IP address.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::external_host())]
    pub host: Option<String>,
    /// Name of a Service of this namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label())]
    pub service: Option<String>,
    /// Number of the port, for `$(<component>.port)` and `$(<component>.address)`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// Network access to one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ComponentNetworkPolicy {
    /// `false` creates no policy for this component and keeps the settings.
    pub enabled: Option<bool>,
    /// Clients that may connect, in addition to those that the graph gives.
    #[schemars(length(max = 8))]
    pub clients: Option<Vec<Peer>>,
}

impl ComponentSpec {
    /// The kind, with its default.
    #[must_use]
    pub fn kind(&self) -> ComponentKind {
        self.kind.unwrap_or_default()
    }
}
