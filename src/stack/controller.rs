//! The reconcile of a `ServiceStack`, one statement per step.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt, api::DynamicObject, runtime::controller::Action};
use serde_json::Value;

use super::{
    api::{ServiceStack, ServiceStackStatus},
    contention,
    facts::Facts,
    gather,
    model::Stack,
    observe, plan, resolve, retention, revive,
    secrets::{self, SecretReader},
    status,
};
use crate::{
    engine::{
        api_client::ApiClient,
        apply::Applier,
        backoff,
        cache::{ObjectCache, Snapshot},
        contention::{Contention, ContentionKey},
        controller::{ReconcileFailure, Reconciler},
        deadlines::DeadlineTracker,
        error::Disposition,
        lease::Leadership,
        outcome::{AppliedObject, ApplyResult, Outcome},
        owner::Owner,
        plan::Plan,
        prune,
        publisher::{Published, Publisher},
        requeue::Requeue,
        resource::ResourceRef,
        resource_state::{ResourceState, ResourceStates},
        status_history::StatusHistory,
    },
    kinds::SERVICE_STACK,
    last_change::last_change,
    logpilot::{report::COUNTS, requeue_after::LOOK_AGAIN},
    metrics::Metrics,
    reasons, status_report,
    workload::{
        foreign_autoscalers::Scalers, references::ReferenceReader, unschedulable_eviction::StuckPodEvictor,
    },
};

/// State of a stack between reconciles, in addition to the engine's.
#[derive(Default)]
pub struct Remembered {
    pub(super) secrets: SecretReader,
    pub(super) references: ReferenceReader,
    pub(super) scalers: Scalers,
    evictions: StuckPodEvictor,
}

type State = ResourceState<Remembered>;

pub struct Controller {
    writer: ApiClient,
    cache: Arc<ObjectCache>,
    metrics: Arc<Metrics>,
    states: ResourceStates<Remembered>,
    publisher: Publisher,
    contention: Arc<Contention>,
}

/// A resource in a reconcile.
struct Subject {
    object: Arc<DynamicObject>,
    resource: ResourceRef,
    cr: ServiceStack,
    before: ServiceStackStatus,
    history: Arc<StatusHistory>,
    writer: ApiClient,
}

impl Controller {
    #[must_use]
    pub fn new(
        client: Client,
        cache: Arc<ObjectCache>,
        metrics: Arc<Metrics>,
        term: Leadership,
        contention: Arc<Contention>,
    ) -> Self {
        let writer = ApiClient::new(client.clone(), term);
        let publisher = Publisher::new(client, writer.clone(), &SERVICE_STACK);
        Self { publisher, writer, cache, metrics, states: ResourceStates::default(), contention }
    }

    async fn run(&self, subject: &Subject, state: &mut State, requeue: &mut Requeue) {
        let mut stack = match resolve::resolve(&subject.cr) {
            Ok(stack) => stack,
            Err(violations) => {
                let found = status::sentences(&violations);
                return self.reject(subject, state, "InvalidSpec", found, requeue).await;
            }
        };
        let owner = Owner { resource: subject.resource.clone(), uid: stack.scope.owner.uid.clone() };
        let snapshot = self.cache.snapshot(&subject.resource);
        let sources = gather::Sources {
            writer: &subject.writer,
            cache: &self.cache,
            contention: &self.contention,
            remembered: &mut state.product,
            object: &subject.object,
            before: &subject.before,
            owner: &owner,
            snapshot: &snapshot,
        };
        let facts = match gather::facts(sources, &mut stack).await {
            Ok(facts) => facts,
            Err(error) => {
                let found = vec![error.to_string()];
                self.reject(subject, state, error.reason(), found, requeue).await;
                return requeue.at_most(state.retry.after(&error), "an object could not be read");
            }
        };
        if let Some((wait, why)) = gather::read_again(&facts) {
            requeue.at_most(wait, why);
        }
        let plan = plan::plan(&stack, &facts);
        let outcome = self.carry_out(subject, state, &stack, &owner, (&facts, &plan, &snapshot)).await;
        if secrets::created(&outcome) {
            requeue.at_most(backoff::FIRST, "the UID of a new Secret is read");
        }
        let snapshot = self.cache.snapshot(&subject.resource);
        let clock = DeadlineTracker::at(Timestamp::now());
        let observed = observe::workloads(&stack, &snapshot, &clock);
        let status = status::build(&status::View {
            stack: &stack,
            before: &subject.before,
            generation: subject.object.metadata.generation,
            facts: &facts,
            observed: &observed,
            plan: &plan,
            snapshot: &snapshot,
            outcome: &outcome,
            change: last_change(
                &subject.object,
                &subject.history,
                subject.before.last_change.as_ref(),
                subject.before.observed_generation,
                clock.now(),
            ),
            clock: &clock,
        });
        if let Some(wait) = clock.next() {
            requeue.at_most(wait, "a time limit expires");
        }
        self.publish(state, &subject.object, (&subject.before, &status), requeue).await;
        retry(state, &outcome, requeue);
    }

