//! The peers that may connect to a component's pods, and those that the pods may connect to.
//!
//! Probes need no rule: a conforming network plugin always allows traffic from a pod's own node, where
//! the kubelet runs the probes. The operator owns every list of a policy as a whole, so each port names
//! its protocol.

use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPort,
        NetworkPolicySpec,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::affinity::non_empty;
use crate::{
    labels, metadata,
    model::{Component, NetworkPolicy as Wanted},
    scope::Scope,
};

const DNS: i32 = 53;

/// Returns `None` if no policy is wanted.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Option<NetworkPolicy> {
    let wanted = component.network_policy.as_ref()?;
    let ingress = [clients(component, wanted), monitoring(component, wanted)];
    Some(NetworkPolicy {
        metadata: metadata::of_component(scope, component, component.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::pod_selector(component)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(ingress.into_iter().flatten().collect()),
            egress: Some(std::iter::once(dns()).chain(wanted.egress.iter().cloned()).collect()),
        }),
    })
}

/// Returns `None` if no client may connect: a rule without peers would admit everyone.
fn clients(component: &Component, wanted: &Wanted) -> Option<NetworkPolicyIngressRule> {
    let from = match &wanted.clients {
        None => None,
        Some(clients) => Some(non_empty(clients.clone())?),
    };
    Some(NetworkPolicyIngressRule { from, ports: Some(ports(component, false)?) })
}

/// Returns `None` for a component without internal ports.
fn monitoring(component: &Component, wanted: &Wanted) -> Option<NetworkPolicyIngressRule> {
    let from = Some(vec![wanted.monitoring.clone()]);
    Some(NetworkPolicyIngressRule { from, ports: Some(ports(component, true)?) })
}

/// Returns `None` if there is no such port: a rule without ports would open all of them.
fn ports(component: &Component, internal: bool) -> Option<Vec<NetworkPolicyPort>> {
    let ports = component.ports.iter().filter(|port| port.internal == internal);
    non_empty(ports.map(|served| port(served.number, "TCP")).collect())
}

/// Allows DNS to any peer: a cache on the node answers from an address of the node, and not from a pod.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: None, ports: Some(vec![port(DNS, "UDP"), port(DNS, "TCP")]) }
}

/// A port of a rule.
#[must_use]
pub fn port(number: i32, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.into()),
        end_port: None,
    }
}
