//! The problems of a stack, causes before consequences: a component that crashes because its database is
//! down is no problem of its own, but is listed with the problem of the database.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;

use super::{
    advice,
    api::{
        component::ComponentKind,
        status::{ComponentStatus, Phase, StackProblem},
    },
    facts::{Facts, SecretFact},
    gates::Observed,
    graph::{self, Dependencies},
    model::Stack,
    observe, referenced, secrets, warnings,
};
use crate::{
    engine::{
        cache::Snapshot,
        deadlines::DeadlineTracker,
        outcome::{AppliedObject, Outcome},
        plan::Plan,
    },
    kinds::{KINDS, Managed},
    logpilot::problems::object_outcome_problem,
    reasons,
    workload::{
        health::{self, LastWords},
        labels::COMPONENT,
        problems::{self, Problem, Profile, Severity},
    },
};

/// Facts that the workloads of a stack do not contain.
pub const PROFILE: Profile = Profile {
    advice: advice::action,
    is_required_job: |_| true,
    late_claims: &[],
    end_causes: &[],
    data_path: "",
};

/// Reasons of problems that the outage of a dependency may cause.
const CONSEQUENCES: [&str; 3] = [reasons::CRASH_LOOP, reasons::NOT_READY, reasons::DEADLINE_EXCEEDED];

/// Everything that problems are found in.
pub struct View<'a> {
    pub stack: &'a Stack,
    pub facts: &'a Facts,
    pub observed: &'a BTreeMap<String, Observed>,
    pub components: &'a [ComponentStatus],
    pub plan: &'a Plan,
    pub snapshot: &'a Snapshot,
    pub outcome: &'a Outcome,
    pub clock: &'a DeadlineTracker,
}

/// Returns the problems of a stack, the most severe first.
#[must_use]
pub fn problems(view: &View<'_>) -> Vec<StackProblem> {
    let mut found: Vec<Problem> = view.outcome.steps.iter().filter_map(of_step).collect();
    found.extend(problems::live_problems(&PROFILE, KINDS, view.plan, view.snapshot, view.clock));
    problems::remove_secondary_problems(&mut found);
    let owners = Owners::of(view);
    let mut all: Vec<StackProblem> = found
        .into_iter()
        .map(|problem| StackProblem { component: owners.find(&problem.object), problem, affects: Vec::new() })
        .collect();
    all.extend(of_facts(view));
    all.extend(of_jobs(view));
    all.extend(warnings::warnings(view.stack));
    all.extend(warnings::at_maximum(view.stack, view.snapshot, view.clock));
    let mut all = explained(view, all);
    all.sort_by_key(|it| (it.problem.severity, std::cmp::Reverse(it.affects.len())));
    all.dedup();
    all
}

/// Returns a problem of a component, or of the whole stack.
#[must_use]
pub fn problem(
    stack: &Stack,
    severity: Severity,
    reason: &str,
    component: Option<&str>,
    message: impl Into<String>,
) -> StackProblem {
    let object = format!("ServiceStack {}/{}", stack.scope.namespace, stack.scope.owner.name);
    let problem = PROFILE.problem(severity, reason, object, message);
    StackProblem { problem, component: component.map(str::to_owned), affects: Vec::new() }
}

fn of_step(step: &AppliedObject) -> Option<Problem> {
    let (severity, reason, message) = object_outcome_problem(step)?;
    Some(PROFILE.problem(severity, reason, step.object(), message))
}

/// The component of each object, by the text that problems name it with.
struct Owners(BTreeMap<String, String>);

impl Owners {
    fn of(view: &View<'_>) -> Self {
        let mut owners = BTreeMap::new();
        for planned in &view.plan.objects {
            let labels = planned.body.pointer("/metadata/labels").and_then(|labels| labels.get(COMPONENT));
            if let Some(component) = labels.and_then(|label| label.as_str()) {
                owners.insert(format!("{} {}", planned.kind.kind, planned.key), component.to_owned());
            }
        }
        for child in view.snapshot.children.values() {
            if let Some(pod) = child.observed::<health::Pod>() {
                owners.insert(child.to_string(), pod.component.clone());
            } else if let Some(set) = child.observed::<health::ReplicaSet>() {
                let workload = set.deployment.as_ref();
                let of = view.stack.running().find(|(_, it)| Some(&it.name) == workload);
                owners.extend(of.map(|(component, _)| (child.to_string(), component.name.clone())));
            }
        }
        Self(owners)
    }

    fn find(&self, object: &str) -> Option<String> {
        self.0.get(object).filter(|name| !name.is_empty()).cloned()
    }
}

