//! A stack that is stopped, or was never started: what it has, and what its status says.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{autoscaling::v2::HorizontalPodAutoscaler, networking::v1::Ingress},
    jiff::Timestamp,
};

use serde_json::json;

use super::example;
use crate::{
    engine::{
        cache::Snapshot,
        deadlines::DeadlineTracker,
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::Planned,
    },
    kinds::Managed,
    reasons,
    stack::{
        api::{ServiceStackStatus, component::ComponentKind, status::Phase},
        facts::Facts,
        gates::Gate,
        model::Stack,
        plan::plan,
        resolve::resolve,
        status,
    },
};

fn stopped() -> Stack {
    let mut stack = resolve(&example("erp")).unwrap();
    stack.stopped = true;
    stack
}

/// Facts about a stack of which every component ran until it was stopped, or none ever did.
fn facts(stack: &Stack, ran: bool) -> Facts {
    let gate = Gate { reached: ran.then(|| "a".to_owned()), ..Gate::default() };
    let gates = stack.components.keys().map(|name| (name.clone(), gate.clone())).collect();
    Facts { gates, ..Facts::default() }
}

#[test]
fn an_ingress_stays_while_its_stack_is_stopped() {
    let stack = stopped();
    let held = |facts: &Facts| {
        let plan = plan(&stack, facts);
        plan.objects.iter().find(|it| it.kind == Ingress::KIND).unwrap().held
    };
    assert_eq!(held(&facts(&stack, true)), None);
    assert_eq!(held(&facts(&stack, false)), Some(reasons::WAITING_FOR_DEPENDENCY));
}

#[test]
fn routes_of_a_gateway_wait_for_their_components() {
    let mut cr = example("restaurant");
    let mut spec = serde_json::to_value(&cr.spec).unwrap();
    let exposure = &mut spec["exposure"];
    let host = exposure["ingress"]["rules"][0]["host"].clone();
    let component = exposure["ingress"]["rules"][0]["component"].clone();
    *exposure =
        json!({ "gateway": { "className": "envoy", "rules": [{ "host": host, "component": component }] } });
    cr.spec = serde_json::from_value(spec).unwrap();
    let stack = resolve(&cr).unwrap();
    let held = |ran: bool| {
        let plan = plan(&stack, &facts(&stack, ran));
        plan.objects.iter().find(|it| it.kind.kind == "HTTPRoute").unwrap().held
    };
    assert_eq!(held(true), None);
    assert_eq!(held(false), Some(reasons::WAITING_FOR_DEPENDENCY));
}

#[test]
fn a_missing_secret_does_not_keep_a_component_from_being_stopped() {
    let stack = stopped();
    let held = |stops: bool, reason: &'static str| {
        let mut facts = facts(&stack, true);
        facts.gates.values_mut().for_each(|gate| gate.started = true);
        facts.held.insert("mysql".to_owned(), reason);
        facts.stopped.extend(stops.then(|| "mysql".to_owned()));
        let plan = plan(&stack, &facts);
        plan.objects.iter().find(|it| it.key.name == "mysql" && it.kind.kind == "StatefulSet").unwrap().held
    };
    assert_eq!(held(true, reasons::REFERENCE_MISSING), None);
    assert_eq!(held(false, reasons::REFERENCE_MISSING), Some(reasons::REFERENCE_MISSING));
    // With it in the template, a user who may scale the StatefulSet could start pods with the path.
    assert_eq!(held(true, reasons::HOST_PATH_FORBIDDEN), Some(reasons::HOST_PATH_FORBIDDEN));
}

#[test]
fn an_early_autoscaler_is_held_and_not_deleted() {
    let stack = resolve(&example("erp")).unwrap();
    let held = |started: bool| {
        let mut facts = facts(&stack, true);
        facts.gates.values_mut().for_each(|gate| gate.started = started);
        let plan = plan(&stack, &facts);
        plan.objects.iter().find(|it| it.kind == HorizontalPodAutoscaler::KIND).unwrap().held
    };
    assert_eq!(held(true), None);
    assert_eq!(held(false), Some(reasons::WAITING_FOR_DEPENDENCY));
}

#[test]
fn a_stack_created_stopped_waits_for_nothing() {
    let mut stack = stopped();
    stack.components.get_mut("kafka").unwrap().kind = ComponentKind::Job;
    let facts = facts(&stack, false);
    let plan = plan(&stack, &facts);
    let step = |it: &Planned| AppliedObject {
        id: (it.kind, it.key.clone()),
        result: it.held.map_or(ApplyResult::Created, ApplyResult::Held),
    };
    let told = status::build(&status::View {
        stack: &stack,
        before: &ServiceStackStatus::default(),
        generation: Some(1),
        facts: &facts,
        observed: &BTreeMap::new(),
        plan: &plan,
        snapshot: &Snapshot::default(),
        outcome: &Outcome { steps: plan.objects.iter().map(step).collect(), ..Outcome::default() },
        change: None,
        clock: &DeadlineTracker::at(Timestamp::UNIX_EPOCH),
    });
    assert!(told.components.iter().all(|row| row.phase == Phase::Stopped), "{:#?}", told.components);
    let condition = |type_: &str| {
        let found = told.conditions.iter().find(|it| it.type_ == type_);
        found.map(|it| (it.status.clone(), it.reason.clone()))
    };
    assert_eq!(condition("Applied"), Some(("True".to_owned(), "Applied".to_owned())));
    assert_eq!(condition("Ready"), Some(("False".to_owned(), "Stopped".to_owned())));
    assert_eq!(condition("Reconciling"), None);
}
