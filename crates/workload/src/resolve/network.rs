//! Peers of the network policies, in the words of Kubernetes, including those that the spec does not
//! name.

use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::Violations;
use crate::{
    api::network::{
        Egress, EgressPort, NetworkPolicy as GivenPolicy, Peer, PodPeer, Selector, TransportProtocol,
    },
    build::{affinity::non_empty, ingress_nginx, network_policy},
    metadata,
    model::{Ingress, NetworkPolicy},
};

/// The namespace of Prometheus in most installations.
const MONITORING: &str = "monitoring";
/// The namespace of ingress-nginx in its manifests and its chart.
const INGRESS_NGINX: &str = "ingress-nginx";

/// The peers that may talk to the pods of a product, as written, and those that the spec does not
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPeers {
    /// `None`: anyone.
    pub clients: Option<Vec<Peer>>,
    pub monitoring: PodPeer,
    /// `None` if the spec does not name it, and the class does not determine it.
    pub ingress_controller: Option<PodPeer>,
    pub egress: Vec<Egress>,
}

impl NetworkPeers {
    /// Returns the policy of one component. `exposed`: it is reached through the controller of an
    /// Ingress or Gateway.
    #[must_use]
    pub fn policy(&self, exposed: bool) -> NetworkPolicy {
        let controller = self.ingress_controller.as_ref().filter(|_| exposed);
        let of_clients =
            |clients: &Vec<Peer>| clients.iter().map(peer).chain(controller.map(pods)).collect::<Vec<_>>();
        NetworkPolicy {
            clients: self.clients.as_ref().map(of_clients),
            monitoring: pods(&self.monitoring),
            egress: self.egress.iter().map(egress).collect(),
        }
    }
}

/// Returns `None` if the policies are disabled. They are enabled by default.
pub fn resolve(
    given: Option<&GivenPolicy>,
    path: &str,
    system_namespace: Option<&str>,
    ingress: Option<&Ingress>,
    violations: &mut Violations,
) -> Option<NetworkPeers> {
    let given = given.cloned().unwrap_or_default();
    if given.enabled == Some(false) {
        return None;
    }
    let egress = given.egress.unwrap_or_default();
    let clients = given.clients.iter().flatten().enumerate();
    for (index, peer) in clients {
        check(peer, &format!("{path}.clients[{index}]"), violations);
    }
    for (index, rule) in egress.iter().enumerate() {
        for (peer, to) in rule.to.iter().enumerate() {
            check(to, &format!("{path}.egress[{index}].to[{peer}]"), violations);
        }
    }
    let nginx = ingress.is_some_and(|ingress| ingress_nginx::speaks(ingress.class_name.as_deref()));
    Some(NetworkPeers {
        clients: given.clients,
        monitoring: given.monitoring.unwrap_or_else(|| namespace(system_namespace.unwrap_or(MONITORING))),
        ingress_controller: given.ingress_controller.or_else(|| nginx.then(|| namespace(INGRESS_NGINX))),
        egress,
    })
}

/// A peer with both or neither would allow more than it seems.
fn check(peer: &Peer, path: &str, violations: &mut Violations) {
    violations.require(
        peer.cidr.is_some() != (peer.namespace_selector.is_some() || peer.pod_selector.is_some()),
        path,
        "must have either `cidr`, or `namespaceSelector` or `podSelector` or both",
    );
}

/// Returns a peer for all pods of a namespace, by the label that Kubernetes sets on each namespace.
fn namespace(name: &str) -> PodPeer {
    let labels = [("kubernetes.io/metadata.name".to_owned(), name.to_owned())];
    PodPeer { namespace_selector: Some(Selector { match_labels: labels.into() }), pod_selector: None }
}

#[must_use]
pub fn egress(given: &Egress) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(given.to.iter().map(peer).collect()),
        ports: given.ports.as_ref().and_then(|ports| non_empty(ports.iter().map(port).collect())),
    }
}

fn port(given: &EgressPort) -> NetworkPolicyPort {
    let protocol = match given.protocol.unwrap_or_default() {
        TransportProtocol::Tcp => "TCP",
        TransportProtocol::Udp => "UDP",
    };
    NetworkPolicyPort { end_port: given.end_port, ..network_policy::port(given.port, protocol) }
}

#[must_use]
pub fn peer(given: &Peer) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: given.cidr.as_ref().map(|cidr| IPBlock {
            cidr: cidr.clone(),
            except: given.except.clone().filter(|except| !except.is_empty()),
        }),
        namespace_selector: given.namespace_selector.as_ref().map(selector),
        pod_selector: given.pod_selector.as_ref().map(selector),
    }
}

fn pods(given: &PodPeer) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: None,
        namespace_selector: given.namespace_selector.as_ref().map(selector),
        pod_selector: given.pod_selector.as_ref().map(selector),
    }
}

fn selector(given: &Selector) -> LabelSelector {
    LabelSelector { match_labels: metadata::non_empty(given.match_labels.clone()), match_expressions: None }
}
