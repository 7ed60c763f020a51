//! The errors of this crate. Each says which component failed, at which step, why, and what to do.

use std::{path::PathBuf, time::Duration};

use crate::Component;

/// Any failure of this crate.
#[derive(thiserror::Error)]
pub enum Error {
    /// A program of the control plane could neither be found nor built.
    #[error("{tool}: {step}: {cause}\nWhat to do: {advice}")]
    Assets { tool: String, step: String, cause: String, advice: String },

    /// A component did not start, ended by itself, or did not become ready.
    #[error("{component}: {step}: {cause}\nEnd of its log ({log}):\n{log_tail}", log = log.display())]
    Component { component: Component, step: String, cause: String, log: PathBuf, log_tail: String },

    /// A predicate did not hold before its deadline.
    #[error("waited {waited:.1?} for {what}; last seen: {last_seen}")]
    Timeout { what: String, waited: Duration, last_seen: String },

    /// A request to the API server failed.
    #[error("{step}: {source}")]
    Request { step: String, source: Box<kube::Error> },

    /// A kubeconfig could not be read or turned into a client.
    #[error("{step}: {cause}\nWhat to do: check the file that KUBECONFIG or LOGPILOT_TEST_KUBECONFIG names")]
    Kubeconfig { step: String, cause: String },

    /// A key or certificate could not be created.
    #[error("certificate of {subject}: {source}")]
    Pki { subject: String, source: rcgen::Error },

    /// A file or process could not be handled.
    #[error("{step} {path}: {source}", path = path.display())]
    Io { step: &'static str, path: PathBuf, source: std::io::Error },

    /// The directory of a running cluster cannot be used as requested.
    #[error("{dir}: {cause}", dir = dir.display())]
    Directory { dir: PathBuf, cause: String },

    /// The cluster was given by a kubeconfig, so this crate does not own its processes or its audit log.
    #[error(
        "{what} is not available on a given cluster\n\
         What to do: unset KUBECONFIG and LOGPILOT_TEST_KUBECONFIG, so that a local control plane is started"
    )]
    NotAvailable { what: String },
}

/// The same as `Display`: a test that unwraps shows this, and objects and logs are unreadable with
/// escaped line breaks.
impl std::fmt::Debug for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds the step to an error of another crate.
pub(crate) trait Context<T> {
    fn during(self, step: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for std::result::Result<T, kube::Error> {
    fn during(self, step: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Request { step: step.into(), source: Box::new(source) })
    }
}

/// Adds the step and the path to an I/O error.
pub(crate) trait IoContext<T> {
    fn at(self, step: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, step: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::Io { step, path: path.into(), source })
    }
}
