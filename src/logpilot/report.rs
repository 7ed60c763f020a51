//! Writes the status where it differs, then tells what changed in events.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, ResourceExt, api::DynamicObject};
use serde_json::Value;
use tracing::{info, warn};

use super::{reasons, requeue_after::LOOK_AGAIN, status_history::StatusHistory};
use crate::{
    api::{
        self, LogPilotClusterStatus,
        status::{RestorePhase, RestoreStatus, Severity},
    },
    engine::{
        api_client::{ApiClient, Resource},
        backoff::Backoff,
        error::Error,
        events::{Events, Note},
        outcome::AppliedObject,
    },
    kinds::{FIELD_MANAGER, KINDS},
    metrics::{Judged, Metrics},
};

/// After an upgrade of the operator alone.
const OLDER: &str = "the installed CustomResourceDefinition is older than the operator, so that no status can be \
                     written: kubectl apply --server-side -f crds/";

const WHO: &str = "it is put right ever more rarely; kubectl get logpilotclusters --show-managed-fields -o yaml names \
                   who wrote last";

pub struct Reporter {
    writer: ApiClient,
    events: Events,
    metrics: Arc<Metrics>,
    backoff: Backoff,
}

impl Reporter {
    #[must_use]
    pub fn new(client: Client, writer: ApiClient, metrics: Arc<Metrics>) -> Self {
        Self { writer, events: Events::new(client, FIELD_MANAGER), metrics, backoff: Backoff::default() }
    }

    /// One patch, only on a difference; a change of counts alone waits its turn. Answers after how long to come again
    /// where something is left to be written.
    pub async fn report(
        &self,
        memory: &StatusHistory,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        status: &LogPilotClusterStatus,
    ) -> Option<Duration> {
        self.metrics.judged(&object.name_any(), judged(status));
        let wanted = serde_json::to_value(status).unwrap_or(Value::Null);
        if wanted == memory.status(object) {
            return None;
        }
        if only_counts(before, status)
            && let Some(wait) = memory.too_soon(object)
        {
            return Some(wait);
        }
        if let Some(wait) = memory.contested(object, &wanted) {
            return Some(wait);
        }
        let name = object.name_any();
        match self.write(memory, object, &wanted).await {
            Ok(Some(answer)) => {
                self.backoff.succeeded(&name);
                if memory.is_write(object, &answer) {
                    warn!(%name, "somebody changes the status as often as it is written: {WHO}");
                }
                self.tell(object, before, status).await;
                None
            }
            // Its own event ends it; until then nothing more is made for it.
            Ok(None) => {
                info!(%name, "status not written: the resource was deleted meanwhile");
                Some(memory.miss(object))
            }
            Err(error) if error.is_unknown_field() => {
                // Nothing of the status can be written, so that an event is the only place to say so.
                warn!(%name, %error, "status not written: {OLDER}");
                let note = Note {
                    warning: true,
                    reason: reasons::CRD_OUTDATED.to_owned(),
                    message: OLDER.to_owned(),
                };
                self.events.publish(&regarding(object), note).await;
                Some(LOOK_AGAIN)
            }
            Err(error) => {
                warn!(%name, %error, "status not written");
                Some(self.backoff.after(&name, &error))
            }
        }
    }

    /// The resource as it is with this status; `None` where it is gone, whether or not there is another one of its name.
    async fn write(
        &self,
        memory: &StatusHistory,
        object: &DynamicObject,
        wanted: &Value,
    ) -> Result<Option<Value>, Error> {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let api_version = format!("{}/{}", api::GROUP, api::VERSION);
        let resource = Resource {
            api_version: &api_version,
            kind: api::KIND,
            plural: api::PLURAL,
            name: &name,
            field_manager: FIELD_MANAGER,
        };
        // In no other resource's way.
        let writer = self.writer.for_resource();
        let version = memory.version(object);
        let refusal = match writer.status(&resource, Some(version), wanted).await {
            Err(error) if error.code() == Some(409) => error,
            other => return other,
        };
        let live = writer.identity(&resource).await?.filter(|(live, _)| *live == uid);
        let Some((_, newer)) = live else { return Ok(None) };
        if newer == version {
            return Err(refusal);
        }
        // Somebody edits it, perhaps so often that no version would last until a write: it is still the one that was meant.
        let answer = writer.status(&resource, None, wanted).await?;
        // If it was replaced even so, the reconcile of the next one is on its way, and tells of that.
        Ok(answer.filter(|answer| answer.pointer("/metadata/uid").and_then(Value::as_str) == Some(&uid)))
    }