    async fn carry_out(
        &self,
        subject: &Subject,
        state: &mut State,
        stack: &Stack,
        owner: &Owner,
        (facts, plan, snapshot): (&Facts, &Plan, &Snapshot),
    ) -> Outcome {
        if stack.paused {
            return Outcome::default();
        }
        state.writes.reset_on_new_generation(subject.cr.metadata.generation);
        let applier = Applier {
            writer: &subject.writer,
            cache: &self.cache,
            normalised: &state.divergence,
            write_backoff: &state.writes,
            owner,
        };
        let mut outcome = applier.apply(plan, snapshot).await;
        let snapshot = self.cache.snapshot(&subject.resource);
        let keep = retention::keeper(&snapshot, facts);
        let orphaned = prune::orphaned(plan, &ungated(&outcome), &snapshot, owner, keep);
        outcome.steps.extend(applier.prune(orphaned, &snapshot).await);
        let (evicted, notes) = revive::evict(&applier, stack, &snapshot).await;
        let claims = stack.co_scheduled_claims();
        let evictions = &mut state.product.evictions;
        let name = &stack.scope.owner.name;
        let replaced = evictions.carry_out(&applier, name, claims, &snapshot).await;
        for note in notes.into_iter().chain(status_report::evictions(&replaced)) {
            self.publisher.events.publish(&self.publisher.regarding(&subject.object), note).await;
        }
        outcome.steps.extend(evicted.into_iter().chain(replaced));
        let held_up = outcome.steps.iter().filter(|step| step.result.is_backing_off());
        outcome.again = held_up.filter_map(|step| state.writes.remaining(&step.id)).min();
        self.metrics.record_writes(&outcome);
        outcome
    }

    async fn reject(
        &self,
        subject: &Subject,
        state: &mut State,
        reason: &str,
        found: Vec<String>,
        requeue: &mut Requeue,
    ) {
        let now = Timestamp::now();
        let status = status::rejected(&subject.before, &subject.object, reason, found, now);
        self.publish(state, &subject.object, (&subject.before, &status), requeue).await;
    }

    /// Writes the status if it differs, and publishes events about what changed.
    async fn publish(
        &self,
        state: &mut State,
        object: &DynamicObject,
        (before, status): (&ServiceStackStatus, &ServiceStackStatus),
        requeue: &mut Requeue,
    ) {
        let resource = ResourceRef::of(&SERVICE_STACK, object);
        self.metrics.judged(&resource, status_report::judged(&status::told(status)));
        let wanted = serde_json::to_value(status).unwrap_or(Value::Null);
        let pause = status::only_counts(before, status).then_some(COUNTS);
        let published = self.publisher.publish(state, object, &wanted, pause, requeue).await;
        if published == Published::Written {
            let (before, status) = (status::told(before), status::told(status));
            status_report::publish(&self.publisher, object, &before, &status, []).await;
        }
    }
}

/// Returns the outcome without the components that wait. An open wait delays their own objects, not the
/// deletion of others.
fn ungated(outcome: &Outcome) -> Outcome {
    let waits = |step: &&AppliedObject| step.result != ApplyResult::Held(reasons::WAITING_FOR_DEPENDENCY);
    Outcome { steps: outcome.steps.iter().filter(waits).cloned().collect(), ..Outcome::default() }
}

