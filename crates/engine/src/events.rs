//! Kubernetes Events, few enough to be read: at most one object per (object, reason) in ten minutes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::debug;

use super::api_client::WRITE_DEADLINE;

/// Within this an event of the same object and reason is not repeated.
const QUIET: Duration = Duration::from_mins(10);

pub struct Events {
    recorder: Recorder,
    sent: Mutex<HashMap<(String, String), Instant>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub warning: bool,
    pub reason: String,
    pub message: String,
}

impl Events {
    #[must_use]
    pub fn new(client: Client, controller: &str) -> Self {
        let reporter = Reporter { controller: controller.to_owned(), instance: None };
        Self { recorder: Recorder::new(client, reporter), sent: Mutex::default() }
    }

    /// Publishes an event about an object, unless the same was said lately. An event that cannot be written is not
    /// worth a failure.
    pub async fn publish(&self, regarding: &ObjectReference, note: Note) {
        if !self.is_news(regarding, &note.reason) {
            return;
        }
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            // Limits of the events.k8s.io API.
            reason: note.reason.chars().take(128).collect(),
            note: Some(note.message.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(WRITE_DEADLINE, self.recorder.publish(&event, regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "event not written"),
            Err(_) => debug!("event not written in time"),
        }
    }

    fn is_news(&self, regarding: &ObjectReference, reason: &str) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        sent.retain(|_, at| now.duration_since(*at) < QUIET);
        // The UID too: a resource that was deleted and made again has events of its own.
        let parts = [&regarding.kind, &regarding.namespace, &regarding.name, &regarding.uid];
        let who = parts.map(|part| part.as_deref().unwrap_or_default()).join("/");
        match sent.entry((who, reason.to_owned())) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_test::mock;

    use super::*;

    #[tokio::test]
    async fn a_repetition_is_no_news_and_a_new_resource_is() {
        let (service, _handle) =
            mock::pair::<http::Request<kube::client::Body>, http::Response<kube::client::Body>>();
        let events = Events::new(Client::new(service, "default"), "toy-operator");
        let of = |uid: &str| ObjectReference {
            kind: Some("Toy".to_owned()),
            name: Some("logs".to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        assert!(events.is_news(&of("a"), "Ready"));
        assert!(!events.is_news(&of("a"), "Ready"), "told a moment ago");
        assert!(events.is_news(&of("a"), "Stopped"));
        assert!(events.is_news(&of("b"), "Ready"), "made again under the same name");
    }
}
