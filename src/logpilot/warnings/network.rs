//! Warnings about traffic that one part of the spec requests and the network policies block.

use super::{object, warning};
use crate::{
    api::status::Problem,
    logpilot::model::{Cluster, Component},
};

pub use crate::reasons::CLIENTS_MAY_BE_CUT;

/// Warns only about what `clients` blocks: without it every client is admitted, and the kubelet's probes
/// and DNS always are.
pub fn warnings(cluster: &Cluster) -> Vec<Problem> {
    let Some(policy) = &cluster.network_policy else { return Vec::new() };
    let Some(clients) = &policy.clients else { return Vec::new() };
    // A client that the user admitted may be the ingress controller, or the addresses of a load balancer.
    let from_pods = clients.iter().any(|peer| peer.cidr.is_none());
    let from_addresses = clients.iter().any(|peer| peer.cidr.is_some());
    let of = |component: &Component| {
        let object = object(cluster, "NetworkPolicy", &component.name);
        let exposed = cluster.is_exposed(component) && policy.ingress_controller.is_none() && !from_pods;
        let published =
            (component.load_balancer.is_some() || component.node_port.is_some()) && !from_addresses;
        [
            exposed.then(|| {
                warning(
                    CLIENTS_MAY_BE_CUT,
                    &object,
                    "`networkPolicy.clients` allows no pod, and the spec does not say which pods serve the Ingress or Gateway".into(),
                    "Set `networkPolicy.ingressController` to the namespace of those pods.",
                )
            }),
            published.then(|| {
                warning(
                    CLIENTS_MAY_BE_CUT,
                    &object,
                    "the spec requests a load balancer or node port, and `networkPolicy.clients` allows no address".into(),
                    "Add `{ cidr: … }` of its clients, or of the nodes, to `networkPolicy.clients`.",
                )
            }),
        ]
    };
    cluster.components.iter().flat_map(of).flatten().collect()
}