fn of_facts(view: &View<'_>) -> Vec<StackProblem> {
    let stack = view.stack;
    let error = |reason: &str, component: Option<&str>, message: String| {
        problem(stack, Severity::Error, reason, component, message)
    };
    let mut found = Vec::new();
    for (name, fact) in &view.facts.secrets {
        if let SecretFact::Lost { uid } = fact {
            let told = error(
                reasons::GENERATED_SECRET_LOST,
                None,
                format!(
                    "was deleted, while a PVC of the stack still exists; a database in it accepts only the lost values, so \
                 no new ones are generated; restore the Secret from a backup with its labels ({}), or annotate the stack \
                 with {}={} and set the new values inside the database",
                    secrets::adoption(stack, name),
                    secrets::ACCEPT_LOSS,
                    secrets::acceptance(name, uid)
                ),
            );
            let object = format!("Secret {}/{name}", stack.scope.namespace);
            found.push(told.of_object(object));
        }
    }
    for (name, fact) in &view.facts.secrets {
        if let SecretFact::Foreign { whose, unowned } = fact {
            let mut message = format!("the name is taken by another Secret: {whose}");
            if *unowned {
                let command = secrets::adoption(stack, name);
                message = format!("{message}; if it has the values that the stack needs, run {command}");
            }
            let told = error(reasons::NAME_CONFLICT, None, message);
            let object = format!("Secret {}/{name}", stack.scope.namespace);
            found.push(told.of_object(object));
        }
    }
    for (component, message) in &view.facts.host_paths {
        found.push(error(reasons::HOST_PATH_FORBIDDEN, Some(component), message.clone()));
    }
    found.extend(referenced::problems(stack, &view.facts.references));
    let name = stack.ingress.as_ref().map_or(&stack.scope.owner.name, |ingress| &ingress.name);
    for refused in &view.facts.hosts {
        let told = error(reasons::HOST_NOT_ALLOWED, None, refused.message.clone());
        let object = format!("{:?} {}/{name}", refused.way, stack.scope.namespace);
        found.push(told.of_object(object));
    }
    for taken in &view.facts.taken {
        let told = error(
            reasons::ROUTE_CONFLICT,
            None,
            format!("{}{} is already used by {}, which is older", taken.host, taken.path, taken.by),
        );
        let object = format!("{:?} {}/{name}", taken.way, stack.scope.namespace);
        found.push(told.of_object(object));
    }
    found
}

/// A failed Job stays with its pods, and runs again when its component changes.
fn of_jobs(view: &View<'_>) -> Vec<StackProblem> {
    let failed =
        view.components.iter().filter(|it| it.kind == ComponentKind::Job && it.phase == Phase::Failed);
    failed
        .map(|row| {
            let why = view.observed.get(&row.name).map(|it| it.why.clone()).unwrap_or_default();
            let said =
                last_words(&row.name, view.snapshot).map(|words| format!("; {words}")).unwrap_or_default();
            problem(view.stack, Severity::Error, reasons::JOB_FAILED, Some(&row.name), format!("{why}{said}"))
        })
        .collect()
}

/// Returns how the newest pod of a Job ended.
fn last_words(component: &str, snapshot: &Snapshot) -> Option<String> {
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>());
    let ended = pods.filter(|pod| pod.component == component && pod.job.is_some());
    let end = ended.max_by_key(|pod| pod.ended_at)?.terminated.as_ref()?;
    let said = match &end.words {
        LastWords::Cause(cause) => format!(": {cause}"),
        _ => String::new(),
    };
    Some(format!("its last pod ended with exit code {}{said}", end.exit_code))
}

/// Drops problems that the outage of a dependency explains, and adds to each cause the components that
/// depend on it.
fn explained(view: &View<'_>, mut all: Vec<StackProblem>) -> Vec<StackProblem> {
    let graph: Dependencies =
        view.stack.components.values().map(|it| (it.name.clone(), it.depends_on.clone())).collect();
    let down = down(view);
    let causes: BTreeMap<&String, BTreeSet<String>> =
        down.iter().map(|name| (name, graph::dependents(&graph, name))).collect();
    let suffers = |component: &String| causes.values().any(|dependents| dependents.contains(component));
    all.retain(|it| {
        let reason = it.problem.reason.as_str();
        !(CONSEQUENCES.contains(&reason) && it.component.as_ref().is_some_and(suffers))
    });
    let is_error = |it: &StackProblem| it.problem.severity == Severity::Error;
    let failed = view.components.iter().filter(|it| it.phase == Phase::Failed).map(|it| &it.name);
    let untold = down.iter().map(|name| (name, reasons::NOT_READY));
    for (name, reason) in untold.chain(failed.map(|name| (name, reasons::DEADLINE_EXCEEDED))) {
        // A component that suffers itself is not the cause.
        if suffers(name) || all.iter().any(|it| is_error(it) && it.component.as_ref() == Some(name)) {
            continue;
        }
        let why = view.observed.get(name).map(|it| it.why.clone()).unwrap_or_default();
        let told = problem(view.stack, Severity::Error, reason, Some(name), why);
        let object =
            view.stack.components.get(name).and_then(|it| observe::live(view.stack, it, view.snapshot));
        all.push(match object {
            Some(child) => told.of_object(child.to_string()),
            None => told,
        });
    }
    let waits = |name: &String| view.facts.gates.get(name).is_some_and(|gate| !gate.is_open());
    let unavailable = |name: &String| !view.observed.get(name).is_some_and(|it| it.available);
    let is_complete =
        |name: &String| view.components.iter().any(|it| it.name == *name && it.phase == Phase::Completed);
    for it in all.iter_mut().filter(|it| is_error(it)) {
        let Some(component) = &it.component else { continue };
        let dependents = graph::dependents(&graph, component).into_iter();
        let affected = dependents.filter(|name| view.stack.components.get(name).is_some_and(|it| it.enabled));
        let affected = affected.filter(|name| unavailable(component) && !is_complete(name) || waits(name));
        it.affects = affected.collect();
    }
    all
}

/// Components that were complete once and have too few available pods now, other than by their own
/// rollout.
fn down(view: &View<'_>) -> BTreeSet<String> {
    let degraded = view.components.iter().filter(|it| it.phase == Phase::Degraded);
    let unavailable = degraded.filter(|it| view.observed.get(&it.name).is_some_and(|seen| !seen.available));
    unavailable.map(|it| it.name.clone()).collect()
}
