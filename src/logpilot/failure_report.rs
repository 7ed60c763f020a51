//! Tells of a resource that could not be planned or carried out.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{ResourceExt, api::DynamicObject, runtime::controller::Action};

use super::{
    controller::{Controller, Subject},
    problems, reasons, status,
    validate::Violation,
};
use crate::{
    api::{
        self, LogPilotClusterStatus,
        status::{Problem, Severity},
    },
    engine::{backoff, error::Error},
};

impl Controller {
    /// Of a spec that cannot be carried out.
    pub(super) async fn report_invalid(&self, subject: &Subject, violations: &[Violation]) -> Action {
        let object = named(&subject.object);
        let told = |violation: &Violation| {
            let message = format!("{}: {}", violation.path, violation.message);
            problem(reasons::INVALID_SPEC, object.clone(), message)
        };
        let found = violations.iter().map(told).collect();
        self.report_rejected(&subject.object, &subject.before, reasons::INVALID_SPEC, found).await;
        // Only a change of the spec can help, and it starts a reconcile of its own.
        Action::await_change()
    }

    /// Of facts that could not be had.
    pub(super) async fn report_error(&self, subject: &Subject, error: &Error) -> Action {
        let found = problem(error.reason(), error.object().to_owned(), error.to_string());
        self.report_rejected(&subject.object, &subject.before, error.reason(), vec![found]).await;
        Action::requeue(self.backoff.after(&subject.object.name_any(), error))
    }

    /// Of a resource of which no more than its metadata may be known.
    pub(super) async fn report_internal_error(
        &self,
        object: &DynamicObject,
        reason: &str,
        message: String,
    ) -> Action {
        let before = serde_json::from_value(self.memory.status(object)).unwrap_or_default();
        self.report_rejected(object, &before, reason, vec![problem(reason, named(object), message)]).await;
        Action::requeue(self.backoff.failed(&object.name_any(), backoff::FAILURE))
    }

    async fn report_rejected(
        &self,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        reason: &str,
        found: Vec<Problem>,
    ) {
        let now = Time(Timestamp::now());
        let status = status::rejected(before.clone(), object.metadata.generation, reason, found, &now);
        self.reporter.report(&self.memory, object, before, &status).await;
    }
}

fn named(object: &DynamicObject) -> String {
    format!("{} {}", api::KIND, object.name_any())
}

fn problem(reason: &str, object: String, message: String) -> Problem {
    problems::problem(Severity::Error, reason, object, message)
}
