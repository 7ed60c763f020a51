//! What can go wrong between us and the API server: object, step, cause. One decision of what to do about each.

use std::{io::ErrorKind, time::Duration};

/// A request that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The API server answered, and refused.
    #[error("{verb} {object}: {reason} ({code}): {message}")]
    Refused {
        verb: &'static str,
        object: String,
        code: u16,
        reason: String,
        message: String,
        retry_after: Option<u32>,
    },
    /// No answer in time; it may have been carried out.
    #[error("{verb} {object}: no answer within {} s", .deadline.as_secs())]
    Timeout { verb: &'static str, object: String, deadline: Duration },
    /// The connection failed, or the answer could not be read; it may have been carried out.
    #[error("{verb} {object}: {message}")]
    Transport { verb: &'static str, object: String, message: String },
}

/// What a refusal means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Another try may succeed by itself.
    Retry,
    /// The state is not what we thought: look again, then decide.
    Refresh,
    /// Somebody has to change something (rights, policy, quota, the object); tried again with backoff.
    UserAction,
}

impl Error {
    /// Wraps a client error with what was being done to what.
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

    /// What the request was about.
    #[must_use]
    pub fn object(&self) -> &str {
        match self {
            Self::Refused { object, .. } | Self::Timeout { object, .. } | Self::Transport { object, .. } => {
                object
            }
        }
    }

    /// The API server's own words, or ours where it said nothing.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Refused { message, .. } | Self::Transport { message, .. } => message.clone(),
            Self::Timeout { deadline, .. } => format!("no answer within {} s", deadline.as_secs()),
        }
    }

    /// A field that the kind does not have, or of another type. The API server answers 500 to it.
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

    /// How long the API server asked us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after: Some(seconds), .. } => {
                Some(Duration::from_secs(u64::from(*seconds).min(300)))
            }
            _ => None,
        }
    }

    /// The reason that status gives for this error.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } | Self::Transport { .. } => "ApiUnavailable",
            Self::Refused { .. } if self.is_unknown_field() => "Invalid",
            Self::Refused { code, reason, message, .. } => match code {
                401 => "Forbidden",
                403 => refusal(message),
                413 => "TooLarge",
                // Webhooks and policies answer with codes of their own choice, and name themselves.
                _ if message.contains("admission webhook")
                    || message.contains("ValidatingAdmissionPolicy") =>
                {
                    "AdmissionDenied"
                }
                // The volume grew meanwhile, or the cluster does not take a request back.
                422 if message.contains("field can not be less than") => "VolumeResize",
                422 | 400 => "Invalid",
                429 | 500..=599 => "ApiUnavailable",
                404 if reason == "NotFound" => "NotFound",
                _ => "ApplyFailed",
            },
        }
    }
}

/// Who refuses with the code 403, by the words of Kubernetes 1.36: rights are one of many, and only they are granted.
fn refusal(message: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    // The authorizer names the user and what it cannot do; a plugin about owner references asks for rights too.
    if says(&["cannot set an ownerRef", "cannot set blockOwnerDeletion"])
        || message.contains(": User ") && message.contains(" cannot ")
    {
        "Forbidden"
    } else if message.contains("because it is being terminated") {
        "NamespaceTerminating"
    } else if message.contains("must support resize") {
        // Growing a claim of a class that does not allow it.
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
        // Every other admission plugin begins like this, policies and webhooks name themselves.
        "AdmissionDenied"
    } else {
        "Forbidden"
    }
}

/// Which bound of the namespace a refusal speaks of: that of all objects together, or that of one.
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

/// Whether no connection was made, so that nothing was sent either.
#[must_use]
pub fn is_connection_refused(error: &kube::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
        )
    })
}

/// The error itself, then what it came from.
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
