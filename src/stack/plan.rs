//! The objects of a stack, as a table of contents: the first lines of a builder say whether its object
//! exists.

use serde::Serialize;

use super::{
    api::component::ComponentKind,
    facts::{Facts, SecretFact},
    gates::Wanted,
    model::{Stack, StackComponent},
    objects::{files, ingress, network_policy, secret},
    restart,
};
use crate::{
    engine::plan::{Plan, Replicas},
    kinds::AddTyped,
    reasons,
    workload::{
        build::{
            deployment::{self, ObservedReplicas},
            gateway, horizontal_pod_autoscaler, job, persistent_volume_claim, pod, pod_disruption_budget,
            routes, service, service_account, service_monitor, stateful_set,
        },
        contention::ExposureKind,
        metadata,
        model::Component,
        names::short_hash,
    },
};

/// Annotation of a workload, in the operator's domain: hash of its pod template.
pub const TEMPLATE: &str = "template";

/// Reasons to leave a component unchanged that concern only what its pods read: they do not keep it from
/// being stopped.
const READS: [&str; 3] =
    [reasons::REFERENCE_MISSING, reasons::REFERENCE_INVALID, reasons::GENERATED_SECRET_LOST];

/// Every object that the stack should have.
#[must_use]
pub fn plan(stack: &Stack, facts: &Facts) -> Plan {
    let scope = &stack.scope;
    let mut plan = Plan::default();
    plan.add([service_account::build(scope, &std::collections::BTreeMap::new())]);
    for wanted in &stack.secrets {
        plan.add(secret::build(scope, wanted, facts.secrets.get(&wanted.name)));
    }
    plan.add(stack.volumes.iter().map(|claim| persistent_volume_claim::build(scope, claim)));
    for component in stack.components.values() {
        plan.add(component.claims.iter().map(|claim| persistent_volume_claim::build(scope, claim)));
        if let Some(workload) = &component.workload {
            let stopped = facts.stopped.contains(&component.name);
            add_component(&mut plan, stack, facts, component, &Component { stopped, ..workload.clone() });
        }
    }
    if let Some(wanted) = &stack.ingress {
        let taken = route_hold(facts, ExposureKind::Ingress);
        let early = too_early(facts, &wanted.components);
        plan.add_with(ingress::build(scope, wanted), Replicas::Planned, taken.or(early));
    }
    let taken = route_hold(facts, ExposureKind::Gateway);
    // A listener of a host asks for its certificate.
    let refused = taken.filter(|reason| *reason == reasons::HOST_NOT_ALLOWED);
    plan.add_with(gateway::build(scope, stack.gateway.as_ref()), Replicas::Planned, refused);
    let is_routed = |service: &String| {
        stack.gateway.iter().flat_map(|gateway| &gateway.routes).any(|route| route.service == *service)
    };
    let behind = stack.running().filter(|(_, workload)| is_routed(&workload.name));
    let early = too_early(facts, behind.map(|(component, _)| &component.name));
    plan.add_with(routes::http(scope, stack.gateway.as_ref()), Replicas::Planned, taken.or(early));
    plan.add_with(routes::redirect(scope, stack.gateway.as_ref()), Replicas::Planned, refused);
    plan
}

fn add_component(
    plan: &mut Plan,
    stack: &Stack,
    facts: &Facts,
    component: &StackComponent,
    workload: &Component,
) {
    let scope = &stack.scope;
    let held = hold_reason(facts, component).filter(|reason| !(workload.stopped && READS.contains(reason)));
    plan.add(component.files.as_ref().map(|it| files::build(scope, workload, it)));
    match component.kind {
        ComponentKind::Deployment => {
            let observed = ObservedReplicas {
                enforced: false,
                autoscaled_by_others: facts.autoscaled_by_others.contains(&component.name),
                last: facts.last_replicas.get(&component.name).copied(),
            };
            let mut built = deployment::build(scope, workload, observed);
            metadata::annotate(&mut built.metadata, [template(stack, component, workload)]);
            plan.add_with([built], deployment::replicas(workload, observed), held);
        }
        ComponentKind::StatefulSet => {
            let mut built = stateful_set::build(scope, workload);
            metadata::annotate(&mut built.metadata, [template(stack, component, workload)]);
            plan.add_with([built], Replicas::Planned, held);
        }
        ComponentKind::Job => {
            let name = job_name(stack, component, workload);
            if !workload.stopped && !facts.completed.contains(&name) {
                let built = job::build(scope, workload, name, component.attempts);
                plan.add_with([built], Replicas::Planned, held);
            }
        }
        ComponentKind::External => {}
    }
    if component.has_service {
        plan.add([service::cluster_ip(scope, workload)]);
    }
    if component.headless {
        plan.add([service::headless(scope, workload)]);
    }
    plan.add(component.monitor.as_ref().map(|it| service_monitor::of_component(scope, workload, it)));
    plan.add(service::load_balancer(scope, workload));
    if component.kind != ComponentKind::Job {
        // An autoscaler of a Deployment that does not exist yet reports errors. One that exists stays: the
        // operator may have stopped before it stored that the component started.
        let early = (!started(facts, &component.name)).then_some(reasons::WAITING_FOR_DEPENDENCY);
        plan.add_with(horizontal_pod_autoscaler::build(scope, workload), Replicas::Planned, early);
        plan.add(pod_disruption_budget::build(scope, workload));
    }
    plan.add(component.policy.as_ref().map(|it| network_policy::build(scope, workload, it)));
}

