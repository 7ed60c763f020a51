//! Traffic that one part of the spec asks for and the network policies keep out.

use super::{object, warning};
use crate::{
    api::status::Problem,
    logpilot::model::{Cluster, Component},
};

pub use crate::logpilot::reasons::CLIENTS_MAY_BE_CUT;

/// Only what `clients` shuts out: anyone else, the kubelet's probes and DNS are always let through.
pub fn warnings(cluster: &Cluster) -> Vec<Problem> {
    let Some(policy) = &cluster.network_policy else { return Vec::new() };
    let Some(clients) = &policy.clients else { return Vec::new() };
    // Whoever was let in by hand may be the ingress controller, or a load balancer's addresses.
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
                    "`networkPolicy.clients` lets no pod in, and nothing says which pods serve the Ingress or Gateway".into(),
                    "Set `networkPolicy.ingressController` to their namespace.",
                )
            }),
            published.then(|| {
                warning(
                    CLIENTS_MAY_BE_CUT,
                    &object,
                    "a load balancer or node port is asked for, and `networkPolicy.clients` lets no address in".into(),
                    "Add `{ cidr: … }` of its clients, or of the nodes, to `networkPolicy.clients`.",
                )
            }),
        ]
    };
    cluster.components.iter().flat_map(of).flatten().collect()
}
