//! Writes the status if it differs, then publishes events about what changed.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Client, ResourceExt, api::DynamicObject};
use serde_json::Value;
use tracing::info;

use super::{reasons, remembered::State};
use crate::{
    api::{
        LogPilotClusterStatus,
        status::{Problem, RestorePhase, RestoreStatus, Severity},
    },
    engine::{
        api_client::ApiClient,
        events::Note,
        outcome::AppliedObject,
        publisher::{Published, Publisher},
        requeue::Requeue,
        resource::ResourceRef,
    },
    kinds::{KINDS, LOGPILOT_CLUSTER},
    metrics::{Judged, Metrics},
};

/// Shortest interval between two status writes that change only counts.
pub const COUNTS: Duration = Duration::from_secs(2);
/// The same interval while another client changes an object as often as the operator reverts it: the
/// counts then alternate.
const COUNTS_CONTESTED: Duration = Duration::from_secs(30);

/// Largest number of events about problems after one status write.
const MOST_NEWS: usize = 3;

pub struct Reporter {
    publisher: Publisher,
    metrics: Arc<Metrics>,
}

impl Reporter {
    #[must_use]
    pub fn new(client: Client, writer: ApiClient, metrics: Arc<Metrics>) -> Self {
        Self { publisher: Publisher::new(client, writer, &LOGPILOT_CLUSTER), metrics }
    }

    /// Writes the status in one patch, if it differs. A change of counts alone is delayed. Returns
    /// whether the status is up to date; otherwise the resource is requeued for it.
    pub async fn report(
        &self,
        state: &mut State,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        status: &LogPilotClusterStatus,
        requeue: &mut Requeue,
    ) -> bool {
        let resource = ResourceRef::of(&LOGPILOT_CLUSTER, object);
        self.metrics.judged(&resource, judged(status));
        let wanted = serde_json::to_value(status).unwrap_or(Value::Null);
        let pause = only_counts(before, status).then(|| counts_pause(status));
        match self.publisher.publish(state, object, &wanted, pause, requeue).await {
            Published::UpToDate => true,
            Published::Written => {
                self.tell(object, before, status).await;
                true
            }
            Published::Postponed => false,
        }
    }

    /// Publishes why pods that never ran were evicted.
    pub async fn requeued(&self, object: &DynamicObject, steps: &[AppliedObject]) {
        for step in steps.iter().filter(|step| step.result.is_write()) {
            let note = Note {
                warning: false,
                reason: reasons::STUCK_POD_EVICTED.to_owned(),
                message: format!(
                    "evicted {}, which never ran: it waited for pods of its volume that no longer run; the replacement is scheduled immediately",
                    step.object()
                ),
                ..Note::default()
            };
            self.publisher.events.publish(&self.publisher.regarding(object), note).await;
        }
    }

    /// Publishes events about what changed: on the resource, and for an error also on the object
    /// concerned. Events of a cluster-scoped resource are in `default`, and users also read the events
    /// of the pods.
    async fn tell(
        &self,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        status: &LogPilotClusterStatus,
    ) {
        let resource = self.publisher.regarding(object);
        let version = object.resource_version();
        for note in notes(before, status, version.as_deref()) {
            info!(name = object.name_any(), reason = note.reason, "{}", note.message);
            self.publisher.events.publish(&resource, note).await;
        }
        for problem in news(before, status).filter(|problem| problem.severity == Severity::Error) {
            if let Some(regarding) = reference(&problem.object).filter(|it| it.namespace.is_some()) {
                let note = warning(&problem.reason, format!("{}; {}", problem.message, problem.action));
                self.publisher.events.publish(&regarding, note).await;
            }
        }
    }
}

fn warning(reason: &str, message: String) -> Note {
    Note { warning: true, reason: reason.to_owned(), message, ..Note::default() }
}

/// Returns the problems that are new, up to the number that a user still reads; the condition contains
/// all of them.
fn news<'a>(
    before: &'a LogPilotClusterStatus,
    status: &'a LogPilotClusterStatus,
) -> impl Iterator<Item = &'a Problem> {
    let is_old = |problem: &Problem| {
        before.problems.iter().any(|old| old.reason == problem.reason && old.object == problem.object)
    };
    status.problems.iter().filter(move |problem| !is_old(problem)).take(MOST_NEWS)
}

