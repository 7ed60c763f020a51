//! One part of a product that runs as pods of its own.

use k8s_openapi::api::{
    core::v1::{EnvFromSource, EnvVar, Toleration, TopologySpreadConstraint, Volume, VolumeMount},
    networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer},
};

use super::{LoadBalancer, NodePort, PdbPolicy, Probes, Rollout, Scale};
use crate::{Quantities, StringMap, image::Image};

/// A component: one Deployment, its Services, and the objects that protect and scale its pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Name of its Deployment, ClusterIP Service, autoscaler, disruption budget and network policy, and
    /// value of its `app` label.
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
    /// The user's own labels.
    pub pod_labels: StringMap,
    /// All annotations: a change rolls the pods.
    pub pod_annotations: StringMap,
    /// The PVC that its pods mount. Pods that must share a node find each other by it.
    pub claim: Option<String>,
    /// True if all pods that mount the PVC must run on one node.
    pub co_scheduled: bool,
    pub node_selector: StringMap,
    pub tolerations: Vec<Toleration>,
    /// Constraints without selectors. `None`: the default spread.
    pub topology_spread: Option<Vec<TopologySpreadConstraint>>,
    pub priority_class_name: Option<String>,
    pub grace_period_seconds: i64,
    pub scale: Scale,
    pub rollout: Rollout,
    pub min_ready_seconds: Option<i32>,
    pub progress_deadline_seconds: Option<i32>,
    pub revision_history_limit: Option<i32>,
    pub budget: PdbPolicy,
    /// Eviction of pods that are not ready, in a drain: `AlwaysAllow` or `IfHealthyBudget`.
    pub unhealthy_pod_eviction_policy: String,
    pub load_balancer: Option<LoadBalancer>,
    pub node_port: Option<NodePort>,
    /// `None` if no policy is wanted.
    pub network_policy: Option<NetworkPolicy>,
    /// True if the component has no pods, and no objects that would scale or protect them.
    pub stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    /// Number of the container's port.
    pub number: i32,
    /// Number of the Service's port.
    pub published: i32,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Application protocol, for proxies that cannot detect it.
    pub app_protocol: Option<String>,
    /// True if only the monitoring connects to the port.
    pub internal: bool,
}

/// Requests and limits with every default filled in. A CPU limit is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    pub requests: Quantities,
    pub limits: Quantities,
}

/// User and groups of a pod. The platform assigns those that are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub user: Option<i64>,
    pub group: Option<i64>,
    /// Group that owns the volumes.
    pub fs_group: Option<i64>,
    /// Groups of the pod in addition to `group`.
    pub supplemental_groups: Vec<i64>,
}

/// The peers that may connect to a component's pods, and those that the pods may connect to.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkPolicy {
    /// Peers that may connect to every port except the internal ones. `None`: anyone.
    pub clients: Option<Vec<NetworkPolicyPeer>>,
    /// The peer that may connect to the internal ports.
    pub monitoring: NetworkPolicyPeer,
    /// In addition to DNS.
    pub egress: Vec<NetworkPolicyEgressRule>,
}

/// Scraping of components by the Prometheus operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Namespace of the monitor itself.
    pub namespace: String,
    /// Name of the port.
    pub port: String,
    pub path: String,
    pub interval: String,
    pub scrape_timeout: String,
    /// The user's own labels, by which a Prometheus selects monitors.
    pub labels: StringMap,
}
