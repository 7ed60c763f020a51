//! Events and metrics that follow from a status.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{ResourceExt, api::DynamicObject};
use tracing::info;

use crate::{
    api::status::{LastChange, Problem, Severity},
    engine::{events::Note, outcome::AppliedObject, publisher::Publisher},
    kinds::KINDS,
    metrics::Judged,
    reasons,
};

/// Reasons of a resource that is not ready because a user wants it so, or because it is changing.
const WANTED: [&str; 5] = [
    reasons::PROGRESSING,
    reasons::CONFIG_CHECKING,
    reasons::STOPPED,
    reasons::RESTORING,
    reasons::WAITING_FOR_DEPENDENCY,
];
/// Largest number of events about problems after one status write.
pub(crate) const MOST_NEWS: usize = 3;

/// The part of a status that events tell.
pub struct Told<'a> {
    pub generation: Option<i64>,
    pub last_change: Option<&'a LastChange>,
    pub conditions: &'a [Condition],
    pub problems: Vec<&'a Problem>,
}

/// Publishes events about what changed: on the resource, and for an error also on the object
/// concerned. Events of a cluster-scoped resource are in `default`, and users also read the events
/// of the pods.
pub async fn publish(
    publisher: &Publisher,
    object: &DynamicObject,
    before: &Told<'_>,
    now: &Told<'_>,
    others: impl IntoIterator<Item = Note>,
) {
    let resource = publisher.regarding(object);
    let version = object.resource_version();
    for note in notes(before, now, version.as_deref(), others) {
        info!(name = object.name_any(), reason = note.reason, "{}", note.message);
        publisher.events.publish(&resource, note).await;
    }
    for problem in news(before, now).filter(|problem| problem.severity == Severity::Error) {
        if let Some(regarding) = reference(&problem.object).filter(|it| it.namespace.is_some()) {
            let note = warning(&problem.reason, format!("{}; {}", problem.message, problem.action));
            publisher.events.publish(&regarding, note).await;
        }
    }
}

/// Returns an event for each pod that was evicted because the scheduler does not retry it.
pub fn evictions(steps: &[AppliedObject]) -> impl Iterator<Item = Note> {
    steps.iter().filter(|step| step.result.is_write()).map(|step| Note {
        warning: false,
        reason: reasons::STUCK_POD_EVICTED.to_owned(),
        message: format!(
            "evicted {}, which never ran: it waited for pods of its volume that no longer run; the replacement is scheduled immediately",
            step.object()
        ),
        ..Note::default()
    })
}

fn warning(reason: &str, message: String) -> Note {
    Note { warning: true, reason: reason.to_owned(), message, ..Note::default() }
}

/// Returns the problems that are new, up to the number that a user still reads; the condition contains
/// all of them.
fn news<'a>(before: &Told<'a>, now: &Told<'a>) -> impl Iterator<Item = &'a Problem> {
    let known: Vec<(&str, &str)> = before.problems.iter().map(|old| (&*old.reason, &*old.object)).collect();
    let is_new = move |problem: &&Problem| !known.contains(&(&*problem.reason, &*problem.object));
    now.problems.clone().into_iter().filter(is_new).take(MOST_NEWS)
}

/// Returns the events that a change of status means to a user, and `others` among them. `version` is the
/// resourceVersion: an event about a new generation refers to that version.
#[must_use]
pub fn notes(
    before: &Told<'_>,
    now: &Told<'_>,
    version: Option<&str>,
    others: impl IntoIterator<Item = Note>,
) -> Vec<Note> {
    let edited = before.generation != now.generation;
    let version = version.filter(|_| edited).map(str::to_owned);
    let mut notes = Vec::new();
    if let Some(change) = now.last_change
        && before.last_change.map(|change| change.generation) != Some(change.generation)
    {
        notes.push(Note {
            reason: "SpecAccepted".to_owned(),
            message: format!("generation {}: {}", change.generation, change.changes.join("; ")),
            version: version.clone(),
            ..Note::default()
        });
    }
    notes.extend(others);
    for problem in news(before, now) {
        let Problem { reason, object, message, action, .. } = problem;
        let related = reference(object);
        // Another event of the same reason and object would be counted as a repetition, and its message
        // would be lost.
        if let Some(other) = notes.iter_mut().find(|note| note.reason == *reason && note.related == related) {
            other.message = format!("{}; {object}: {message}", other.message);
            continue;
        }
        let told = warning(reason, format!("{object}: {message}; {action}"));
        notes.push(Note { related, version: version.clone(), ..told });
    }
    for condition in now.conditions {
        let old = before.conditions.iter().find(|old| old.type_ == condition.type_);
        let same = |old: &Condition| old.status == condition.status && old.reason == condition.reason;
        let same_words = |old: &Condition| !edited || old.message == condition.message;
        if old.is_some_and(|old| same(old) && same_words(old)) {
            continue;
        }
        let was_ready = old.is_some_and(|old| old.status == "True");
        let abnormal = match (condition.type_.as_str(), condition.status.as_str()) {
            ("Stalled" | "Warning", _) => true,
            ("Ready", "True") if !was_ready => false,
            // The first start is no loss of readiness, and a state that the user requested is no error.
            ("Ready", "False") if was_ready => !WANTED.contains(&condition.reason.as_str()),
            ("Ready", "False") if condition.reason == reasons::STOPPED => false,
            _ => continue,
        };
        // Skips what another condition or a problem already reports.
        if !notes.iter().any(|note| note.reason == condition.reason) {
            notes.push(Note {
                warning: abnormal,
                reason: condition.reason.clone(),
                message: condition.message.clone(),
                version: version.clone().filter(|_| condition.type_ != "Ready"),
                ..Note::default()
            });
        }
    }
    notes
}

/// Converts `Kind namespace/name` or `Kind name` back to a reference.
pub(crate) fn reference(object: &str) -> Option<ObjectReference> {
    let (kind, key) = object.split_once(' ')?;
    let (namespace, name) =
        key.split_once('/').map_or((None, key), |(namespace, name)| (Some(namespace), name));
    let kind = KINDS.iter().find(|known| known.kind == kind && known.namespaced == namespace.is_some())?;
    Some(ObjectReference {
        api_version: Some(kind.api_version()),
        kind: Some(kind.kind.to_owned()),
        namespace: namespace.map(str::to_owned),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    })
}

/// Returns the figures of a status for the metrics. Reasons of Kubernetes are not in the table: the
/// values of a label must stay bounded.
#[must_use]
pub fn judged(status: &Told<'_>) -> Judged {
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let mut reasons: Vec<_> = status
        .problems
        .iter()
        .map(|problem| {
            let known = reasons::REASONS.iter().find(|row| row.name == problem.reason);
            known.map_or("Other", |row| row.name)
        })
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    Judged {
        not_ready_since: ready
            // A resource that is stopped on purpose is healthy.
            .filter(|condition| condition.status != "True" && condition.reason != reasons::STOPPED)
            .map(|condition| condition.last_transition_time.0.as_second()),
        reasons,
    }
}
