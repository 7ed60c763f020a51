//! From what was seen and done to the status of a stack. Pure, but for the time that is given.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{ResourceExt, api::DynamicObject};

use super::{
    api::{
        ServiceStackStatus,
        component::ComponentKind,
        status::{ComponentStatus, Phase, StackProblem},
    },
    facts::Facts,
    gates::{self, Gate, Observed},
    model::{Stack, StackComponent},
    observe,
    problems::{self, PROFILE},
    restart, secrets,
};
use crate::{
    api::status::LastChange,
    engine::{
        cache::Snapshot,
        conditions::{DesiredCondition, merge},
        deadlines::DeadlineTracker,
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::Plan,
    },
    reasons,
    status_report::Told,
    workload::{problems::Severity, resolve::Violation},
};

/// Longest text of the column that names what others wait for.
const WAITING: usize = 64;
/// Most problems in a status.
const PROBLEMS: usize = 32;

/// Everything a status is made from.
pub struct View<'a> {
    pub stack: &'a Stack,
    pub before: &'a ServiceStackStatus,
    pub generation: Option<i64>,
    pub facts: &'a Facts,
    pub observed: &'a BTreeMap<String, Observed>,
    pub plan: &'a Plan,
    pub snapshot: &'a Snapshot,
    pub outcome: &'a Outcome,
    pub change: Option<LastChange>,
    pub clock: &'a DeadlineTracker,
}

/// The status of a stack that was planned.
#[must_use]
pub fn build(view: &View<'_>) -> ServiceStackStatus {
    let mut components: Vec<ComponentStatus> =
        view.stack.components.values().map(|component| row(component, view)).collect();
    let counted = components.iter().filter(|it| it.phase != Phase::Disabled).count();
    let done = components
        .iter()
        .filter(|it| matches!(it.phase, Phase::Ready | Phase::Completed | Phase::NotChecked))
        .count();
    let roots = gates::roots(&view.facts.gates);
    let waiting = shortened(&roots.into_iter().collect::<Vec<_>>().join(", "));
    let problems = problems::problems(&problems::View {
        stack: view.stack,
        facts: view.facts,
        observed: view.observed,
        components: &components,
        plan: view.plan,
        snapshot: view.snapshot,
        outcome: view.outcome,
        clock: view.clock,
    });
    explain_waits(&mut components, view.observed, &problems);
    let wanted = conditions(view, &components, (done, counted), &waiting, &problems);
    let ready = wanted.iter().find(|condition| condition.type_ == "Ready");
    let errors = problems.iter().filter(|it| it.problem.severity == Severity::Error).count();
    let warnings = problems.len() - errors;
    ServiceStackStatus {
        observed_generation: view.generation,
        ready: Some(format!("{done}/{counted}")),
        waiting: Some(waiting).filter(|waiting| !waiting.is_empty()),
        summary: ready.map(|condition| condition.reason.clone()),
        problem_count: i32::try_from(errors).unwrap_or(i32::MAX),
        warning_count: i32::try_from(warnings).ok().filter(|count| *count > 0),
        url: url(view.stack),
        tiers: Some(view.stack.tiers()),
        secrets: secrets::status(&view.facts.secrets, view.before),
        last_change: view.change.clone().or_else(|| view.before.last_change.clone()),
        problems: problems.into_iter().take(PROBLEMS).collect(),
        conditions: merge(&view.before.conditions, wanted, view.generation, &Time(view.clock.now())),
        components,
    }
}

/// The status of a resource that cannot be planned: what runs is left as it is, and stays reported as it was.
#[must_use]
pub fn rejected(
    before: &ServiceStackStatus,
    object: &DynamicObject,
    reason: &str,
    messages: Vec<String>,
    now: Timestamp,
) -> ServiceStackStatus {
    let message = messages.join("; ");
    let condition = |type_, status| DesiredCondition {
        type_,
        status,
        reason: reason.to_owned(),
        message: message.clone(),
    };
    let wanted = vec![condition("Ready", false), condition("Accepted", false), condition("Stalled", true)];
    let generation = object.metadata.generation;
    let name = format!("ServiceStack {}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let problem = |message: String| StackProblem {
        problem: PROFILE.problem(Severity::Error, reason, name.clone(), message),
        component: None,
        affects: Vec::new(),
    };
    ServiceStackStatus {
        conditions: merge(&before.conditions, wanted, generation, &Time(now)),
        observed_generation: generation,
        summary: Some(reason.to_owned()),
        problem_count: i32::try_from(messages.len()).unwrap_or(i32::MAX),
        problems: messages.into_iter().take(PROBLEMS).map(problem).collect(),
        ..before.clone()
    }
}

