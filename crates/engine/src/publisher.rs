//! Writes the status of a resource: in one patch, and only where it differs from the one that is stored.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, ResourceExt, api::DynamicObject};
use serde_json::Value;
use tracing::{info, warn};

use super::{
    api_client::ApiClient,
    backoff,
    error::Error,
    events::{Events, Note},
    requeue::Requeue,
    resource::{ResourceKind, ResourceRef},
    resource_state::ResourceState,
    status_history::StatusHistory,
};

/// While the definition of the resource is older than the operator.
const OUTDATED: Duration = Duration::from_secs(10);
/// Reason of the event then.
const CRD_OUTDATED: &str = "CrdOutdated";

pub struct Publisher {
    writer: ApiClient,
    pub events: Events,
    kind: &'static ResourceKind,
}

/// The result of publishing a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The stored status is the same.
    UpToDate,
    Written,
    /// Not now. The resource is requeued.
    Postponed,
}

impl Publisher {
    #[must_use]
    pub fn new(client: Client, writer: ApiClient, kind: &'static ResourceKind) -> Self {
        Self { writer, events: Events::new(client, kind.field_manager), kind }
    }

    /// Writes `wanted` where it differs from the stored status. With `pause` at most one write in that time.
    pub async fn publish<P>(
        &self,
        state: &mut ResourceState<P>,
        object: &DynamicObject,
        wanted: &Value,
        pause: Option<Duration>,
        requeue: &mut Requeue,
    ) -> Published {
        if *wanted == state.history.status(object) {
            return Published::UpToDate;
        }
        if let Some(wait) = pause.and_then(|pause| state.history.too_soon(pause)) {
            requeue.at_most(wait, "a change of counts is written at intervals");
            return Published::Postponed;
        }
        if let Some(wait) = state.history.contested(object, wanted) {
            requeue.at_most(wait, "another client changes the status");
            return Published::Postponed;
        }
        let name = object.name_any();
        match self.write(&state.history, object, wanted).await {
            Ok(Some(answer)) => {
                state.status_retry.succeeded();
                if state.history.record(&answer) {
                    warn!(
                        %name,
                        "another client keeps changing the status: the operator retries with increasing delays; \
                         kubectl get {} --show-managed-fields -o yaml shows which field manager wrote last",
                        self.kind.plural
                    );
                }
                return Published::Written;
            }
            // The event of the deletion ends this; until then no more objects are created for the resource.
            Ok(None) => {
                info!(%name, "status not written: the resource was deleted meanwhile");
                requeue.at_most(state.history.miss(), "the resource was deleted");
            }
            Err(error) if error.is_unknown_field() => {
                let message = format!(
                    "the installed CustomResourceDefinition of {} is older than the operator, so the status cannot be \
                     written; run: kubectl apply --server-side -f crds/",
                    self.kind.kind
                );
                warn!(%name, %error, "status not written: {message}");
                // No part of the status can be written, so an event reports it; about every tenth minute,
                // because an Event object is kept for an hour.
                if state.status_retry.failures().is_multiple_of(60) {
                    let reason = CRD_OUTDATED.to_owned();
                    let note = Note { warning: true, reason, message, ..Note::default() };
                    self.events.publish(&self.regarding(object), note).await;
                }
                state.status_retry.failed(backoff::FAILURE);
                requeue.at_most(OUTDATED, "the CustomResourceDefinition is older than the operator");
            }
            Err(error) => {
                warn!(%name, %error, "status not written");
                requeue.at_most(state.status_retry.after(&error), "the status was not written");
            }
        }
        Published::Postponed
    }

    /// The resource, as an event names it.
    #[must_use]
    pub fn regarding(&self, object: &DynamicObject) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.kind.api_version()),
            kind: Some(self.kind.kind.to_owned()),
            namespace: object.namespace(),
            name: Some(object.name_any()),
            uid: object.uid(),
            ..ObjectReference::default()
        }
    }

    /// The resource with this status; `None` where it does not exist any more, even if another one has
    /// its name.
    async fn write(
        &self,
        history: &StatusHistory,
        object: &DynamicObject,
        wanted: &Value,
    ) -> Result<Option<Value>, Error> {
        let resource = ResourceRef::of(self.kind, object);
        let uid = object.uid().unwrap_or_default();
        // A lane of its own, so that it delays no other resource.
        let writer = self.writer.for_resource();
        let version = history.version(object);
        let refusal = match writer.status(&resource, Some(version), wanted).await {
            Err(error) if error.code() == Some(409) => error,
            other => return other,
        };
        let live = writer.identity(&resource).await?.filter(|(live, _)| *live == uid);
        let Some((_, newer)) = live else { return Ok(None) };
        if newer == version {
            return Err(refusal);
        }
        // Another client edits the resource, perhaps so often that no version lasts until a write. It is
        // still the resource that was meant.
        let answer = writer.status(&resource, None, wanted).await?;
        // If the resource was replaced nevertheless, the reconcile of the next one writes its status.
        Ok(answer.filter(|answer| answer.pointer("/metadata/uid").and_then(Value::as_str) == Some(&uid)))
    }
}