/// A second route of a host and path would take requests from the first, or be ignored silently.
fn route_hold(facts: &Facts, way: ExposureKind) -> Option<&'static str> {
    let refused = facts.hosts.iter().any(|refused| refused.way == way).then_some(reasons::HOST_NOT_ALLOWED);
    let taken = facts.taken.iter().any(|taken| taken.way == way).then_some(reasons::ROUTE_CONFLICT);
    refused.or(taken)
}

fn started(facts: &Facts, component: &str) -> bool {
    facts.gates.get(component).is_none_or(|gate| gate.started)
}

/// Clients are let in when every component behind a route was complete once, also if it was stopped since.
fn too_early<'a>(facts: &Facts, behind: impl IntoIterator<Item = &'a String>) -> Option<&'static str> {
    let was_complete = |name: &String| facts.gates.get(name).is_none_or(|gate| gate.reached.is_some());
    let early = behind.into_iter().any(|name| !was_complete(name));
    early.then_some(reasons::WAITING_FOR_DEPENDENCY)
}

fn hold_reason(facts: &Facts, component: &StackComponent) -> Option<&'static str> {
    let lost = component.secrets.iter().find_map(|name| match facts.secrets.get(name)? {
        SecretFact::Lost { .. } => Some(reasons::GENERATED_SECRET_LOST),
        SecretFact::Foreign { .. } => Some(reasons::NAME_CONFLICT),
        SecretFact::Unknown => Some("Progressing"),
        SecretFact::Exists { .. } | SecretFact::Generate { .. } => None,
    });
    let gate = facts.gates.get(&component.name).filter(|gate| !gate.is_open());
    lost.or_else(|| facts.held.get(&component.name).copied())
        .or(gate.map(|_| reasons::WAITING_FOR_DEPENDENCY))
}

/// The annotation that says which template a workload has.
fn template(stack: &Stack, component: &StackComponent, workload: &Component) -> (String, String) {
    (stack.scope.key(TEMPLATE), template_hash(stack, component, workload))
}

/// Hash of what a component's pods are made of. The same whether it is stopped or not.
///
/// That of a Job has only what decides about its result, so that a Job that completed does not run again
/// because of a label, or because another version of the operator builds its pods differently.
#[must_use]
pub fn template_hash(stack: &Stack, component: &StackComponent, workload: &Component) -> String {
    if component.kind != ComponentKind::Job {
        return hash(&pod::template(&stack.scope, workload));
    }
    let Component { image, command, args, env, env_from, volumes, mounts, .. } = workload;
    let rerun = restart::requested(&stack.scope, workload);
    hash(&(image.to_string(), command, args, env, env_from, volumes, mounts, rerun))
}

/// A Job cannot be changed: another content is another Job.
#[must_use]
pub fn job_name(stack: &Stack, component: &StackComponent, workload: &Component) -> String {
    format!("{}-{}", workload.name, template_hash(stack, component, workload))
}

/// Returns the planned state of every component that can run, for the gates.
#[must_use]
pub fn wanted(stack: &Stack) -> std::collections::BTreeMap<String, Wanted> {
    let of = |component: &StackComponent| {
        let template = component.workload.as_ref().map(|it| template_hash(stack, component, it));
        let depends_on = component.depends_on.clone();
        let wanted = Wanted { kind: component.kind, depends_on, template: template.unwrap_or_default() };
        (component.enabled).then(|| (component.name.clone(), wanted))
    };
    stack.components.values().filter_map(of).collect()
}

fn hash(content: &impl Serialize) -> String {
    short_hash(&serde_json::to_vec(content).unwrap_or_default())
}
