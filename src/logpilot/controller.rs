//! The reconcile of a `LogPilotCluster`, one statement per step.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{
    Client, ResourceExt,
    api::DynamicObject,
    runtime::{controller::Action, reflector::Store},
};

use super::{
    api_key::ApiKeyReader,
    backups, config_check, config_retention, contention, effective,
    facts::{ApiKeyFact, Facts, NamespaceFact, SharedPlace},
    gather,
    model::Cluster,
    patches,
    plan::Planner,
    problems,
    remembered::{Remembered, State},
    report::Reporter,
    requeue_after::{self, Failed},
    restore,
    status::{self, View},
    validate, warnings,
};
use crate::{
    api::{LogPilotCluster, LogPilotClusterStatus},
    engine::{
        api_client::ApiClient,
        apply::Applier,
        cache::{ObjectCache, Snapshot},
        contention::{Contention, ContentionKey},
        controller::{ReconcileFailure, Reconciler},
        deadlines::DeadlineTracker,
        error::Error,
        lease::Leadership,
        outcome::{ApplyResult, Outcome},
        owner::Owner,
        plan::Plan,
        prune,
        requeue::Requeue,
        resource::ResourceRef,
        resource_state::ResourceStates,
        status_history::StatusHistory,
    },
    kinds::{LOGPILOT_CLUSTER, Managed},
    last_change::last_change,
    metrics::Metrics,
    reasons,
};

/// Delay before the next step of a restore, which starts when the status of this step is written.
const REQUEUE_AFTER_STATUS_WRITE: Duration = Duration::from_millis(50);

pub struct Controller {
    pub writer: ApiClient,
    pub cache: Arc<ObjectCache>,
    pub metrics: Arc<Metrics>,
    pub planner: Planner,
    /// The operator's own image, which backups run.
    pub operator_image: Option<String>,
    /// Index of what resources of all kinds want.
    pub contention: Arc<Contention>,
    /// All resources, because a reconcile needs facts about the other ones.
    pub store: Store<DynamicObject>,
    /// The recorded state of each resource.
    states: ResourceStates<Remembered>,
    pub(super) reporter: Reporter,
}

/// The resource of one reconcile.
pub(super) struct Subject {
    pub(super) object: Arc<DynamicObject>,
    pub(super) resource: ResourceRef,
    cr: LogPilotCluster,
    pub(super) before: LogPilotClusterStatus,
    history: Arc<StatusHistory>,
    writer: ApiClient,
}

impl Controller {
    #[must_use]
    pub fn new(
        client: Client,
        cache: Arc<ObjectCache>,
        metrics: Arc<Metrics>,
        planner: Planner,
        store: Store<DynamicObject>,
        term: Leadership,
    ) -> Self {
        let writer = ApiClient::new(client.clone(), term);
        Self {
            reporter: Reporter::new(client, writer.clone(), Arc::clone(&metrics)),
            writer,
            cache,
            metrics,
            planner,
            operator_image: None,
            contention: Arc::default(),
            store,
            states: ResourceStates::default(),
        }
    }

    async fn run(&self, subject: &Subject, state: &mut State, requeue: &mut Requeue) {
        let cluster = match validate::validate(&subject.cr) {
            Ok(cluster) => cluster,
            Err(violations) => return self.report_invalid(subject, state, &violations, requeue).await,
        };
        let snapshot = self.snapshot(&subject.resource, &cluster);
        let shared = contention::shared_places(
            &subject.object,
            self.store.state().iter().map(AsRef::as_ref).filter(|other| is_another(other, &cluster)),
        );
        let restore = self.restore(subject, &cluster, &snapshot, &shared);
        let cluster = Arc::new(restore.stop(cluster));
        let facts =
            match self.gather(subject, &mut state.product, &cluster, (&restore, shared), &snapshot).await {
                Ok(facts) => facts,
                Err(error) => return self.report_error(subject, state, &error, requeue).await,
            };
        let config_checks = config_check::evaluate(&cluster, &facts, &snapshot);
        let facts = Arc::new(Facts { config_checks, ..facts });
        let plan = (self.planner)(Arc::clone(&cluster), Arc::clone(&facts)).await;
        let outcome = self.carry_out(subject, state, &cluster, &facts, (&plan, &snapshot)).await;
        let again = restore.look_again;
        let clock = DeadlineTracker::at(Timestamp::now());
        let status = self.observe(subject, &cluster, &facts, (&plan, &outcome), restore, &clock);
        let written = self.reporter.report(state, &subject.object, &subject.before, &status, requeue).await;
        if again && written {
            requeue.at_most(REQUEUE_AFTER_STATUS_WRITE, "the restore continues");
        }
        if let Some(wait) = clock.next() {
            requeue.at_most(wait, "a time limit expires");
        }
        retry_failures(state, &facts, &outcome, requeue);
    }

