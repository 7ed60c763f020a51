//! NetworkPolicies from the graph: who depends on whom or refers to whom, and what exposes a component.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::networking::v1::{IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::component::serves;
use crate::{
    stack::{
        api::ServiceStack,
        model::{Allowed, Ingress, Policy, StackComponent},
    },
    workload::{
        StringMap, labels,
        model::Gateway,
        resolve::network::{egress, peer},
        scope::Scope,
    },
};

/// Which component opens connections to which.
#[derive(Debug, Default)]
pub struct Edges(BTreeSet<(String, String)>);

impl Edges {
    /// A component reaches itself anyway.
    pub fn add(&mut self, from: &str, to: &str) {
        if from != to {
            self.0.insert((from.to_owned(), to.to_owned()));
        }
    }

    fn from<'a>(&'a self, component: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(from, _)| from == component).map(|(_, to)| to.as_str())
    }

    fn to<'a>(&'a self, component: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(_, to)| to == component).map(|(from, _)| from.as_str())
    }
}

/// Gives each component its policy.
pub fn resolve(
    cr: &ServiceStack,
    scope: &Scope,
    components: &mut BTreeMap<String, StackComponent>,
    edges: &Edges,
    (ingress, gateway): (Option<&Ingress>, Option<&Gateway>),
) {
    let wanted = cr.spec.network_policy.clone().unwrap_or_default();
    if wanted.enabled == Some(false) {
        return;
    }
    let running: BTreeSet<String> =
        components.values().filter(|it| it.workload.is_some()).map(|it| it.name.clone()).collect();
    let served: BTreeSet<String> =
        components.values().filter(|it| serves(it)).map(|it| it.name.clone()).collect();
    for (name, component) in components.iter_mut() {
        let Some(workload) = &component.workload else { continue };
        let given = cr.spec.components.get(name).and_then(|it| it.network_policy.clone()).unwrap_or_default();
        if given.enabled == Some(false) {
            continue;
        }
        let all: Vec<(i32, String)> =
            workload.ports.iter().map(|port| (port.number, port.protocol.clone())).collect();
        let mut allowed = Vec::new();
        if served.contains(name) {
            let inside = edges.to(name).filter(|from| running.contains(*from)).chain([name.as_str()]);
            let inside = inside.map(|from| pods(scope, from));
            let clients = wanted.clients.iter().flatten().chain(given.clients.iter().flatten()).map(peer);
            allowed.push(Allowed { from: Some(inside.chain(clients).collect()), ports: all.clone() });
            let exposed = exposed(&workload.name, (ingress, gateway), workload);
            if !exposed.is_empty() {
                let from = wanted.ingress_from.as_ref().map(|from| from.iter().map(peer).collect());
                allowed.push(Allowed { from, ports: exposed });
            }
            if let Some(balancer) = &workload.load_balancer {
                let ranges = balancer.source_ranges.iter().map(|cidr| NetworkPolicyPeer {
                    ip_block: Some(IPBlock { cidr: cidr.clone(), except: None }),
                    ..NetworkPolicyPeer::default()
                });
                let ranges: Vec<_> = ranges.collect();
                let names = balancer.ports.iter().map(|port| port.name.as_str());
                let ports = names.filter_map(|name| {
                    let port = workload.ports.iter().find(|port| port.name == name)?;
                    Some((port.number, port.protocol.clone()))
                });
                let from = (!ranges.is_empty()).then_some(ranges);
                allowed.push(Allowed { from, ports: ports.collect() });
            }
        }
        let egress = wanted.egress.as_ref().map(|given| {
            let inside = edges.from(name).filter(|to| served.contains(*to));
            let inside: Vec<_> = inside.chain([name.as_str()]).map(|to| pods(scope, to)).collect();
            let own = NetworkPolicyEgressRule { to: Some(inside), ports: None };
            std::iter::once(own).chain(given.iter().map(egress)).collect()
        });
        component.policy = Some(Policy { ingress: allowed, egress });
    }
}

/// Numbers of the container's ports behind an Ingress or a route.
fn exposed(
    service: &str,
    (ingress, gateway): (Option<&Ingress>, Option<&Gateway>),
    workload: &crate::workload::model::Component,
) -> Vec<(i32, String)> {
    let of_ingress = ingress.into_iter().flat_map(|ingress| ingress.rules.iter().map(|rule| &rule.route));
    let of_gateway = gateway.into_iter().flat_map(|gateway| &gateway.routes);
    let published: BTreeSet<i32> = of_ingress
        .chain(of_gateway)
        .filter(|route| route.service == service)
        .map(|route| route.port)
        .collect();
    let ports = workload.ports.iter().filter(|port| published.contains(&port.published));
    ports.map(|port| (port.number, port.protocol.clone())).collect()
}

/// The pods of a component of this stack.
fn pods(scope: &Scope, component: &str) -> NetworkPolicyPeer {
    let labels = StringMap::from([
        (scope.family_key(), scope.prefix.as_str().to_owned()),
        (labels::COMPONENT.to_owned(), component.to_owned()),
    ]);
    NetworkPolicyPeer {
        pod_selector: Some(LabelSelector { match_labels: Some(labels), match_expressions: None }),
        ..NetworkPolicyPeer::default()
    }
}
