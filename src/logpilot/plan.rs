//! What a cluster is made of. A table of contents: whether an object exists is said in its builder's first lines.

use super::{
    facts::{ApiKeyFact, Facts},
    model::Cluster,
};
use crate::{
    engine::plan::Plan,
    objects::{
        claim, config_map, deployment, disruption_budget, ingress, namespace, pod_autoscaler, secret,
        service, service_account, service_monitor,
    },
};

/// Why the servers are held back while the API key cannot be used: an empty one would open them to everybody.
pub const API_KEY_INVALID: &str = "ApiKeyInvalid";

/// Every object the cluster should have.
#[must_use]
pub fn plan(cluster: &Cluster, facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    plan.add(namespace::of_servers(cluster, facts));
    plan.add(namespace::of_system(cluster, facts));
    plan.add([service_account::build(cluster)]);
    plan.add(secret::api_key(cluster, facts));
    plan.add(cluster.storage.claims.iter().filter_map(|it| claim::build(cluster, it, facts)));
    for component in &cluster.components {
        plan.add([config_map::build(cluster, component)]);
        plan.push(
            [deployment::build(cluster, component, facts)],
            deployment::replicas(component, facts),
            held(facts),
        );
        plan.add([service::cluster_ip(cluster, component)]);
        plan.add(service::load_balancer(cluster, component));
        plan.add(service::node_port(cluster, component));
        plan.add(pod_autoscaler::build(cluster, component));
        plan.add(disruption_budget::build(cluster, component));
    }
    plan.add(ingress::http(cluster));
    plan.add(ingress::grpc(cluster));
    plan.add(service_monitor::build(cluster));
    plan
}

fn held(facts: &Facts) -> Option<&'static str> {
    matches!(facts.api_key, ApiKeyFact::Invalid { .. }).then_some(API_KEY_INVALID)
}
