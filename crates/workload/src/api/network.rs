//! Who may talk to the servers, and whom they may talk to.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{self, network as rule};
use crate::StringMap;

/// A NetworkPolicy for each component, on by default: only the ports that the component serves, metrics for the
/// monitoring alone, and no way out but DNS. Probes come from the pod's own node, which every network plugin lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::widening::clients_stay_narrow(), validation = rules::widening::egress_stays_narrow())]
pub struct NetworkPolicy {
    /// `false` leaves the policies out and keeps their settings.
    pub enabled: Option<bool>,
    /// Who may connect to the service ports. Not given: anyone; `[]`: nobody but the ingress controller, where a
    /// component is exposed.
    #[schemars(length(max = 32))]
    pub clients: Option<Vec<Peer>>,
    /// Who may scrape the management port, which is not authenticated. Default: every pod of the system namespace,
    /// where one is named, else of the namespace `monitoring`.
    pub monitoring: Option<PodPeer>,
    /// The pods that serve the Ingress or Gateway, let in beside `clients` where a component is exposed. Default for
    /// an Ingress of class nginx: every pod of the namespace `ingress-nginx`; else nobody.
    pub ingress_controller: Option<PodPeer>,
    /// Connections that the servers may open beside DNS on port 53.
    #[schemars(length(max = 16))]
    pub egress: Option<Vec<Egress>>,
}

/// Some pods, or some addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::pods_or_addresses(),
    validation = rule::except_needs_cidr(),
    validation = rule::except_within_cidr()
)]
pub struct Peer {
    /// Namespaces of the pods; `{}` is all of them. Not given, with `podSelector`: the cluster's own.
    pub namespace_selector: Option<Selector>,
    /// The pods; not given, with `namespaceSelector`: every pod of those namespaces.
    pub pod_selector: Option<Selector>,
    /// Addresses, as a CIDR block.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule::is_cidr(), validation = rule::no_host_bits())]
    pub cidr: Option<String>,
    /// Smaller blocks inside `cidr` that are left out.
    #[schemars(schema_with = "super::schema::cidrs")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<String>>,
}

/// Some pods, by their own labels and those of their namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::some_pods(), validation = rules::widening::selectors_stay_narrow())]
pub struct PodPeer {
    /// Namespaces of the pods; `{}` is all of them. Not given: the cluster's own.
    pub namespace_selector: Option<Selector>,
    /// The pods; not given: every pod of those namespaces.
    pub pod_selector: Option<Selector>,
}

/// Selects by labels; `{}` selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::presence::some_label())]
pub struct Selector {
    /// Every one of these must be there with this value.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub match_labels: StringMap,
}

/// Where the servers may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Egress {
    /// Any of these.
    #[schemars(length(min = 1, max = 16))]
    pub to: Vec<Peer>,
    /// Not given: every port.
    #[schemars(length(min = 1, max = 16))]
    pub ports: Option<Vec<EgressPort>>,
}

/// A port, or a range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::range_goes_up())]
pub struct EgressPort {
    /// The port, or the first of a range.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The last port of a range.
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<i32>,
    /// Default `TCP`.
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
