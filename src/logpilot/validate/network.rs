//! Validation of network policies, with the peers that apply by default.

use super::Violations;
use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        network::{Peer, PodPeer, Selector},
    },
    logpilot::model::NetworkPolicy,
    workload::{build::ingress_nginx, model::Ingress},
};

/// The namespace of Prometheus in most installations.
const MONITORING: &str = "monitoring";
/// The namespace of ingress-nginx in its manifests and its chart.
const INGRESS_NGINX: &str = "ingress-nginx";

/// Returns `None` if the policies are disabled. They are enabled by default.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    system_namespace: Option<&str>,
    ingress: Option<&Ingress>,
    violations: &mut Violations,
) -> Option<NetworkPolicy> {
    let given = spec.network_policy.clone().unwrap_or_default();
    if given.enabled == Some(false) {
        return None;
    }
    let egress = given.egress.unwrap_or_default();
    let clients = given.clients.iter().flatten().enumerate();
    for (index, peer) in clients {
        check(peer, &format!("spec.networkPolicy.clients[{index}]"), violations);
    }
    for (index, rule) in egress.iter().enumerate() {
        for (peer, to) in rule.to.iter().enumerate() {
            check(to, &format!("spec.networkPolicy.egress[{index}].to[{peer}]"), violations);
        }
    }
    let nginx = ingress.is_some_and(|ingress| ingress_nginx::speaks(ingress.class_name.as_deref()));
    Some(NetworkPolicy {
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
