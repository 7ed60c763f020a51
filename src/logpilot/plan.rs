//! What a cluster is made of. A table of contents: whether an object exists is said in its builder's first lines.

use super::{
    facts::{ApiKeyFact, CheckVerdict, ExposureKind, Facts, ResolvedReferences},
    model::{Cluster, Component},
    patches, reasons,
};
use crate::{
    engine::plan::{Plan, Replicas},
    logpilot::objects::{config_check_job, config_map, cron_job, dashboard, restore_job, secret},
    workload::build::{
        deployment, gateway, horizontal_pod_autoscaler, ingress, limit_range, namespace, network_policy,
        persistent_volume_claim, pod_disruption_budget, pod_monitor, prometheus_rule, resource_quota, routes,
        service, service_account, service_monitor,
    },
};

/// Why the servers are held back while the API key cannot be used: an empty one would open them to everybody.
pub const API_KEY_INVALID: &str = "ApiKeyInvalid";

/// Why the servers of a component are held back while nobody knows whether one starts with their new configuration, or
/// where none does.
pub use super::reasons::{CONFIG_CHECK_FAILED, CONFIG_CHECKING};

/// Every object the cluster should have, as it is written.
#[must_use]
pub fn plan(cluster: &Cluster, facts: &Facts) -> Plan {
    patches::apply(cluster, generated(cluster, facts))
}

/// Every object the cluster should have, before the user's patches.
#[must_use]
pub fn generated(cluster: &Cluster, facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    plan.add(namespace::of_servers(cluster, facts));
    plan.add(namespace::of_system(cluster, facts));
    plan.add([service_account::build(cluster)]);
    plan.add(secret::api_key(cluster, facts));
    plan.add(
        cluster.storage.claims.iter().filter_map(|it| persistent_volume_claim::build(cluster, it, facts)),
    );
    plan.add(cluster.backup_volumes().map(|it| persistent_volume_claim::of_backups(cluster, it, facts)));
    plan.add(cron_job::build(cluster, facts));
    plan.add(restore_job::build(cluster, facts));
    for component in &cluster.components {
        plan.add([config_map::build(cluster, component)]);
        plan.add(config_check_job::build(cluster, component, facts));
        plan.push(
            [deployment::build(cluster, component, facts)],
            deployment::replicas(component, facts),
            hold_reason(component, facts),
        );
        plan.add([service::cluster_ip(cluster, component)]);
        plan.add(service::load_balancer(cluster, component));
        plan.add(service::node_port(cluster, component, facts));
        plan.add(horizontal_pod_autoscaler::build(cluster, component));
        plan.add(pod_disruption_budget::build(cluster, component));
        plan.add(network_policy::build(cluster, component));
    }
    plan.push(ingress::http(cluster), Replicas::Planned, route_hold(facts, ExposureKind::Ingress));
    plan.push(ingress::rewritten(cluster), Replicas::Planned, route_hold(facts, ExposureKind::Ingress));
    plan.push(ingress::grpc(cluster), Replicas::Planned, route_hold(facts, ExposureKind::Ingress));
    plan.add(gateway::build(cluster));
    plan.push(routes::http(cluster), Replicas::Planned, route_hold(facts, ExposureKind::Gateway));
    plan.add(routes::redirect(cluster));
    plan.push(routes::grpc(cluster), Replicas::Planned, route_hold(facts, ExposureKind::Gateway));
    plan.add(service_monitor::build(cluster));
    plan.add(pod_monitor::build(cluster));
    plan.add(prometheus_rule::build(cluster));
    plan.add(dashboard::build(cluster));
    plan.add(limit_range::build(cluster));
    plan.add(resource_quota::build(cluster));
    plan
}

/// A second route for a host and path would take requests from the first, or be ignored without a word.
fn route_hold(facts: &Facts, way: ExposureKind) -> Option<&'static str> {
    facts.taken.iter().any(|taken| taken.way == way).then_some(reasons::ROUTE_CONFLICT)
}

fn hold_reason(component: &Component, facts: &Facts) -> Option<&'static str> {
    block_reason(component, facts).or_else(|| match facts.config_check(component)?.verdict {
        CheckVerdict::Running => Some(CONFIG_CHECKING),
        CheckVerdict::Bad { .. } => Some(CONFIG_CHECK_FAILED),
        CheckVerdict::Good => None,
    })
}

/// Why a new pod could not start, whatever its configuration.
pub(super) fn block_reason(component: &Component, facts: &Facts) -> Option<&'static str> {
    let held = || facts.references.get(&component.name).and_then(ResolvedReferences::held);
    match facts.api_key {
        // Stopping needs no key and no variables, and has to work when they are what is broken.
        _ if component.stopped => None,
        ApiKeyFact::Invalid { .. } => Some(API_KEY_INVALID),
        ApiKeyFact::Foreign { .. } => Some(reasons::CONFLICT_BEHIND),
        ApiKeyFact::Going { .. } => Some(reasons::CHILD_TERMINATING),
        _ => held(),
    }
}
