//! Derives the problems of a resource from the apply outcome and the live objects. Pure: the same view
//! gives the same list.

mod causes;
mod conflicts;
mod held_sizes;
mod places;
mod routes;

pub use crate::workload::problems::remove_secondary_problems;
pub use conflicts::World;

use super::{
    facts::{ApiKeyFact, CheckVerdict, Facts, NamespaceFact},
    model::Cluster,
};
use crate::{
    api::status::{Problem, Severity},
    engine::{
        INSTANCE_LABEL, MANAGED_BY_LABEL,
        cache::Snapshot,
        deadlines::DeadlineTracker,
        error::Disposition,
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::{Plan, Planned},
    },
    kinds::FIELD_MANAGER,
    logpilot::labels::{BACKUP, RESTORE},
    reasons::{self, action},
    workload::problems::{self, Profile},
};

const KEY_GOING: &str =
    "belongs to a deleted resource of the same name; a new key is generated after garbage collection";

/// Facts that the workloads of a `LogPilotCluster` do not contain.
pub(super) const PROFILE: Profile = Profile {
    advice: action,
    is_required_job: |component| component == RESTORE,
    late_claims: &[BACKUP],
    end_causes: causes::CAUSES,
    data_path: causes::DATA_PATH,
};

/// Returns a problem with the action from the reason table.
#[must_use]
pub fn problem(severity: Severity, reason: &str, object: String, message: impl Into<String>) -> Problem {
    PROFILE.problem(severity, reason, object, message)
}

/// Returns the problems that the facts show before anything is written.
#[must_use]
pub fn fact_problems(cluster: &Cluster, facts: &Facts) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(conflicts::of_namespaces(facts, cluster.name()));
    let servers = Some(&cluster.namespace.name).zip(Some(facts.namespace));
    let system = cluster.system_namespace.as_ref().zip(Some(facts.system_namespace));
    for (name, fact) in servers.into_iter().chain(system) {
        if fact == NamespaceFact::Terminating {
            found.push(problem(
                Severity::Error,
                reasons::NAMESPACE_TERMINATING,
                format!("Namespace {name}"),
                "is being deleted; the operator recreates every object afterwards",
            ));
        }
    }
    if !facts.namespace_ignored.is_empty() {
        found.push(problem(
            Severity::Warning,
            reasons::SETTING_IGNORED,
            format!("Namespace {}", cluster.namespace.name),
            format!(
                "existed before this resource and is never changed, so {} has no effect; set it on the namespace itself, or remove it from the spec",
                facts.namespace_ignored.join(", ")
            ),
        ));
    }
    if facts.limits_shared {
        found.push(problem(
            Severity::Warning,
            reasons::LIMITS_SHARED,
            format!("Namespace {}", cluster.namespace.name),
            "existed before this resource, so the LimitRange and ResourceQuota of spec.limits also apply to pods of \
             other users in it",
        ));
    }
    let name = cluster.name();
    for (claim, uid) in &facts.lost_claims {
        let claim = cluster.key(claim);
        found.push(problem(
            Severity::Error,
            reasons::DATA_VOLUME_LOST,
            format!("PersistentVolumeClaim {claim}"),
            format!(
                "held data (UID {uid}) and no longer exists; restore a PVC of that name with the labels \
                 {MANAGED_BY_LABEL}={FIELD_MANAGER} and {INSTANCE_LABEL}={name}, or give up the data with: \
                 kubectl annotate lpc {name} {}={uid}",
                super::ACCEPT_DATA_LOSS
            ),
        ));
    }
    for held in facts.held_sizes.values() {
        let object = format!("PersistentVolumeClaim {}", held.claim);
        found.push(problem(Severity::Warning, reasons::VOLUME_RESIZE, object, held_sizes::message(held)));
    }
    for beyond in facts.beyond_storage.values() {
        let object = format!("Deployment {}", beyond.deployment);
        found.push(problem(Severity::Error, reasons::SCALED_BEYOND_STORAGE, object, beyond.message.clone()));
    }
    for missing in facts.references.values().flat_map(|references| &references.missing) {
        let severity = if missing.optional { Severity::Warning } else { Severity::Error };
        found.push(problem(
            severity,
            reasons::REFERENCE_MISSING,
            missing.object.clone(),
            missing.message.clone(),
        ));
    }
    for refused in facts.references.values().flat_map(|references| &references.refused) {
        let holds = refused.holds;
        let severity = if holds { Severity::Error } else { Severity::Warning };
        found.push(problem(severity, refused.reason, refused.object.clone(), refused.message.clone()));
    }
    for check in facts.config_checks.values() {
        if let CheckVerdict::Bad { message } = &check.verdict {
            let object = check.object.clone();
            found.push(problem(Severity::Error, reasons::CONFIG_CHECK_FAILED, object, message));
        }
    }
    found.extend(routes::route_conflict_problems(&facts.taken, name));
    found.extend(places::shared_place_problems(&facts.shared));
    let secret = cluster.key(&cluster.api_key.secret);
    if let ApiKeyFact::Foreign { whose, .. } = &facts.api_key {
        found.push(conflicts::of_key(&secret, &cluster.api_key.key, whose, name));
    }
    let key = match &facts.api_key {
        ApiKeyFact::Invalid { message } => Some((reasons::API_KEY_INVALID, message.as_str())),
        ApiKeyFact::Going { .. } => Some((reasons::CHILD_TERMINATING, KEY_GOING)),
        _ => None,
    };
    found.extend(
        key.map(|(reason, message)| problem(Severity::Error, reason, format!("Secret {secret}"), message)),
    );
    found
}

