//! Peers of the network policies, as in Kubernetes.

use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::{
    api::network::{Egress, EgressPort, Peer, PodPeer, Selector, TransportProtocol},
    logpilot::model::{Cluster, Component},
    workload::{
        build::{affinity::non_empty, network_policy},
        metadata,
        model::NetworkPolicy,
    },
};

/// Returns `None` if `networkPolicy.enabled` is false.
#[must_use]
pub fn policy(cluster: &Cluster, component: &Component) -> Option<NetworkPolicy> {
    let wanted = cluster.network_policy.as_ref()?;
    let controller = wanted.ingress_controller.as_ref().filter(|_| cluster.is_exposed(component));
    let of_clients =
        |clients: &Vec<Peer>| clients.iter().map(peer).chain(controller.map(pods)).collect::<Vec<_>>();
    Some(NetworkPolicy {
        clients: wanted.clients.as_ref().map(of_clients),
        monitoring: pods(&wanted.monitoring),
        egress: wanted.egress.iter().map(egress).collect(),
    })
}

fn egress(given: &Egress) -> NetworkPolicyEgressRule {
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

fn peer(given: &Peer) -> NetworkPolicyPeer {
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
