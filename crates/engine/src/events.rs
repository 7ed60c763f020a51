//! Kubernetes Events. kube's recorder counts a repetition within six minutes in the series of the first
//! Event object. A repetition has the same type, reason, object and related object.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::debug;

use super::api_client::WRITE_DEADLINE;

pub struct Events {
    recorder: Recorder,
}

/// The content of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Note {
    pub warning: bool,
    pub reason: String,
    pub message: String,
    /// The object that the message is about, if it differs from the event's object.
    pub related: Option<ObjectReference>,
    /// The version of the resource that the message is about. An event about another version is not a
    /// repetition: a second edit has a message of its own, which a series would not show.
    pub version: Option<String>,
}

impl Events {
    #[must_use]
    pub fn new(client: Client, controller: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: None };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes an event about an object. An event that cannot be written does not fail the reconcile.
    pub async fn publish(&self, regarding: &ObjectReference, note: Note) {
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            // Limits of the events.k8s.io API.
            reason: note.reason.chars().take(128).collect(),
            note: Some(note.message.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: note.related,
        };
        let regarding = ObjectReference { resource_version: note.version, ..regarding.clone() };
        match tokio::time::timeout(WRITE_DEADLINE, self.recorder.publish(&event, &regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "event not written"),
            Err(_) => debug!("event not written in time"),
        }
    }
}