/// One sentence for each violation.
#[must_use]
pub fn sentences(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

/// Names the problem of each dependency that could not be created.
fn explain_waits(
    components: &mut [ComponentStatus],
    observed: &BTreeMap<String, Observed>,
    problems: &[StackProblem],
) {
    let blockers = components.iter_mut().flat_map(|row| &mut row.blocked_by);
    for blocker in blockers.filter(|it| !observed.contains_key(&it.name)) {
        let of_it = |it: &&StackProblem| {
            it.problem.severity == Severity::Error && it.component.as_ref() == Some(&blocker.name)
        };
        if let Some(StackProblem { problem, .. }) = problems.iter().find(of_it) {
            blocker.why = observe::shortened(&format!("{}: {}", problem.reason, problem.message));
        }
    }
}

fn row(component: &StackComponent, view: &View<'_>) -> ComponentStatus {
    let observed = view.observed.get(&component.name);
    let gate = view.facts.gates.get(&component.name).cloned().unwrap_or_default();
    let counts = observe::counts(view.stack, component, view.snapshot);
    let before = view.before.components.iter().find(|it| it.name == component.name);
    // A Job that is switched off and on again does not run again.
    let kept = before.filter(|_| component.kind == ComponentKind::Job && !component.enabled);
    ComponentStatus {
        name: component.name.clone(),
        kind: component.kind,
        tier: component.tier,
        phase: phase(component, observed, &gate, view),
        ready: counts.map(|counts| format!("{}/{}", counts.ready, counts.desired)),
        image: component.workload.as_ref().map(|workload| workload.image.to_string()),
        // A stack that is stopped starts again in order.
        started: gate.started && !(view.stack.stopped && observed.is_none_or(|it| it.idle)),
        reached: gate.reached.or_else(|| kept?.reached.clone()),
        restart: restart::request(view.stack, component).or_else(|| kept?.restart.clone()),
        blocked_by: gate.blocked_by,
    }
}

fn phase(component: &StackComponent, observed: Option<&Observed>, gate: &Gate, view: &View<'_>) -> Phase {
    let Some(workload) = &component.workload else {
        return if component.kind == ComponentKind::External { Phase::NotChecked } else { Phase::Disabled };
    };
    if component.kind == ComponentKind::Job {
        let name = super::plan::job_name(view.stack, component, workload);
        return match observed {
            Some(job) if job.complete => Phase::Completed,
            _ if view.facts.completed.contains(&name) => Phase::Completed,
            Some(job) if job.failed => Phase::Failed,
            Some(_) => Phase::Starting,
            None if view.stack.stopped => Phase::Stopped,
            None => Phase::Waiting,
        };
    }
    match observed {
        _ if view.stack.stopped && observed.is_none_or(|it| it.idle) => {
            // A terminating pod may still write to the volume.
            if observe::with_pods(view.snapshot).contains(&component.name) {
                Phase::Stopping
            } else {
                Phase::Stopped
            }
        }
        None => Phase::Waiting,
        Some(seen) if seen.idle => Phase::Waiting,
        Some(seen) if seen.failed => Phase::Failed,
        Some(seen) if seen.complete && gate.is_open() => Phase::Ready,
        // Its old version runs on while its change waits.
        Some(_) if !gate.is_open() => Phase::Waiting,
        Some(_) if !gate.started => Phase::Starting,
        Some(seen) if Some(&seen.template) != gate.reached.as_ref() => Phase::Updating,
        Some(_) => Phase::Degraded,
    }
}

fn conditions(
    view: &View<'_>,
    components: &[ComponentStatus],
    (done, counted): (usize, usize),
    waiting: &str,
    problems: &[StackProblem],
) -> Vec<DesiredCondition> {
    let condition = |type_, status, reason: &str, message: String| DesiredCondition {
        type_,
        status,
        reason: reason.to_owned(),
        message,
    };
    let mut all = Vec::new();
    let unsettled = view
        .outcome
        .steps
        .iter()
        .find(|step| !step.result.is_settled() && !matches!(step.result, ApplyResult::Held(_)));
    // A stopped stack waits for nothing, so what it creates when it starts is not missing.
    let waits = |reason: &str| view.stack.stopped && reason == reasons::WAITING_FOR_DEPENDENCY;
    let is_held = |step: &&AppliedObject| matches!(step.result, ApplyResult::Held(reason) if !waits(reason));
    let held = view.outcome.steps.iter().find(is_held);
    let error = problems.iter().map(|it| &it.problem).find(|it| it.severity == Severity::Error);
    let share = format!("{done} of {counted} components ready");
    all.push(if view.stack.stopped && !view.stack.paused {
        let left = components.iter().filter(|it| it.phase != Phase::Stopped && it.ready.is_some()).count();
        let message = match left {
            0 => "no pods run while spec.operation.stopped is true; data is kept".to_owned(),
            1 => "stopping: 1 component still has pods".to_owned(),
            left => format!("stopping: {left} components still have pods"),
        };
        condition("Ready", false, "Stopped", message)
    } else if done == counted && unsettled.is_none() && held.is_none() {
        condition("Ready", true, "Ready", format!("{counted} of {counted} components ready"))
    } else if let Some(problem) = error {
        condition(
            "Ready",
            false,
            &problem.reason,
            format!("{share}; {}: {}", problem.object, problem.message),
        )
    } else if !waiting.is_empty() {
        condition(
            "Ready",
            false,
            reasons::WAITING_FOR_DEPENDENCY,
            format!("{share}; waiting for {}", causes(view, waiting)),
        )
    } else {
        condition("Ready", false, "Progressing", share.clone())
    });
    all.push(condition("Accepted", true, "Accepted", "the resource is valid".to_owned()));
    all.push(match (view.stack.paused, unsettled, held) {
        (true, ..) => condition(
            "Applied",
            false,
            "Paused",
            "nothing is written while spec.operation.paused is true".to_owned(),
        ),
        (_, Some(step), _) => {
            condition("Applied", false, "Progressing", format!("{} is not yet as planned", step.object()))
        }
        (_, None, Some(step)) => {
            condition("Applied", false, reasons::WAITING_FOR_DEPENDENCY, format!("{} waits", step.object()))
        }
        (_, None, None) => condition("Applied", true, "Applied", "every object is as planned".to_owned()),
    });
    let moving =
        components.iter().any(|it| matches!(it.phase, Phase::Starting | Phase::Updating | Phase::Waiting));
    if moving && !view.stack.paused {
        all.push(condition("Reconciling", true, "Progressing", share));
    }
    let failed = components.iter().find(|it| it.phase == Phase::Failed);
    if let Some(failed) = failed {
        let kept = view.facts.gates.values().filter(|gate| gate.failed).count();
        let reason = if failed.kind == ComponentKind::Job {
            reasons::JOB_FAILED
        } else if kept > 0 {
            reasons::DEPENDENCY_FAILED
        } else {
            reasons::DEADLINE_EXCEEDED
        };
        let why = view.observed.get(&failed.name).map(|it| it.why.clone()).unwrap_or_default();
        let message = match kept {
            0 => format!("{}: {why}", failed.name),
            1 => format!("{}: {why}; 1 component waits for it", failed.name),
            kept => format!("{}: {why}; {kept} components wait for it", failed.name),
        };
        all.push(condition("Stalled", true, reason, message));
    }
    let warning = problems.iter().map(|it| &it.problem).find(|it| it.severity == Severity::Warning);
    if let Some(warning) = warning {
        all.push(condition("Warning", true, &warning.reason, warning.message.clone()));
    }
    all
}

/// `mysql (0 of 1 ready: pulling image)`.
fn causes(view: &View<'_>, waiting: &str) -> String {
    let named = waiting.split(", ").map(|name| match view.observed.get(name) {
        Some(seen) if !seen.why.is_empty() => format!("{name} ({})", seen.why),
        _ => name.to_owned(),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The part of a status that events tell.
#[must_use]
pub fn told(status: &ServiceStackStatus) -> Told<'_> {
    Told {
        generation: status.observed_generation,
        last_change: status.last_change.as_ref(),
        conditions: &status.conditions,
        problems: status.problems.iter().map(|it| &it.problem).collect(),
    }
}

/// Returns whether two statuses differ only in numbers of pods and in the texts that contain them.
#[must_use]
pub fn only_counts(before: &ServiceStackStatus, status: &ServiceStackStatus) -> bool {
    let essence = |status: &ServiceStackStatus| {
        let mut status = status.clone();
        status.ready = None;
        for condition in &mut status.conditions {
            condition.message.clear();
        }
        for component in &mut status.components {
            component.ready = None;
            for blocker in &mut component.blocked_by {
                blocker.why.clear();
            }
        }
        for problem in &mut status.problems {
            problem.problem.message.clear();
        }
        status
    };
    essence(before) == essence(status)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= WAITING {
        return text.to_owned();
    }
    let head: String = text.chars().take(WAITING - 1).collect();
    format!("{head}…")
}

fn url(stack: &Stack) -> Option<String> {
    let of_ingress = stack.ingress.iter().flat_map(|ingress| {
        let scheme = if ingress.tls.is_some() { "https" } else { "http" };
        ingress.rules.iter().filter_map(move |rule| Some(format!("{scheme}://{}", rule.route.host.as_ref()?)))
    });
    let of_gateway = stack.gateway.iter().flat_map(|gateway| {
        gateway.routes.iter().filter_map(|route| Some(format!("http://{}", route.host.as_ref()?)))
    });
    of_ingress.chain(of_gateway).next()
}
