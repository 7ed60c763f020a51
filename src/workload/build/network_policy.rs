//! Who may connect to a component's pods, and where they may connect to.
//!
//! Probes need no rule: a conforming network plugin always lets traffic of a pod's own node in, and the kubelet
//! probes from there. Every list in a policy is owned as a whole, so each port names its protocol.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use crate::{
    api::network::{Egress, Peer, PodPeer, Selector, TransportProtocol},
    logpilot::{
        defaults::MANAGEMENT,
        model::{Cluster, Component, NetworkPolicy as Wanted},
    },
    workload::{labels, metadata},
};

const DNS: i32 = 53;

/// None where `networkPolicy.enabled` is false.
#[must_use]
pub fn build(cluster: &Cluster, component: &Component) -> Option<NetworkPolicy> {
    let wanted = cluster.network_policy.as_ref()?;
    let ingress = [clients(cluster, component, wanted), Some(monitoring(wanted))];
    Some(NetworkPolicy {
        metadata: metadata::of_component(cluster, component, component.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::pod_selector(component)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(ingress.into_iter().flatten().collect()),
            egress: Some(std::iter::once(dns()).chain(wanted.egress.iter().map(egress)).collect()),
        }),
    })
}

/// Whether a component is reached through the controller of an Ingress or Gateway.
#[must_use]
pub fn is_exposed(cluster: &Cluster, component: &Component) -> bool {
    let of_ingress = cluster.ingress.iter().flat_map(|ingress| &ingress.routes);
    let of_gateway = cluster.gateway.iter().flat_map(|gateway| &gateway.routes);
    of_ingress.chain(of_gateway).any(|route| route.service == component.name)
}

/// None where nobody may connect: a rule without peers would let everybody in.
fn clients(cluster: &Cluster, component: &Component, wanted: &Wanted) -> Option<NetworkPolicyIngressRule> {
    let from = match &wanted.clients {
        None => None,
        Some(clients) => {
            let controller =
                wanted.ingress_controller.as_ref().filter(|_| is_exposed(cluster, component)).map(pods);
            let from: Vec<_> = clients.iter().map(peer).chain(controller).collect();
            if from.is_empty() {
                return None;
            }
            Some(from)
        }
    };
    let served = component.role.ports.iter().filter(|port| **port != MANAGEMENT);
    Some(NetworkPolicyIngressRule {
        from,
        ports: Some(served.map(|served| port(served.number, TransportProtocol::Tcp)).collect()),
    })
}

fn monitoring(wanted: &Wanted) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![pods(&wanted.monitoring)]),
        ports: Some(vec![port(MANAGEMENT.number, TransportProtocol::Tcp)]),
    }
}

/// To anyone: a cache on the node answers from an address of the node, and not from a pod.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: None,
        ports: Some(vec![port(DNS, TransportProtocol::Udp), port(DNS, TransportProtocol::Tcp)]),
    }
}

fn egress(given: &Egress) -> NetworkPolicyEgressRule {
    let ports = given.ports.as_ref().map(|ports| {
        let one = |given: &crate::api::network::EgressPort| NetworkPolicyPort {
            end_port: given.end_port,
            ..port(given.port, given.protocol.unwrap_or_default())
        };
        ports.iter().map(one).collect::<Vec<_>>()
    });
    NetworkPolicyEgressRule {
        to: Some(given.to.iter().map(peer).collect()),
        ports: ports.filter(|ports| !ports.is_empty()),
    }
}

fn port(number: i32, protocol: TransportProtocol) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(
            match protocol {
                TransportProtocol::Tcp => "TCP",
                TransportProtocol::Udp => "UDP",
            }
            .into(),
        ),
        end_port: None,
    }
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
