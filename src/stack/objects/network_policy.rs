//! Which clients may connect to a component, as the graph says.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicySpec,
};

use crate::{
    stack::model::{Allowed, Policy},
    workload::{build::network_policy::port, labels, metadata, model::Component, scope::Scope},
};

const DNS: i32 = 53;

#[must_use]
pub fn build(scope: &Scope, component: &Component, policy: &Policy) -> NetworkPolicy {
    let rule = |allowed: &Allowed| NetworkPolicyIngressRule {
        from: allowed.from.clone(),
        ports: Some(allowed.ports.iter().map(|(number, protocol)| port(*number, protocol)).collect()),
    };
    let dns = NetworkPolicyEgressRule { to: None, ports: Some(vec![port(DNS, "UDP"), port(DNS, "TCP")]) };
    let egress =
        policy.egress.as_ref().map(|rules| std::iter::once(dns).chain(rules.iter().cloned()).collect());
    let mut types = vec!["Ingress".to_owned()];
    types.extend(policy.egress.as_ref().map(|_| "Egress".to_owned()));
    NetworkPolicy {
        metadata: metadata::of_component(scope, component, component.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::pod_selector(component)),
            policy_types: Some(types),
            // An absent list means the same as an empty one, and is not stored as an empty one.
            ingress: Some(policy.ingress.iter().map(rule).collect::<Vec<_>>())
                .filter(|rules| !rules.is_empty()),
            egress,
        }),
    }
}
