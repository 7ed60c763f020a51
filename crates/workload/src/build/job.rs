//! A component that runs once, such as a migration.

use k8s_openapi::api::batch::v1::{Job, JobSpec};

use super::pod;
use crate::{metadata, model::Component, scope::Scope};

/// How often and how long a Job is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Retries before it fails.
    pub retries: i32,
    /// Seconds after which it fails.
    pub timeout_seconds: i64,
}

/// A Job cannot be changed, so that its name has to follow its content. Failed pods stay, for their logs.
#[must_use]
pub fn build(scope: &Scope, component: &Component, name: String, attempts: Attempts) -> Job {
    let mut template = pod::template(scope, component);
    if let Some(spec) = &mut template.spec {
        spec.restart_policy = Some("Never".into());
    }
    Job {
        metadata: metadata::of_component(scope, component, name),
        spec: Some(JobSpec {
            backoff_limit: Some(attempts.retries),
            active_deadline_seconds: Some(attempts.timeout_seconds),
            template,
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}