    /// Returns the live objects of a resource.
    fn snapshot(&self, resource: &ResourceRef, cluster: &Cluster) -> Snapshot {
        self.cache.snapshot(resource).running_in(&cluster.namespace.name)
    }

    fn is_living(&self, name: &str) -> bool {
        self.store.state().iter().any(|object| object.metadata.name.as_deref() == Some(name))
    }

    fn restore(
        &self,
        subject: &Subject,
        cluster: &Cluster,
        snapshot: &Snapshot,
        shared: &[SharedPlace],
    ) -> restore::State {
        let (image, before) = (self.operator_image.is_some(), subject.before.restore.as_ref());
        restore::advance(restore::World { cluster, image, before, snapshot, shared, now: Timestamp::now() })
    }

    async fn gather(
        &self,
        subject: &Subject,
        remembered: &mut Remembered,
        cluster: &Cluster,
        (restore, shared): (&restore::State, Vec<SharedPlace>),
        snapshot: &Snapshot,
    ) -> Result<Facts, Error> {
        let (resource, object, contention) = (&subject.resource, &*subject.object, &*self.contention);
        let sources = gather::Sources {
            cache: &self.cache,
            writer: &subject.writer,
            remembered,
            operator_image: self.operator_image.as_deref(),
            namespace_shared: contention::namespace_is_shared(resource, object, contention),
            restore,
            taken: contention::route_conflicts(resource, object, contention),
            shared,
            is_living: &|name| self.is_living(name),
        };
        gather::facts(sources, &subject.cr, cluster, &subject.before, snapshot).await
    }

    /// Applies, prunes, and evicts unschedulable pods; does nothing while the resource is paused or the
    /// namespace is being deleted.
    async fn carry_out(
        &self,
        subject: &Subject,
        state: &mut State,
        cluster: &Cluster,
        facts: &Facts,
        (plan, snapshot): (&Plan, &Snapshot),
    ) -> Outcome {
        if cluster.paused || facts.namespace == NamespaceFact::Terminating {
            return Outcome::default();
        }
        let owner = Owner { resource: subject.resource.clone(), uid: cluster.uid().to_owned() };
        state.writes.reset_on_new_generation(subject.cr.metadata.generation);
        let applier = Applier {
            writer: &subject.writer,
            cache: &self.cache,
            normalised: &state.divergence,
            write_backoff: &state.writes,
            owner: &owner,
        };
        let mut outcome = applier.apply(plan, snapshot).await;
        note_generated_key(&mut state.product.api_key, subject, cluster, facts, &outcome);
        let snapshot = self.snapshot(&subject.resource, cluster);
        let in_use = config_retention::configs(&snapshot);
        let orphaned = prune::orphaned(plan, &outcome, &snapshot, &owner, |child| in_use.keeps(child));
        outcome.steps.extend(applier.prune(orphaned, &snapshot).await);
        let (evictions, claims) = (&mut state.product.evictions, cluster.co_scheduled_claims());
        let evicted = evictions.carry_out(&applier, cluster.name(), claims, &snapshot).await;
        self.reporter.requeued(&subject.object, &evicted).await;
        outcome.steps.extend(evicted);
        let held_up = outcome.steps.iter().filter(|step| step.result.is_backing_off());
        outcome.again = held_up.filter_map(|step| state.writes.remaining(&step.id)).min();
        self.metrics.record_writes(&outcome);
        outcome
    }

    fn observe(
        &self,
        subject: &Subject,
        cluster: &Cluster,
        facts: &Facts,
        (plan, outcome): (&Plan, &Outcome),
        restore: restore::State,
        clock: &DeadlineTracker,
    ) -> LogPilotClusterStatus {
        let snapshot = self.snapshot(&subject.resource, cluster);
        let backups = backups::observe(cluster, facts, &subject.before.backups, &snapshot, clock);
        let mut known = problems::fact_problems(cluster, facts);
        known.extend(warnings::warnings(cluster));
        known.extend(patches::unmatched(cluster, plan));
        known.extend(backups.problems);
        known.extend(restore.problems.iter().cloned());
        status::build(View {
            cr: &subject.cr,
            before: &subject.before,
            namespace: &cluster.namespace.name,
            components: &cluster.components,
            plan,
            outcome,
            snapshot: &snapshot,
            known,
            backups: backups.status,
            restore,
            effective: Some(effective::of(cluster, plan)),
            change: last_change(
                &subject.object,
                &subject.history,
                subject.before.last_change.as_ref(),
                subject.before.observed_generation,
                clock.now(),
            ),
            paused: cluster.paused,
            stopped: cluster.stopped,
            facts,
            is_living: &|name| self.is_living(name),
            clock,
        })
    }