/// Returns the problems of objects that could not be applied.
#[must_use]
pub fn outcome_problems(outcome: &Outcome, world: World<'_>) -> Vec<Problem> {
    let told = |step: &AppliedObject| {
        let (severity, reason, message) = object_outcome_problem(step)?;
        Some(problem(severity, reason, step.object(), world.told(step, message)))
    };
    outcome.steps.iter().filter_map(told).collect()
}

/// Returns the problem of an object that was not written as planned: its severity, reason and message.
#[must_use]
pub fn object_outcome_problem(step: &AppliedObject) -> Option<(Severity, &str, String)> {
    let (severity, reason, message) = match &step.result {
        ApplyResult::Held(reason) if *reason == reasons::CONFLICT_BEHIND => {
            (Severity::Error, *reason, "blocked".to_owned())
        }
        // The cause of the hold explains held workloads; waiting without a cause of its own is no
        // problem.
        ApplyResult::InSync
        | ApplyResult::Created
        | ApplyResult::Updated
        | ApplyResult::Deleted
        | ApplyResult::Held(_) => {
            return None;
        }
        ApplyResult::Waiting { reason, .. } if *reason == reasons::PROGRESSING => return None,
        ApplyResult::Waiting { reason, message } => (Severity::Error, *reason, message.clone()),
        ApplyResult::Conflict { message, .. } => (Severity::Error, reasons::NAME_CONFLICT, message.clone()),
        ApplyResult::Behind { message, .. } => (Severity::Error, reasons::CONFLICT_BEHIND, message.clone()),
        ApplyResult::Unserved => (
            Severity::Warning,
            reasons::CRD_NOT_INSTALLED,
            format!("{} is not installed, or does not serve {}", step.id.0.crd_name(), step.id.0.version),
        ),
        // The pods keep running; only the volume is smaller than declared.
        ApplyResult::Failed(error) if error.reason() == reasons::VOLUME_RESIZE => {
            (Severity::Warning, reasons::VOLUME_RESIZE, error.message())
        }
        ApplyResult::Failed(error) => (Severity::Error, error.reason(), error.message()),
    };
    Some((severity, reason, message))
}

/// Returns whether a step that did not settle leaves the declared state in force, except for what a
/// warning reports.
#[must_use]
pub fn is_warning_only(step: &AppliedObject) -> bool {
    object_outcome_problem(step).is_some_and(|(severity, ..)| severity == Severity::Warning)
}

/// Returns whether the apply outcome requires user action.
#[must_use]
pub fn requires_user_action(outcome: &Outcome) -> bool {
    outcome.steps.iter().any(|step| match &step.result {
        ApplyResult::Conflict { .. } => true,
        ApplyResult::Failed(error) => {
            error.disposition() == Disposition::UserAction && error.reason() != reasons::VOLUME_RESIZE
        }
        _ => false,
    })
}

/// Returns the problems of the live objects of a plan.
#[must_use]
pub fn live_problems(plan: &Plan, snapshot: &Snapshot, clock: &DeadlineTracker) -> Vec<Problem> {
    problems::live_problems(&PROFILE, crate::kinds::KINDS, plan, snapshot, clock)
}

/// Returns whether a planned object belongs to the backups.
pub(super) fn of_backups(planned: &Planned) -> bool {
    problems::is_of(planned, BACKUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shared_reason_has_a_row() {
        for name in crate::workload::reasons::REASONS {
            assert!(reasons::REASONS.iter().any(|row| row.name == *name), "{name}");
        }
    }

    #[test]
    fn the_words_of_shared_problems_have_advice() {
        assert!(action(reasons::VOLUME_RESIZE, "p has not started to resize").contains("resizer"));
        assert!(action(reasons::QUOTA_EXCEEDED, "must specify limits.cpu").starts_with("set resources"));
    }
}
