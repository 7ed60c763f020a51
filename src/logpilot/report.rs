//! Writes the status if it differs, then publishes events about what changed.

use std::{sync::Arc, time::Duration};

use kube::{Client, api::DynamicObject};
use serde_json::Value;

use super::remembered::State;
use crate::{
    api::{
        LogPilotClusterStatus,
        status::{RestorePhase, RestoreStatus},
    },
    engine::{
        api_client::ApiClient,
        events::Note,
        outcome::AppliedObject,
        publisher::{Published, Publisher},
        requeue::Requeue,
        resource::ResourceRef,
    },
    kinds::LOGPILOT_CLUSTER,
    metrics::Metrics,
    reasons,
    status_report::{self, Told},
};

/// Shortest interval between two status writes that change only counts.
pub const COUNTS: Duration = Duration::from_secs(2);
/// The same interval while another client changes an object as often as the operator reverts it: the
/// counts then alternate.
const COUNTS_CONTESTED: Duration = Duration::from_secs(30);

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
        self.metrics.judged(&resource, status_report::judged(&told(status)));
        let wanted = serde_json::to_value(status).unwrap_or(Value::Null);
        let pause = only_counts(before, status).then(|| counts_pause(status));
        match self.publisher.publish(state, object, &wanted, pause, requeue).await {
            Published::UpToDate => true,
            Published::Written => {
                let others = restore(before.restore.as_ref(), status.restore.as_ref());
                status_report::publish(&self.publisher, object, &told(before), &told(status), others).await;
                true
            }
            Published::Postponed => false,
        }
    }

    /// Publishes why pods that never ran were evicted.
    pub async fn requeued(&self, object: &DynamicObject, steps: &[AppliedObject]) {
        for note in status_report::evictions(steps) {
            self.publisher.events.publish(&self.publisher.regarding(object), note).await;
        }
    }
}

/// The part of a status that events tell.
fn told(status: &LogPilotClusterStatus) -> Told<'_> {
    Told {
        generation: status.observed_generation,
        last_change: status.last_change.as_ref(),
        conditions: &status.conditions,
        problems: status.problems.iter().collect(),
    }
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
    use k8s_openapi::{
        apimachinery::pkg::apis::meta::v1::{Condition, Time},
        jiff::Timestamp,
    };

    use super::*;
    use crate::{
        api::status::{LastChange, Problem, Severity},
        logpilot::problems::problem,
    };

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

    fn notes(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus) -> Vec<Note> {
        let others = restore(before.restore.as_ref(), status.restore.as_ref());
        status_report::notes(&super::told(before), &super::told(status), Some("7"), others)
    }

    /// Returns type, reason and message of each event.
    fn told(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus) -> Vec<(bool, String, String)> {
        let notes = notes(before, status);
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
        let notes = notes(&before, &after);
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
        assert_eq!(
            told(&status(1, vec![], vec![]), &status(1, vec![], many)).len(),
            status_report::MOST_NEWS
        );
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
        let notes = |before, after| notes(&before, &after);
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
        let of = |object: &str| {
            status_report::reference(object).map(|it| (it.kind.unwrap(), it.namespace, it.name.unwrap()))
        };
        assert_eq!(of("Pod a/b"), Some(("Pod".into(), Some("a".into()), "b".into())));
        assert_eq!(of("Namespace a"), Some(("Namespace".into(), None, "a".into())));
        for unknown in ["Pod", "Pod b", "Namespace a/b", "LogPilotCluster b", "spec.image"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}