    fn subject(
        &self,
        object: Arc<DynamicObject>,
        history: &Arc<StatusHistory>,
    ) -> Result<Subject, (Arc<DynamicObject>, serde_json::Error)> {
        let before: LogPilotClusterStatus =
            serde_json::from_value(history.status(&object)).unwrap_or_default();
        let decoded = serde_json::to_value(&*object).and_then(serde_json::from_value::<LogPilotCluster>);
        match decoded {
            Ok(cr) => Ok(Subject {
                resource: ResourceRef::of(&LOGPILOT_CLUSTER, &object),
                object,
                cr,
                before,
                history: Arc::clone(history),
                writer: self.writer.for_resource(),
            }),
            Err(error) => Err((object, error)),
        }
    }
}

/// Records a key that was just written without reading it back; a key whose write failed must be read.
fn note_generated_key(
    reader: &mut ApiKeyReader,
    subject: &Subject,
    cluster: &Cluster,
    facts: &Facts,
    outcome: &Outcome,
) {
    let ApiKeyFact::Generate { value, .. } = &facts.api_key else { return };
    let made = outcome.steps.iter().any(|step| {
        step.id.0 == k8s_openapi::api::core::v1::Secret::KIND && step.result == ApplyResult::Created
    });
    if made {
        reader.record_created(&gather::api_key(cluster), &gather::moment(&subject.cr), value);
    } else {
        reader.forget();
    }
}

fn retry_failures(state: &mut State, facts: &Facts, outcome: &Outcome, requeue: &mut Requeue) {
    match requeue_after::collect(facts, outcome, requeue) {
        Some(Failed { policy, at_least }) => {
            let wait = state.retry.failed(policy).max(at_least);
            requeue.at_most(wait, "an object was not written");
        }
        None => state.retry.succeeded(),
    }
}

fn is_another(object: &DynamicObject, cluster: &Cluster) -> bool {
    object.metadata.name.as_deref() != Some(cluster.name())
}

impl Reconciler for Controller {
    async fn reconcile(&self, object: Arc<DynamicObject>) -> Action {
        if object.metadata.deletion_timestamp.is_some() {
            // The garbage collector deletes the objects; a kept object has no owner reference.
            return Action::await_change();
        }
        let resource = ResourceRef::of(&LOGPILOT_CLUSTER, &object);
        let state = &mut *self.states.hold(&resource, object.metadata.uid.as_deref()).await;
        // The garbage collector immediately deletes what is created for a resource that no longer
        // exists, and the events of those objects would trigger a reconcile.
        if let Some(wait) = state.history.missing() {
            return Action::requeue(wait);
        }
        let name = object.name_any();
        self.cache.track(&resource);
        let mut requeue = Requeue::default();
        match self.subject(object, &state.history) {
            Ok(subject) => self.run(&subject, state, &mut requeue).await,
            Err((object, error)) => {
                let message = format!("the spec cannot be read: {error}");
                self.report_internal_error(state, &object, reasons::INVALID_SPEC, message, &mut requeue)
                    .await;
            }
        }
        requeue.into_action(&name)
    }

    async fn on_failure(&self, object: Arc<DynamicObject>, how: ReconcileFailure) -> Action {
        let message = match how {
            ReconcileFailure::Panicked(message) => {
                format!("the operator failed to reconcile this resource: {message}")
            }
            ReconcileFailure::TimedOut => {
                "a reconcile of this resource exceeded its time limit and was cancelled".to_owned()
            }
        };
        let resource = ResourceRef::of(&LOGPILOT_CLUSTER, &object);
        let state = &mut *self.states.take_over(&resource, object.metadata.uid.as_deref()).await;
        let mut requeue = Requeue::default();
        self.report_internal_error(state, &object, reasons::INTERNAL_ERROR, message, &mut requeue).await;
        requeue.into_action(&object.name_any())
    }

    fn on_deleted(&self, resource: &ResourceRef) {
        self.cache.forget(resource);
        self.metrics.forget(resource);
        self.states.forget(resource);
    }

    fn namespaces(&self, object: &DynamicObject) -> Vec<String> {
        contention::namespaces(object).map(str::to_owned).collect()
    }

    fn contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        contention::contention_keys(object)
    }

    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        contention::watched_keys(object)
    }

    fn status_changed_externally(&self, object: &DynamicObject) -> bool {
        let resource = ResourceRef::of(&LOGPILOT_CLUSTER, object);
        let history = self.states.history(&resource, object.metadata.uid.as_deref());
        history.is_some_and(|history| history.is_foreign(object))
    }
}
