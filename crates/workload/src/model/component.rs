//! One part of a product that runs as pods of its own.

use k8s_openapi::api::{
    core::v1::{EnvFromSource, EnvVar, Toleration, TopologySpreadConstraint, Volume, VolumeMount},
    networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer},
};

use super::{LoadBalancer, NodePort, PdbPolicy, Probes, Rollout, Scale};
use crate::{Quantities, StringMap, image::Image};

/// A component: one Deployment, the Services in front of it, and what guards and scales its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its Deployment, ClusterIP Service, autoscaler, disruption budget and network policy, and its `app` label.
    pub name: String,
    /// Value of the `component` label, and the last part of the names of its other objects.
    pub kind: String,
    pub image: Image,
    /// Name of its container.
    pub container: String,
    /// Entrypoint. Empty: that of the image.
    pub command: Vec<String>,
    /// Arguments of the entrypoint. Empty: those of the image.
    pub args: Vec<String>,
    pub read_only_root_filesystem: bool,
    pub ports: Vec<Port>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub mounts: Vec<VolumeMount>,
    pub volumes: Vec<Volume>,
    pub resources: Resources,
    pub probes: Probes,
    pub identity: Identity,
    /// The user's own.
    pub pod_labels: StringMap,
    /// All of them: a change rolls the pods.
    pub pod_annotations: StringMap,
    /// The claim that its pods mount, by which pods that need one node find each other.
    pub claim: Option<String>,
    /// All pods that mount the claim must run on one node.
    pub co_scheduled: bool,
    pub node_selector: StringMap,
    pub tolerations: Vec<Toleration>,
    /// Without selectors. `None`: the default spread.
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub priority_class_name: Option<String>,
    pub grace_period_seconds: i64,
    pub scale: Scale,
    pub rollout: Rollout,
    pub min_ready_seconds: Option<i32>,
    pub progress_deadline_seconds: Option<i32>,
    pub revision_history_limit: Option<i32>,
    pub budget: PdbPolicy,
    /// What a drain may do with pods that are not ready: `AlwaysAllow` or `IfHealthyBudget`.
    pub unhealthy_pod_eviction_policy: String,
    pub load_balancer: Option<LoadBalancer>,
    pub node_port: Option<NodePort>,
    /// `None` where no policy is wanted.
    pub network_policy: Option<NetworkPolicy>,
    /// No pods, and nothing that would scale or guard them.
    pub stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    /// Of the container.
    pub number: i32,
    /// Of the Service.
    pub published: i32,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Told to proxies that cannot guess the protocol.
    pub app_protocol: Option<String>,
    /// Only the monitoring connects to it.
    pub internal: bool,
}

/// Requests and limits with every default filled in; a CPU limit may be none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    pub requests: Quantities,
    pub limits: Quantities,
}

/// User and groups of a pod; `None` is what the platform assigns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub user: Option<i64>,
    pub group: Option<i64>,
    /// Owns the volumes.
    pub fs_group: Option<i64>,
    /// Groups of the pod in addition to `group`.
    pub supplemental_groups: Vec<i64>,
}

/// Who may connect to a component's pods, and where they may connect to.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkPolicy {
    /// May connect to every port but the internal ones; `None`: anyone.
    pub clients: Option<Vec<NetworkPolicyPeer>>,
    /// May connect to the internal ports.
    pub monitoring: NetworkPolicyPeer,
    /// In addition to DNS.
    pub egress: Vec<NetworkPolicyEgressRule>,
}

/// How components are scraped by the Prometheus operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Where the monitor itself lives.
    pub namespace: String,
    /// Name of the port.
    pub port: String,
    pub path: String,
    pub interval: String,
    pub scrape_timeout: String,
    /// The user's own, by which a Prometheus selects.
    pub labels: StringMap,
}
