//! What went through, as lines of JSON.

use serde::{Deserialize, Serialize};

use crate::{request::Asked, rule::Fault};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// In the order of arrival, from 1.
    pub sequence: u64,
    /// Since the proxy started.
    pub millis: u64,
    /// Which life of the client it belongs to; see [`crate::Proxy::revive`].
    pub life: u64,
    #[serde(flatten)]
    pub asked: Asked,
    /// Of a list or a watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The precondition in the body, where there is one: `uid` or `resourceVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<String>,
    /// The first 16 digits of the body's SHA-256; empty without a body.
    pub body: String,
    /// The same of what the client authenticated with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Which of the texts that [`crate::Proxy::listen_for`] was given are in its address or its body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// What the client was answered; 0 where it got no answer.
    pub status: u16,
    /// What a rule did to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Record {
    /// Whether a rule kept it from the API server, and its sender alive: it is sent again, if it is still wanted.
    #[must_use]
    pub fn kept_back(&self) -> bool {
        let fault = self.fault.as_deref().and_then(|fault| serde_json::from_str(fault).ok());
        matches!(fault, Some(Fault::Refuse | Fault::Hang | Fault::Answer(_)))
    }
}