/// Returns the figures of a status for the metrics. Reasons of Kubernetes are not in the table: the
/// values of a label must stay bounded.
fn judged(status: &LogPilotClusterStatus) -> Judged {
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

/// Returns the events that a change of status means to a user. `version` is the resourceVersion: an
/// event about a new generation refers to that version.
fn notes(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus, version: Option<&str>) -> Vec<Note> {
    let edited = before.observed_generation != status.observed_generation;
    let version = version.filter(|_| edited).map(str::to_owned);
    let mut notes = Vec::new();
    if let Some(change) = &status.last_change
        && before.last_change.as_ref().map(|change| change.generation) != Some(change.generation)
    {
        notes.push(Note {
            reason: "SpecAccepted".to_owned(),
            message: format!("generation {}: {}", change.generation, change.changes.join("; ")),
            version: version.clone(),
            ..Note::default()
        });
    }
    notes.extend(restore(before.restore.as_ref(), status.restore.as_ref()));
    for problem in news(before, status) {
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
    for condition in &status.conditions {
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
            ("Ready", "False") if was_ready => {
                ![reasons::PROGRESSING, reasons::CONFIG_CHECKING, reasons::STOPPED, reasons::RESTORING]
                    .contains(&condition.reason.as_str())
            }
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

/// Returns the event that a restore began or ended.
fn restore(before: Option<&RestoreStatus>, now: Option<&RestoreStatus>) -> Option<Note> {
    let now = now?;
    let before = before.filter(|before| before.request_id == now.request_id).map(|before| before.phase);
    let reason = match now.phase {
        phase if Some(phase) == before => return None,
        // Skips a restore that ended before this operator first saw it.
        phase if phase.ended() && before.is_none() => return None,
        RestorePhase::Succeeded => "Restored",
        RestorePhase::Failed => reasons::RESTORE_FAILED,
        phase if phase.stops() && !before.is_some_and(RestorePhase::stops) => reasons::RESTORING,
        _ => return None,
    };
    Some(Note {
        warning: now.phase == RestorePhase::Failed,
        reason: reason.to_owned(),
        message: format!("restore '{}' from {}: {}", now.request_id, now.from, now.message),
        ..Note::default()
    })
}

/// Converts `Kind namespace/name` or `Kind name` back to a reference.
fn reference(object: &str) -> Option<ObjectReference> {
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

/// Returns the interval between two writes that change only counts.
fn counts_pause(status: &LogPilotClusterStatus) -> Duration {
    const CONTESTED: [&str; 2] = [reasons::CONTESTED, reasons::SCALED_BEYOND_STORAGE];
    let contested = status.problems.iter().any(|problem| CONTESTED.contains(&problem.reason.as_str()));
    if contested { COUNTS_CONTESTED } else { COUNTS }
}

/// Returns whether two statuses differ only in numbers and in the texts that contain them.
fn only_counts(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus) -> bool {
    let conditions = |status: &LogPilotClusterStatus| -> Vec<(String, String, String)> {
        let essence = status.conditions.iter();
        essence.map(|it| (it.type_.clone(), it.status.clone(), it.reason.clone())).collect()
    };
    let problems = |status: &LogPilotClusterStatus| -> Vec<(String, String)> {
        status.problems.iter().map(|it| (it.reason.clone(), it.object.clone())).collect()
    };
    conditions(before) == conditions(status)
        && problems(before) == problems(status)
        && before.observed_generation == status.observed_generation
        && before.volumes == status.volumes
        && before.last_change == status.last_change
        && before.restore == status.restore
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;
    use crate::{api::status::LastChange, logpilot::problems::problem};

    fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn status(generation: i64, conditions: Vec<Condition>, problems: Vec<Problem>) -> LogPilotClusterStatus {
        LogPilotClusterStatus {
            observed_generation: Some(generation),
            conditions,
            problems,
            ..LogPilotClusterStatus::default()
        }
    }

    /// Returns type, reason and message of each event.
    fn told(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus) -> Vec<(bool, String, String)> {
        let notes = notes(before, status, Some("7"));
        notes.into_iter().map(|note| (note.warning, note.reason, note.message)).collect()
    }

    #[test]
    fn each_change_of_readiness_is_an_event() {
        let ready = || condition("Ready", "True", "Ready", "every pod runs the declared state");
        let not = |reason: &str| condition("Ready", "False", reason, "why");
        let of = |condition| status(1, vec![condition], Vec::new());
        for (before, after, expected) in [
            (vec![], not("Progressing"), None),
            (vec![not("Progressing")], ready(), Some((false, "Ready"))),
            (vec![ready()], not("Progressing"), Some((false, "Progressing"))),
            (vec![ready()], not("Stopped"), Some((false, "Stopped"))),
            (vec![not("Progressing")], not("Stopped"), Some((false, "Stopped"))),
            (vec![ready()], not("ApiUnavailable"), Some((true, "ApiUnavailable"))),
            (vec![not("Progressing")], not("ApiUnavailable"), None),
            (vec![ready()], ready(), None),
        ] {
            let found = told(&status(1, before, Vec::new()), &of(after.clone()));
            let found: Vec<_> = found.iter().map(|note| (note.0, note.1.as_str())).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{after:?}");
        }
    }

    #[test]
    fn new_problems_are_told_once_with_their_object() {
        let found =
            |reason: &str, object: &str, severity| problem(severity, reason, object.to_owned(), "why");
        let crash = || found(reasons::CRASH_LOOP, "Pod n/p", Severity::Error);
        let taken = || found(reasons::NAME_CONFLICT, "Namespace n", Severity::Error);
        let latest = || found(reasons::IMAGE_TAG_LATEST, "Deployment n/d", Severity::Warning);
        let ready = || condition("Ready", "False", reasons::CRASH_LOOP, "Pod n/p: why");
        let warns = || condition("Warning", "True", reasons::IMAGE_TAG_LATEST, "why");
        let before = status(1, vec![condition("Ready", "True", "Ready", "x")], vec![taken()]);
        let after = status(1, vec![ready(), warns()], vec![taken(), crash(), latest()]);
        let notes = notes(&before, &after, Some("7"));
        let shown: Vec<_> = notes
            .iter()
            .map(|note| (note.reason.as_str(), note.related.as_ref().and_then(|it| it.name.as_deref())))
            .collect();
        assert_eq!(shown, [(reasons::CRASH_LOOP, Some("p")), (reasons::IMAGE_TAG_LATEST, Some("d"))]);
        assert!(notes[0].message.starts_with("Pod n/p: why; read the message"), "{notes:?}");
        assert!(notes.iter().all(|note| note.warning && note.version.is_none()), "{notes:?}");
        assert_eq!(told(&after, &after), []);
        // Two events of the same reason and object are one event, whose message contains both.
        let twice =
            ["a", "b"].map(|message| problem(Severity::Error, reasons::INVALID, "Pod n/p".into(), message));
        let found = told(&status(1, vec![], vec![]), &status(1, vec![], twice.to_vec()));
        assert!(
            found.len() == 1 && found[0].2.contains("Pod n/p: a") && found[0].2.contains("Pod n/p: b"),
            "{found:?}"
        );
        // Many problems do not cause many events.
        let many = (0..20).map(found_of).collect();
        assert_eq!(told(&status(1, vec![], vec![]), &status(1, vec![], many)).len(), MOST_NEWS);
    }

    fn found_of(number: i32) -> Problem {
        problem(Severity::Error, reasons::NAME_CONFLICT, format!("Service n/s{number}"), "why")
    }

    #[test]
    fn another_message_after_an_edit_is_an_event_of_its_own() {
        let stalled = |message: &str| condition("Stalled", "True", reasons::INVALID_SPEC, message);
        let of = |generation, message: &str| {
            let change = LastChange {
                generation,
                changes: vec![format!("edit {generation}")],
                time: Time(Timestamp::UNIX_EPOCH),
            };
            let mut status = status(generation, vec![stalled(message)], Vec::new());
            status.last_change = Some(change);
            status
        };
        let notes = |before, after| notes(&before, &after, Some("7"));
        let found = notes(of(1, "spec.a"), of(2, "spec.b"));
        let shown: Vec<_> = found.iter().map(|note| (note.reason.as_str(), note.message.as_str())).collect();
        assert_eq!(shown, [("SpecAccepted", "generation 2: edit 2"), (reasons::INVALID_SPEC, "spec.b")]);
        assert!(
            found.iter().all(|note| note.version.as_deref() == Some("7")),
            "not counted with the first: {found:?}"
        );
        assert_eq!(notes(of(2, "spec.a"), of(2, "spec.b")), [], "no edit: the first event says it");
    }

    #[test]
    fn counts_wait_longer_while_another_client_scales() {
        let of =
            |reason| status(1, vec![], vec![problem(Severity::Error, reason, "Deployment n/d".into(), "x")]);
        assert_eq!(counts_pause(&of(reasons::SCALED_BEYOND_STORAGE)), COUNTS_CONTESTED);
        assert_eq!(counts_pause(&of(reasons::CONTESTED)), COUNTS_CONTESTED);
        assert_eq!(counts_pause(&of(reasons::CRASH_LOOP)), COUNTS);
    }

    #[test]
    fn objects_are_referred_to_with_and_without_a_namespace() {
        let of =
            |object: &str| reference(object).map(|it| (it.kind.unwrap(), it.namespace, it.name.unwrap()));
        assert_eq!(of("Pod a/b"), Some(("Pod".into(), Some("a".into()), "b".into())));
        assert_eq!(of("Namespace a"), Some(("Namespace".into(), None, "a".into())));
        for unknown in ["Pod", "Pod b", "Namespace a/b", "LogPilotCluster b", "spec.image"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}