/// Requeues for what an outcome leaves to wait for.
fn retry(state: &mut State, outcome: &Outcome, requeue: &mut Requeue) {
    if let Some(again) = outcome.again {
        requeue.at_most(again, "the backoff of an object expires");
    }
    let mut policy = None;
    for step in &outcome.steps {
        match &step.result {
            ApplyResult::Conflict { .. } => policy = policy.or(Some(backoff::NAME_CONFLICT)),
            ApplyResult::Failed(error)
                if outcome.again.is_some() && error.disposition() == Disposition::UserAction => {}
            ApplyResult::Failed(error) => policy = Some(backoff::policy(error)),
            ApplyResult::Waiting { .. } => requeue.at_most(LOOK_AGAIN, "an object waits"),
            _ => {}
        }
    }
    match policy {
        Some(policy) => {
            let wait = state.retry.failed(policy);
            requeue.at_most(wait, "an object was not written");
        }
        None => state.retry.succeeded(),
    }
}

impl Reconciler for Controller {
    async fn reconcile(&self, object: Arc<DynamicObject>) -> Action {
        if object.metadata.deletion_timestamp.is_some() {
            return Action::await_change();
        }
        let resource = ResourceRef::of(&SERVICE_STACK, &object);
        let state = &mut *self.states.hold(&resource, object.metadata.uid.as_deref()).await;
        if let Some(wait) = state.history.missing() {
            return Action::requeue(wait);
        }
        self.cache.track(&resource);
        let mut requeue = Requeue::default();
        let before = serde_json::from_value(state.history.status(&object)).unwrap_or_default();
        let decoded = serde_json::to_value(&*object).and_then(serde_json::from_value::<ServiceStack>);
        let name = object.name_any();
        match decoded {
            Ok(cr) => {
                let writer = self.writer.for_resource();
                let history = Arc::clone(&state.history);
                let subject = Subject { object, resource, cr, before, history, writer };
                self.run(&subject, state, &mut requeue).await;
            }
            Err(error) => {
                let found = vec![format!("spec cannot be read: {error}")];
                self.report(state, &object, "InvalidSpec", found, &mut requeue).await;
            }
        }
        requeue.into_action(&name)
    }

    async fn on_failure(&self, object: Arc<DynamicObject>, how: ReconcileFailure) -> Action {
        let message = match how {
            ReconcileFailure::Panicked(message) => format!("the operator failed on this resource: {message}"),
            ReconcileFailure::TimedOut => {
                "a reconcile of this resource did not end in time and was given up".to_owned()
            }
        };
        let resource = ResourceRef::of(&SERVICE_STACK, &object);
        let state = &mut *self.states.take_over(&resource, object.metadata.uid.as_deref()).await;
        let mut requeue = Requeue::default();
        self.report(state, &object, "InternalError", vec![message], &mut requeue).await;
        requeue.into_action(&object.name_any())
    }

    fn on_deleted(&self, resource: &ResourceRef) {
        self.cache.forget(resource);
        self.metrics.forget(resource);
        self.states.forget(resource);
    }

    fn namespaces(&self, object: &DynamicObject) -> Vec<String> {
        object.namespace().into_iter().collect()
    }

    fn contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        contention::keys(object)
    }

    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        contention::keys(object)
    }

    fn status_changed_externally(&self, object: &DynamicObject) -> bool {
        let resource = ResourceRef::of(&SERVICE_STACK, object);
        let history = self.states.history(&resource, object.metadata.uid.as_deref());
        history.is_some_and(|history| history.is_foreign(object))
    }
}

impl Controller {
    /// Reports a resource of which no more than its metadata may be known.
    async fn report(
        &self,
        state: &mut State,
        object: &DynamicObject,
        reason: &str,
        found: Vec<String>,
        requeue: &mut Requeue,
    ) {
        let before: ServiceStackStatus =
            serde_json::from_value(state.history.status(object)).unwrap_or_default();
        let now = Timestamp::now();
        let status = status::rejected(&before, object, reason, found, now);
        self.publish(state, object, (&before, &status), requeue).await;
        requeue.at_most(state.retry.failed(backoff::FAILURE), "the reconcile failed");
    }
}
