//! Derives the conditions from the problems and the workloads.

use kube::ResourceExt;

use super::{
    super::{facts::CheckVerdict, gather, problems},
    View,
    components::Workload,
};
use crate::{
    api::status::{Problem, Severity},
    engine::conditions::DesiredCondition,
    reasons,
};

/// Reasons of errors that clear only when a user acts.
const STALLING: [&str; 13] = [
    reasons::DEADLINE_EXCEEDED,
    reasons::API_KEY_INVALID,
    reasons::NAME_CONFLICT,
    reasons::REFERENCE_MISSING,
    reasons::REFERENCE_INVALID,
    reasons::CONFIG_CHECK_FAILED,
    reasons::QUOTA_EXCEEDED,
    reasons::ADMISSION_DENIED,
    reasons::ROUTE_NOT_ACCEPTED,
    reasons::ROUTE_CONFLICT,
    reasons::DATA_VOLUME_SHARED,
    reasons::ROLLOUT_PAUSED,
    reasons::SCALED_BEYOND_STORAGE,
];

pub(super) fn derive(view: &View<'_>, found: &[Problem], workloads: &[Workload]) -> Vec<DesiredCondition> {
    let condition = |type_, status, reason: &str, message: String| DesiredCondition {
        type_,
        status,
        reason: reason.to_owned(),
        message,
    };
    let mut wanted = Vec::new();
    let first_error = found.iter().find(|problem| problem.severity == Severity::Error);
    let unsettled = view.outcome.steps.iter().find(|step| !step.result.is_settled());
    let applied = unsettled.is_none() && !view.paused;
    let in_force =
        view.outcome.steps.iter().all(|step| step.result.is_settled() || problems::is_warning_only(step));
    let complete = workloads.iter().all(|workload| workload.complete);
    let (waiting, progress) = waits_for(view, workloads);
    let cause = |fallback: &str, message: String| match first_error {
        Some(problem) => (problem.reason.clone(), format!("{}: {}", problem.object, problem.message)),
        None => (fallback.to_owned(), message),
    };

    let restoring = view.restore.progress();
    wanted.push(if let (None, Some(progress)) = (first_error, &restoring) {
        condition("Ready", false, reasons::RESTORING, progress.clone())
    } else if first_error.is_none() && view.stopped && !view.paused {
        let left: i32 = workloads.iter().map(|workload| workload.status.ready).sum();
        let message = match left {
            0 => "no pods run while spec.operation.stopped is true; the data is kept".to_owned(),
            left => format!("stopping: {left} pods remain"),
        };
        condition("Ready", false, reasons::STOPPED, message)
    } else if first_error.is_none() && complete && in_force {
        condition("Ready", true, reasons::READY, "every pod runs the declared state".into())
    } else {
        let (reason, message) = cause(waiting, progress.clone());
        condition("Ready", false, &reason, message)
    });
    wanted.push(condition("Accepted", true, reasons::ACCEPTED, "the resource is valid".into()));
    wanted.push(if view.paused {
        condition(
            "Applied",
            false,
            reasons::PAUSED,
            "the operator writes only the status while spec.operation.paused is true".into(),
        )
    } else if let Some(step) = unsettled {
        let (reason, message) = cause(waiting, format!("{} does not match the plan yet", step.object()));
        condition("Applied", false, &reason, message)
    } else {
        condition(
            "Applied",
            true,
            reasons::APPLIED,
            // Without the number of objects, which changes with what is kept for a rollback.
            format!("every object matches the plan{}", reads(view)),
        )
    });

    let lost = first_error.is_some_and(|problem| problem.reason == reasons::DATA_VOLUME_LOST);
    let stuck = first_error.filter(|_| {
        lost || problems::requires_user_action(view.outcome)
            || found.iter().any(|problem| {
                problem.severity == Severity::Error && STALLING.contains(&problem.reason.as_str())
            })
    });
    if let Some(problem) = stuck {
        wanted.push(condition(
            "Stalled",
            true,
            &problem.reason,
            format!("{}: {}", problem.object, problem.message),
        ));
    } else if let (Some(progress), false) = (restoring, view.paused) {
        let (reason, message) = cause(reasons::RESTORING, progress);
        wanted.push(condition("Reconciling", true, &reason, message));
    } else if !(view.paused || applied && complete) {
        let (reason, message) = cause(waiting, progress);
        wanted.push(condition("Reconciling", true, &reason, message));
    }
    let warnings: Vec<&Problem> =
        found.iter().filter(|problem| problem.severity == Severity::Warning).collect();
    if let Some(first) = warnings.first() {
        let message = warnings
            .iter()
            .map(|problem| format!("{} ({}): {}", problem.reason, problem.object, problem.message))
            .collect::<Vec<_>>()
            .join("; ");
        wanted.push(condition("Warning", true, &first.reason, message));
    }
    wanted
}

/// Describes when changes of objects that are not watched are noticed, if the spec names such objects.
fn reads(view: &View<'_>) -> String {
    let key = view.cr.spec.auth.as_ref().is_some_and(|auth| auth.api_key_secret.is_some());
    if !key && view.facts.references.is_empty() {
        return String::new();
    }
    format!(
        "; Secrets and ConfigMaps that the spec names are read again within 5 minutes, or immediately with: \
         kubectl annotate lpc {} {}=\"$(date)\" --overwrite",
        view.cr.name_any(),
        gather::REFRESH
    )
}

/// Returns what a rollout is waiting for, and its reason.
fn waits_for(view: &View<'_>, workloads: &[Workload]) -> (&'static str, String) {
    let checks = view.facts.config_checks.iter();
    let tried: Vec<_> = checks
        .filter(|(_, check)| check.verdict == CheckVerdict::Running && !view.paused)
        .map(|(name, check)| {
            format!("{name} is left unchanged while {} checks its new configuration", check.object)
        })
        .collect();
    if !tried.is_empty() {
        return (reasons::CONFIG_CHECKING, tried.join("; "));
    }
    let behind = workloads.iter().filter(|workload| !workload.complete).map(|workload| {
        let status = &workload.status;
        format!(
            "{}: {} of {} pods updated, {} available",
            status.name, status.updated, status.desired, status.available
        )
    });
    (reasons::PROGRESSING, behind.collect::<Vec<_>>().join("; "))
}
