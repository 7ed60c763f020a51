//! Errors of requests to the API server: the object, the step and the cause, and for each error one
//! decision about how to handle it.

use std::{io::ErrorKind, time::Duration};

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The API server rejected the request.
    #[error("{verb} {object}: {reason} ({code}): {message}")]
    Refused {
        verb: &'static str,
        object: String,
        code: u16,
        reason: String,
        message: String,
        retry_after: Option<u32>,
    },
    /// No response arrived in time. The request may have been carried out.
    #[error("{verb} {object}: no answer within {} s", .deadline.as_secs())]
    Timeout { verb: &'static str, object: String, deadline: Duration },
    /// The connection failed, or the response could not be read. The request may have been carried out.
    #[error("{verb} {object}: {message}")]
    Transport { verb: &'static str, object: String, message: String },
}

/// The handling of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// A retry may succeed without any change.
    Retry,
    /// The state differs from the expected one: read it again, then decide.
    Refresh,
    /// A user has to change something (permissions, policy, quota, the object). The operator retries
    /// with backoff.
    UserAction,
}

impl Error {
    /// Converts a client error and adds the verb and the object of the request.
    #[must_use]
    pub fn from_kube(verb: &'static str, object: String, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                verb,
                object,
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
                retry_after: status
                    .details
                    .as_ref()
                    .map(|details| details.retry_after_seconds)
                    .filter(|s| *s > 0),
            },
            other => Self::Transport { verb, object, message: chain(other) },
        }
    }

    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Timeout { .. } | Self::Transport { .. } => None,
        }
    }

    /// Returns the object of the request.
    #[must_use]
    pub fn object(&self) -> &str {
        match self {
            Self::Refused { object, .. } | Self::Timeout { object, .. } | Self::Transport { object, .. } => {
                object
            }
        }
    }

    /// Returns the API server's message, or a message of the operator if the API server sent none.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Refused { message, .. } | Self::Transport { message, .. } => message.clone(),
            Self::Timeout { deadline, .. } => format!("no answer within {} s", deadline.as_secs()),
        }
    }

    /// Returns whether the error is about a field that the kind does not have, or about a field with
    /// another type. The API server answers 500 in this case.
    #[must_use]
    pub fn is_unknown_field(&self) -> bool {
        self.code() == Some(500) && self.message().contains("failed to create typed patch object")
    }

    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Timeout { .. } | Self::Transport { .. } => Disposition::Retry,
            Self::Refused { .. } if self.is_unknown_field() => Disposition::UserAction,
            Self::Refused { code, .. } => match code {
                404 | 409 | 410 => Disposition::Refresh,
                429 | 500..=599 => Disposition::Retry,
                _ => Disposition::UserAction,
            },
        }
    }

    /// Returns how long the API server asked the client to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after: Some(seconds), .. } => {
                Some(Duration::from_secs(u64::from(*seconds).min(300)))
            }
            _ => None,
        }
    }

    /// Returns the reason for this error in the status.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } | Self::Transport { .. } => "ApiUnavailable",
            Self::Refused { .. } if self.is_unknown_field() => "Invalid",
            Self::Refused { code, reason, message, .. } => match code {
                401 => "Forbidden",
                403 => refusal(message),
                413 => "TooLarge",
                // Webhooks and policies answer with any code, and their messages name them.
                _ if message.contains("admission webhook")
                    || message.contains("ValidatingAdmissionPolicy") =>
                {
                    "AdmissionDenied"
                }
                // The volume has grown in the meantime, or the cluster does not support taking a
                // request back.
                422 if message.contains("field can not be less than") => "VolumeResize",
                422 | 400 => "Invalid",
                429 | 500..=599 => "ApiUnavailable",
                404 if reason == "NotFound" => "NotFound",
                _ => "ApplyFailed",
            },
        }
    }
}

/// Returns what rejected a request with the code 403, according to the messages of Kubernetes 1.36.
/// Missing permissions are one of many causes, and the only one that RBAC solves.
fn refusal(message: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    // The authorizer's message names the user and the denied action. An admission plugin for owner
    // references checks permissions too.
    if says(&["cannot set an ownerRef", "cannot set blockOwnerDeletion"])
        || message.contains(": User ") && message.contains(" cannot ")
    {
        "Forbidden"
    } else if message.contains("because it is being terminated") {
        "NamespaceTerminating"
    } else if message.contains("must support resize") {
        // The PVC's StorageClass does not allow expansion.
        "VolumeResize"
    } else if let Some(reason) = resource_refusal(message) {
        reason
    } else if says(&[
        "is forbidden: ",
        "denied request",
        "denied the request",
        "admission",
        "violates PodSecurity",
    ]) {
        // The messages of all other admission plugins start like this. Policies and webhooks name
        // themselves.
        "AdmissionDenied"
    } else {
        "Forbidden"
    }
}

/// Returns which limit of the namespace a rejection is about: the one for all objects together, or the
/// one for a single object.
#[must_use]
pub fn resource_refusal(message: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["exceeded quota", "failed quota", "insufficient quota", "status unknown for quota"]) {
        Some("QuotaExceeded")
    } else if says(&[
        "usage per Container is",
        "usage per Pod is",
        "usage per PersistentVolumeClaim is",
        "limit to request ratio per",
    ]) {
        Some("LimitRangeExceeded")
    } else {
        None
    }
}

/// Returns whether no connection was made, so that no request was sent either.
#[must_use]
pub fn is_connection_refused(error: &kube::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
        )
    })
}

/// Iterates over the error and its sources.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
