//! The recorded requests, as lines of JSON.

use serde::{Deserialize, Serialize};

use crate::{request::Asked, rule::Fault};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The position in the order of arrival, from 1.
    pub sequence: u64,
    /// The time since the proxy started.
    pub millis: u64,
    /// The client's life to which the request belongs; see [`crate::Proxy::revive`].
    pub life: u64,
    #[serde(flatten)]
    pub asked: Asked,
    /// Set for a list or a watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The precondition in the body, if there is one: `uid` or `resourceVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<String>,
    /// The first 16 digits of the body's SHA-256; empty without a body.
    pub body: String,
    /// The same digest of the client's credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The texts given to [`crate::Proxy::listen_for`] that occur in the URL or the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<String>,
    /// The status code the client received; 0 if it got no response.
    pub status: u16,
    /// The fault that a rule injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Record {
    /// Returns whether a rule kept the request from the API server while its sender stayed alive.
    /// The sender repeats it if it is still needed.
    #[must_use]
    pub fn kept_back(&self) -> bool {
        let fault = self.fault.as_deref().and_then(|fault| serde_json::from_str(fault).ok());
        matches!(fault, Some(Fault::Refuse | Fault::Hang | Fault::Answer(_)))
    }
}
