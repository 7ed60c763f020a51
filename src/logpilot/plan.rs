//! Assembles the objects of a cluster. A table of contents: the first lines of each builder decide
//! whether its object exists.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    env_references,
    facts::{ApiKeyFact, CheckVerdict, Facts},
    model::{Cluster, Component},
    patches,
};
use crate::{
    engine::plan::{Plan, Replicas},
    kinds::AddTyped,
    logpilot::objects::{
        alerts, config_check_job, config_map, cron_job, dashboard, data, namespace, restore_job, secret,
        server,
    },
    reasons,
    workload::{
        build::{
            deployment, gateway, horizontal_pod_autoscaler, ingress, limit_range, network_policy,
            pod_disruption_budget, pod_monitor, resource_quota, routes, service, service_account,
            service_monitor,
        },
        contention::ExposureKind,
    },
};

/// Why the servers are blocked while the API key cannot be used: an empty key would open them to every
/// client.
pub const API_KEY_INVALID: &str = "ApiKeyInvalid";

/// Why the servers of a component are blocked while it is not known whether one starts with their new
/// configuration, or if none does.
pub use crate::reasons::{CONFIG_CHECK_FAILED, CONFIG_CHECKING};

/// Makes the plan of a cluster. A future, so that a planner that hangs can be distinguished from a slow
/// one.
pub type Planner = Arc<dyn Fn(Arc<Cluster>, Arc<Facts>) -> BoxFuture<'static, Plan> + Send + Sync>;

/// The planner of the product.
#[must_use]
pub fn planner() -> Planner {
    Arc::new(|cluster, facts| Box::pin(async move { plan(&cluster, &facts) }))
}

/// Returns every object that the cluster should have, as it is written.
#[must_use]
pub fn plan(cluster: &Cluster, facts: &Facts) -> Plan {
    patches::apply(cluster, generated(cluster, facts))
}

/// Returns every object that the cluster should have, before the user's patches.
#[must_use]
pub fn generated(cluster: &Cluster, facts: &Facts) -> Plan {
    let scope = &cluster.scope;
    let mut plan = Plan::default();
    plan.add(namespace::of_servers(cluster, facts));
    plan.add(namespace::of_system(cluster, facts));
    plan.add([service_account::build(scope, &cluster.service_account_annotations)]);
    plan.add(secret::api_key(cluster, facts));
    plan.add(cluster.storage.claims.iter().filter_map(|it| data::of_servers(cluster, it, facts)));
    plan.add(cluster.backup_volumes().map(|it| data::of_backups(cluster, it, facts)));
    for (job, held) in cron_job::build(cluster, facts) {
        plan.add_with([job], Replicas::Planned, held);
    }
    plan.add(restore_job::build(cluster, facts));
    for server in &cluster.components {
        let component = server::component(cluster, server, facts);
        let observed = server::observed_replicas(server, facts);
        plan.add([config_map::build(cluster, server)]);
        plan.add(config_check_job::build(cluster, server, facts));
        plan.add_with(
            [deployment::build(scope, &component, observed)],
            deployment::replicas(&component, observed),
            hold_reason(server, facts),
        );
        plan.add([service::cluster_ip(scope, &component)]);
        plan.add(service::load_balancer(scope, &component));
        plan.add(service::node_port(scope, &component, &facts.node_ports));
        plan.add(horizontal_pod_autoscaler::build(scope, &component));
        plan.add(pod_disruption_budget::build(scope, &component));
        plan.add(network_policy::build(scope, &component));
    }
    let of_ingress = route_hold(facts, ExposureKind::Ingress);
    let of_gateway = route_hold(facts, ExposureKind::Gateway);
    let wanted = cluster.ingress.as_ref();
    plan.add_with(ingress::http(scope, wanted), Replicas::Planned, of_ingress);
    plan.add_with(ingress::rewritten(scope, wanted), Replicas::Planned, of_ingress);
    plan.add_with(ingress::grpc(scope, wanted), Replicas::Planned, of_ingress);
    plan.add(gateway::build(scope, cluster.gateway.as_ref()));
    plan.add_with(routes::http(scope, cluster.gateway.as_ref()), Replicas::Planned, of_gateway);
    plan.add(routes::redirect(scope, cluster.gateway.as_ref()));
    plan.add_with(routes::grpc(scope, cluster.gateway.as_ref()), Replicas::Planned, of_gateway);
    plan.add(service_monitor::build(scope, cluster.monitoring.service_monitor.as_ref()));
    plan.add(pod_monitor::build(scope, cluster.monitoring.pod_monitor.as_ref()));
    plan.add(alerts::prometheus_rule(cluster));
    plan.add(dashboard::build(cluster));
    plan.add(limit_range::build(scope));
    plan.add(resource_quota::build(scope));
    plan
}

/// A second route for a host and path would receive requests of the first, or be ignored silently.
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

/// Returns why a new pod could not start, regardless of its configuration.
pub(super) fn block_reason(component: &Component, facts: &Facts) -> Option<&'static str> {
    let held = || facts.references.get(&component.name).and_then(env_references::held);
    match facts.api_key {
        // Stopping needs no key and no variables, and must work when those are broken.
        _ if component.stopped => None,
        _ if facts.is_data_of_older(&component.claim) => Some(reasons::DATA_VOLUME_SHARED),
        ApiKeyFact::Invalid { .. } => Some(API_KEY_INVALID),
        ApiKeyFact::Foreign { .. } => Some(reasons::CONFLICT_BEHIND),
        ApiKeyFact::Going { .. } => Some(reasons::CHILD_TERMINATING),
        _ => held(),
    }
}