    /// Nothing is kept of a resource that is gone.
    pub fn forget(&self, name: &str) {
        self.backoff.succeeded(name);
    }

    /// Tells why pods were evicted that never ran.
    pub async fn requeued(&self, object: &DynamicObject, steps: &[AppliedObject]) {
        for step in steps.iter().filter(|step| step.result.is_write()) {
            let note = Note {
                warning: false,
                reason: reasons::STUCK_POD_EVICTED.to_owned(),
                message: format!(
                    "evicted {}, which never ran: it waited for pods of its volume that are gone; another one is placed at once",
                    step.object()
                ),
            };
            self.events.publish(&regarding(object), note).await;
        }
    }

    /// Events for what changed in the conditions, on the resource and on the child concerned.
    async fn tell(
        &self,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        status: &LogPilotClusterStatus,
    ) {
        let regarding = regarding(object);
        for note in notes(before, status) {
            info!(name = object.name_any(), reason = note.reason, "{}", note.message);
            self.events.publish(&regarding, note).await;
        }
        // Events of a cluster-scoped resource land in `default`; people look beside the pods.
        let fresh = status.problems.iter().filter(|problem| {
            problem.severity == Severity::Error
                && !before
                    .problems
                    .iter()
                    .any(|old| old.reason == problem.reason && old.object == problem.object)
        });
        for problem in fresh.take(3) {
            if let Some(regarding) = reference(&problem.object) {
                let note = Note {
                    warning: true,
                    reason: problem.reason.clone(),
                    message: format!("{}; {}", problem.message, problem.action),
                };
                self.events.publish(&regarding, note).await;
            }
        }
    }
}

fn regarding(object: &DynamicObject) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{}/{}", api::GROUP, api::VERSION)),
        kind: Some(api::KIND.to_owned()),
        name: Some(object.name_any()),
        uid: object.uid(),
        ..ObjectReference::default()
    }
}

/// What is counted of a status. Reasons that Kubernetes made are not in the table: a label must stay bounded.
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
            // A cluster that is stopped on purpose is as it should be.
            .filter(|condition| condition.status != "True" && condition.reason != reasons::STOPPED)
            .map(|condition| condition.last_transition_time.0.as_second()),
        reasons,
    }
}

/// What a user would want to be told of a change of status.
fn notes(before: &LogPilotClusterStatus, status: &LogPilotClusterStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(change) = &status.last_change
        && before.last_change.as_ref().map(|change| change.generation) != Some(change.generation)
    {
        notes.push(Note {
            warning: false,
            reason: "SpecAccepted".to_owned(),
            message: format!("generation {}: {}", change.generation, change.changes.join("; ")),
        });
    }
    notes.extend(restore(before.restore.as_ref(), status.restore.as_ref()));
    for condition in &status.conditions {
        let old = before.conditions.iter().find(|old| old.type_ == condition.type_);
        if old.is_some_and(|old| old.status == condition.status && old.reason == condition.reason) {
            continue;
        }
        let abnormal = match (condition.type_.as_str(), condition.status.as_str()) {
            ("Stalled" | "Warning", _) => true,
            ("Ready", "True") => false,
            _ => continue,
        };
        // Already told under the other condition.
        if condition.reason != reasons::PROGRESSING
            && !notes.iter().any(|note| note.reason == condition.reason)
        {
            notes.push(Note {
                warning: abnormal,
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            });
        }
    }
    notes
}

/// That a restore begins, and how it ended.
fn restore(before: Option<&RestoreStatus>, now: Option<&RestoreStatus>) -> Option<Note> {
    let now = now?;
    let before = before.filter(|before| before.request_id == now.request_id).map(|before| before.phase);
    let reason = match now.phase {
        phase if Some(phase) == before => return None,
        // What an earlier resource did is no news.
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
    })
}

/// `Kind namespace/name` back to a reference.
fn reference(object: &str) -> Option<ObjectReference> {
    let (kind, key) = object.split_once(' ')?;
    let (namespace, name) = key.split_once('/')?;
    let kind = KINDS.iter().find(|known| known.kind == kind)?;
    Some(ObjectReference {
        api_version: Some(kind.api_version()),
        kind: Some(kind.kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    })
}

/// Whether two statuses say the same but for numbers and the texts that tell them.
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
