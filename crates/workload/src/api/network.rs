//! Network access to and from the servers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{self, network as rule};
use crate::StringMap;

/// NetworkPolicies, one per component, enabled by default. They allow only the ports that the
/// component serves, metrics only for the monitoring, and no egress except DNS. Probes come from
/// the node of the pod, which every network plugin allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::widening::clients_stay_narrow(), validation = rules::widening::egress_stays_narrow())]
pub struct NetworkPolicy {
    /// `false` removes the NetworkPolicies and keeps their settings. Default true.
    pub enabled: Option<bool>,
    /// Clients that may connect to the service ports. Absent: all clients. `[]`: no client except
    /// the ingress controller, if a component is exposed.
    #[schemars(length(max = 32))]
    pub clients: Option<Vec<Peer>>,
    /// Pods that may scrape the management port, which has no authentication. Default: all pods of
    /// the system namespace if `systemNamespace` is set, else all pods of the namespace
    /// `monitoring`.
    pub monitoring: Option<PodPeer>,
    /// Pods of the ingress controller or Gateway. They may connect in addition to `clients` if a
    /// component is exposed. Default: for an Ingress of class `nginx` all pods of the namespace
    /// `ingress-nginx`, else none.
    pub ingress_controller: Option<PodPeer>,
    /// Connections that the servers may open in addition to DNS on port 53.
    #[schemars(length(max = 16))]
    pub egress: Option<Vec<Egress>>,
}

/// A set of pods or of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::pods_or_addresses(),
    validation = rule::except_needs_cidr(),
    validation = rule::except_within_cidr()
)]
pub struct Peer {
    /// Namespaces of the pods. `{}` selects all namespaces. Absent, with `podSelector`: the
    /// namespace of the servers.
    pub namespace_selector: Option<Selector>,
    /// Labels of the pods. Absent, with `namespaceSelector`: all pods of those namespaces.
    pub pod_selector: Option<Selector>,
    /// Addresses, as a CIDR block. Mutually exclusive with the selectors.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::is_cidr(), validation = rule::no_host_bits())]
    pub cidr: Option<String>,
    /// CIDR blocks inside `cidr` that are excluded.
    #[schemars(schema_with = "super::schema::cidrs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<String>>,
}

/// A set of pods, selected by their labels and those of their namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::some_pods(), validation = rules::widening::selectors_stay_narrow())]
pub struct PodPeer {
    /// Namespaces of the pods. `{}` selects all namespaces. Absent: the namespace of the servers.
    pub namespace_selector: Option<Selector>,
    /// Labels of the pods. Absent: all pods of those namespaces.
    pub pod_selector: Option<Selector>,
}

/// A label selector. `{}` selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::presence::some_label())]
pub struct Selector {
    /// Labels that must all be present with these values.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub match_labels: StringMap,
}

/// Destinations that the servers may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Egress {
    /// Destinations. At least one must match.
    #[schemars(length(min = 1, max = 16))]
    pub to: Vec<Peer>,
    /// Ports. Absent: all ports.
    #[schemars(length(min = 1, max = 16))]
    pub ports: Option<Vec<EgressPort>>,
}

/// A port, or a range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::range_goes_up())]
pub struct EgressPort {
    /// Port, or the first port of a range.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Last port of the range. Must not be less than `port`. Absent: only `port`.
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i32>,
    /// Transport protocol. Default `TCP`.
    pub protocol: Option<TransportProtocol>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TransportProtocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
}
