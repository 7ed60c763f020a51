//! Reports resources that cannot be reconciled.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{ResourceExt, api::DynamicObject};

use super::{
    controller::{Controller, Subject},
    problems,
    remembered::State,
    status,
};
use crate::{
    api::{
        self, LogPilotClusterStatus,
        status::{Problem, Severity},
    },
    engine::{backoff, error::Error, requeue::Requeue},
    reasons,
    workload::resolve::Violation,
};

impl Controller {
    /// Reports a spec that is not valid.
    pub(super) async fn report_invalid(
        &self,
        subject: &Subject,
        state: &mut State,
        violations: &[Violation],
        requeue: &mut Requeue,
    ) {
        let object = named(&subject.object);
        let told = |violation: &Violation| {
            let message = format!("{}: {}", violation.path, violation.message);
            problem(reasons::INVALID_SPEC, object.clone(), message)
        };
        let found = violations.iter().map(told).collect();
        // Only a change of the spec helps, and such a change triggers a reconcile.
        self.report_rejected(state, &subject.object, &subject.before, reasons::INVALID_SPEC, found, requeue)
            .await;
    }

    /// Reports facts that could not be read.
    pub(super) async fn report_error(
        &self,
        subject: &Subject,
        state: &mut State,
        error: &Error,
        requeue: &mut Requeue,
    ) {
        let found = problem(error.reason(), error.object().to_owned(), error.to_string());
        self.report_rejected(state, &subject.object, &subject.before, error.reason(), vec![found], requeue)
            .await;
        requeue.at_most(state.retry.after(error), "a fact could not be read");
    }

    /// Reports a resource of which possibly only the metadata can be read.
    pub(super) async fn report_internal_error(
        &self,
        state: &mut State,
        object: &DynamicObject,
        reason: &str,
        message: String,
        requeue: &mut Requeue,
    ) {
        let before = serde_json::from_value(state.history.status(object)).unwrap_or_default();
        let found = vec![problem(reason, named(object), message)];
        self.report_rejected(state, object, &before, reason, found, requeue).await;
        requeue.at_most(state.retry.failed(backoff::FAILURE), "the reconcile failed");
    }

    async fn report_rejected(
        &self,
        state: &mut State,
        object: &DynamicObject,
        before: &LogPilotClusterStatus,
        reason: &str,
        found: Vec<Problem>,
        requeue: &mut Requeue,
    ) {
        let now = Time(Timestamp::now());
        let status = status::rejected(before.clone(), object.metadata.generation, reason, found, &now);
        self.reporter.report(state, object, before, &status, requeue).await;
    }
}

fn named(object: &DynamicObject) -> String {
    format!("{} {}", api::KIND, object.name_any())
}

fn problem(reason: &str, object: String, message: String) -> Problem {
    problems::problem(Severity::Error, reason, object, message)
}
