//! Who may talk to the servers, with the peers that nobody named.

use super::Violations;
use crate::{
    api::cluster::LogPilotClusterSpec,
    logpilot::model::NetworkPolicy,
    workload::{
        api::network::{Peer, PodPeer, Selector},
        build::ingress_nginx,
        model::Ingress,
    },
};

/// Where most installations put it.
const MONITORING: &str = "monitoring";
/// Where its manifests and its chart put it.
const INGRESS_NGINX: &str = "ingress-nginx";

/// `None` where it was turned off; on by default.
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

/// A peer that says both or nothing would let in more than it reads like.
fn check(peer: &Peer, path: &str, violations: &mut Violations) {
    violations.require(
        peer.cidr.is_some() != (peer.namespace_selector.is_some() || peer.pod_selector.is_some()),
        path,
        "must have either `cidr`, or `namespaceSelector` and `podSelector` or one of them",
    );
}

/// Every pod of a namespace, by the label that Kubernetes keeps on each.
fn namespace(name: &str) -> PodPeer {
    let labels = [("kubernetes.io/metadata.name".to_owned(), name.to_owned())];
    PodPeer { namespace_selector: Some(Selector { match_labels: labels.into() }), pod_selector: None }
}
