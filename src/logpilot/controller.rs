//! The reconcile of a `LogPilotCluster`, one statement per step.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Client, ResourceExt,
    api::DynamicObject,
    runtime::{controller::Action, reflector::Store},
};
use serde_json::Value;

use super::{
    again::{self, Again},
    backups, claims, effective,
    facts::{ApiKeyFact, Facts, NamespaceFact},
    gather, in_use,
    memory::Memory,
    model::Cluster,
    patches, plan, problems, reasons,
    references::References,
    report::Reporter,
    requeue::Requeue,
    restore,
    scalers::Scalers,
    secrets::Secrets,
    status::{self, View},
    validate, warnings,
};
use crate::{
    api::{self, LogPilotCluster, LogPilotClusterStatus, status::LastChange},
    engine::{
        apply::Applier,
        backoff::Backoff,
        clock::Clock,
        decide::Normalised,
        dispatch::{Broken, Reconciler},
        error::Error,
        kind::Managed,
        lease::Term,
        live::{Live, Snapshot},
        outcome::{Outcome, Result as Applied},
        owner::Owner,
        plan::Plan,
        prune,
        rests::Rests,
        writer::Writer,
    },
    metrics::Metrics,
};

/// Makes the plan of a cluster. A future, so that a planner that hangs can be told apart from one that is slow.
pub type Planner = Arc<dyn Fn(Arc<Cluster>, Arc<Facts>) -> BoxFuture<'static, Plan> + Send + Sync>;

/// The planner of the product.
#[must_use]
pub fn planner() -> Planner {
    Arc::new(|cluster, facts| Box::pin(async move { plan::plan(&cluster, &facts) }))
}

/// What only waited for the status to be written.
const AT_ONCE: Duration = Duration::from_millis(50);

pub struct Controller {
    pub writer: Writer,
    pub live: Arc<Live>,
    pub metrics: Arc<Metrics>,
    pub planner: Planner,
    /// The operator's own image, which backups run.
    pub operator_image: Option<String>,
    /// All resources, for what one of them has to know of the others.
    pub store: Store<DynamicObject>,
    normalised: Normalised,
    rests: Rests,
    pub(super) backoff: Backoff,
    secrets: Secrets,
    references: References,
    scalers: Scalers,
    requeue: Requeue,
    pub(super) memory: Memory,
    pub(super) reporter: Reporter,
}

/// A resource on its way through a reconcile.
pub(super) struct Subject {
    pub(super) object: Arc<DynamicObject>,
    cr: LogPilotCluster,
    pub(super) before: LogPilotClusterStatus,
    writer: Writer,
}

impl Controller {
    #[must_use]
    pub fn new(
        client: Client,
        live: Arc<Live>,
        metrics: Arc<Metrics>,
        planner: Planner,
        store: Store<DynamicObject>,
        term: Term,
    ) -> Self {
        let writer = Writer::new(client.clone(), term);
        Self {
            reporter: Reporter::new(client, writer.clone(), Arc::clone(&metrics)),
            writer,
            live,
            metrics,
            planner,
            operator_image: None,
            store,
            normalised: Normalised::default(),
            rests: Rests::default(),
            backoff: Backoff::default(),
            secrets: Secrets::default(),
            references: References::default(),
            scalers: Scalers::default(),
            requeue: Requeue::default(),
            memory: Memory::default(),
        }
    }

    async fn run(&self, subject: &Subject) -> Action {
        let mut cluster = match validate::validate(&subject.cr) {
            Ok(cluster) => cluster,
            Err(violations) => return self.refuse(subject, &violations).await,
        };
        let snapshot = self.snapshot(&cluster);
        let restore = self.restore(subject, &cluster, &snapshot);
        restore.stop(&mut cluster);
        let cluster = Arc::new(cluster);
        let facts = match self.gather(subject, &cluster, &restore, &snapshot).await {
            Ok(facts) => Arc::new(facts),
            Err(error) => return self.fail(subject, &error).await,
        };
        let plan = (self.planner)(Arc::clone(&cluster), Arc::clone(&facts)).await;
        let outcome = self.carry_out(subject, &cluster, &facts, &plan, &snapshot).await;
        let again = restore.look_again;
        let clock = Clock::at(Timestamp::now());
        let status = self.observe(subject, &cluster, &facts, (&plan, &outcome), restore, &clock);
        let told = self.reporter.report(&self.memory, &subject.object, &subject.before, &status).await;
        let at_once = (again && told.is_none()).then_some(AT_ONCE);
        let waits = told.into_iter().chain(at_once).chain(clock.next());
        self.next(subject, &facts, &outcome, waits)
    }

    /// What is there of a resource now.
    fn snapshot(&self, cluster: &Cluster) -> Snapshot {
        self.live.of(&cluster.name).running_in(&cluster.namespace.name)
    }

    /// The names of all resources that there are.
    fn living(&self) -> BTreeSet<String> {
        self.store.state().iter().map(|object| object.name_any()).collect()
    }

    fn restore(&self, subject: &Subject, cluster: &Cluster, snapshot: &Snapshot) -> restore::State {
        let (image, before) = (self.operator_image.is_some(), subject.before.restore.as_ref());
        restore::of(restore::World { cluster, image, before, snapshot, now: Timestamp::now() })
    }

    async fn gather(
        &self,
        subject: &Subject,
        cluster: &Cluster,
        restore: &restore::State,
        snapshot: &Snapshot,
    ) -> Result<Facts, Error> {
        let all = self.store.state();
        let others = || {
            let other = |it: &&DynamicObject| it.metadata.name.as_ref() != Some(&cluster.name);
            all.iter().map(AsRef::as_ref).filter(other)
        };
        let sources = gather::Sources {
            live: &self.live,
            writer: &subject.writer,
            secrets: &self.secrets,
            references: &self.references,
            scalers: &self.scalers,
            operator_image: self.operator_image.as_deref(),
            namespace_shared: claims::shared(&subject.object, others()),
            restore,
            taken: claims::taken(&subject.object, others()),
            living: self.living(),
        };
        gather::facts(sources, &subject.cr, cluster, &subject.before, snapshot).await
    }

    /// Applies, prunes, and has refused pods looked at again; nothing while paused, or while the namespace is on its way out.
    async fn carry_out(
        &self,
        subject: &Subject,
        cluster: &Cluster,
        facts: &Facts,
        plan: &Plan,
        snapshot: &Snapshot,
    ) -> Outcome {
        if cluster.paused || facts.namespace == NamespaceFact::Terminating {
            return Outcome::default();
        }
        let owner = Owner { kind: api::KIND, name: cluster.name.clone(), uid: cluster.uid.clone() };
        self.rests.begin(&cluster.name, subject.cr.metadata.generation);
        let applier = Applier {
            writer: &subject.writer,
            live: &self.live,
            normalised: &self.normalised,
            rests: &self.rests,
            owner: &owner,
        };
        let mut outcome = applier.apply(plan, snapshot).await;
        self.note_generated_key(subject, cluster, facts, &outcome);
        let snapshot = self.snapshot(cluster);
        let in_use = in_use::configs(&snapshot);
        let superfluous = prune::superfluous(plan, &outcome, &snapshot, &owner, |child| in_use.keeps(child));
        outcome.steps.extend(applier.prune(superfluous, &snapshot).await);
        let evicted = self.requeue.carry_out(&subject.writer, &self.live, cluster, &snapshot).await;
        self.reporter.requeued(&subject.object, &evicted).await;
        outcome.steps.extend(evicted);
        let held_up = outcome.steps.iter().filter(|step| step.result.rests());
        outcome.again = held_up.filter_map(|step| self.rests.rest(&cluster.name, &step.id)).min();
        for step in &outcome.steps {
            let operation = match step.result {
                Applied::Created => "create",
                Applied::Updated => "update",
                Applied::Deleted | Applied::Behind { withdrawn: true, .. } => "delete",
                _ => continue,
            };
            self.metrics.wrote(step.id.0.kind, operation);
        }
        outcome
    }

    /// A key that was just written is known without reading it back; one whose write failed has to be read.
    fn note_generated_key(&self, subject: &Subject, cluster: &Cluster, facts: &Facts, outcome: &Outcome) {
        let ApiKeyFact::Generate { value, .. } = &facts.api_key else { return };
        let made = outcome.steps.iter().any(|step| {
            step.id.0 == k8s_openapi::api::core::v1::Secret::KIND && step.result == Applied::Created
        });
        if made {
            let wanted = gather::api_key(cluster);
            self.secrets.made(&cluster.name, &wanted, &gather::moment(&subject.cr), value);
        } else {
            self.secrets.forget(&cluster.name);
        }
    }

    fn observe(
        &self,
        subject: &Subject,
        cluster: &Cluster,
        facts: &Facts,
        (plan, outcome): (&Plan, &Outcome),
        restore: restore::State,
        clock: &Clock,
    ) -> LogPilotClusterStatus {
        let snapshot = self.snapshot(cluster);
        let wanted = gather::api_key(cluster);
        let living = self.living();
        let backups = backups::of(cluster, facts, &subject.before.backups, &snapshot, clock);
        let mut namespaces = vec![(cluster.namespace.name.clone(), facts.namespace)];
        namespaces.extend(cluster.system_namespace.clone().map(|name| (name, facts.system_namespace)));
        let lost = gather::lost_claims(&subject.cr, cluster, &subject.before, &snapshot);
        let mut known =
            problems::of_facts(facts, &namespaces, &lost, (&wanted.secret, &wanted.key), &cluster.name);
        known.extend(warnings::warnings(cluster));
        known.extend(patches::unmatched(cluster, plan));
        known.extend(backups.problems);
        known.extend(restore.problems.iter().cloned());
        status::of(View {
            cr: &subject.cr,
            before: &subject.before,
            namespace: &cluster.namespace.name,
            plan,
            outcome,
            snapshot: &snapshot,
            known,
            backups: backups.status,
            restore,
            effective: Some(effective::of(cluster, plan)),
            change: self.change(subject, clock),
            paused: cluster.paused,
            stopped: cluster.stopped,
            facts,
            living: &living,
            clock,
        })
    }

    /// What the newest generation changed, told once.
    fn change(&self, subject: &Subject, clock: &Clock) -> Option<LastChange> {
        let generation = subject.cr.metadata.generation?;
        let previous = self.memory.previous_spec(&subject.object);
        if subject.before.last_change.as_ref().is_some_and(|change| change.generation == generation) {
            return None;
        }
        let changes = match (previous, subject.before.observed_generation) {
            (Some(old), _) => status::changes(&old, subject.object.data.get("spec").unwrap_or(&Value::Null)),
            (None, None) => vec!["created".to_owned()],
            (None, Some(_)) => vec!["changed while the operator was not running".to_owned()],
        };
        Some(LastChange { generation, changes, time: Time(clock.now()) })
    }

    /// When to look again without a change.
    fn next(
        &self,
        subject: &Subject,
        facts: &Facts,
        outcome: &Outcome,
        told: impl Iterator<Item = Duration>,
    ) -> Action {
        let name = subject.object.name_any();
        let Again { mut waits, failed, asked } = again::of(facts, outcome);
        waits.extend(told);
        match failed {
            Some(longest) => {
                waits.push(self.backoff.failed(&name, longest).max(asked.unwrap_or_default()));
            }
            None => self.backoff.succeeded(&name),
        }
        waits.into_iter().min().map_or_else(Action::await_change, Action::requeue)
    }

    fn subject(
        &self,
        object: Arc<DynamicObject>,
    ) -> Result<Subject, (Arc<DynamicObject>, serde_json::Error)> {
        let before: LogPilotClusterStatus =
            serde_json::from_value(self.memory.status(&object)).unwrap_or_default();
        let decoded = serde_json::to_value(&*object).and_then(serde_json::from_value::<LogPilotCluster>);
        match decoded {
            Ok(cr) => Ok(Subject { object, cr, before, writer: self.writer.lane() }),
            Err(error) => Err((object, error)),
        }
    }
}

impl Reconciler for Controller {
    async fn reconcile(&self, object: Arc<DynamicObject>) -> Action {
        if object.metadata.deletion_timestamp.is_some() {
            // The garbage collector takes the children; what is kept carries no owner reference.
            return Action::await_change();
        }
        // What is made for one that is not there any more, the garbage collector takes at once, and its events would come here.
        if let Some(wait) = self.memory.missing(&object) {
            return Action::requeue(wait);
        }
        self.live.attend(&object.name_any());
        match self.subject(object) {
            Ok(subject) => self.run(&subject).await,
            Err((object, error)) => {
                self.report_broken(&object, reasons::INVALID_SPEC, format!("spec cannot be read: {error}"))
                    .await
            }
        }
    }

    async fn broken(&self, object: Arc<DynamicObject>, how: Broken) -> Action {
        let message = match how {
            Broken::Panicked(message) => format!("the operator failed on this resource: {message}"),
            Broken::TimedOut => {
                "a reconcile of this resource did not end in time and was given up".to_owned()
            }
        };
        self.report_broken(&object, reasons::INTERNAL_ERROR, message).await
    }

    fn gone(&self, name: &str) {
        self.live.forget(name);
        self.memory.forget(name);
        self.secrets.forget(name);
        self.references.forget(name);
        self.scalers.forget(name);
        self.requeue.forget(name);
        self.reporter.forget(name);
        self.metrics.forget(name);
        self.backoff.succeeded(name);
        self.rests.forget(name);
    }

    fn namespaces(&self, object: &DynamicObject) -> Vec<String> {
        claims::namespaces(object).map(str::to_owned).collect()
    }

    fn claims(&self, object: &DynamicObject) -> Vec<String> {
        claims::of(object)
    }

    fn heeds(&self, object: &DynamicObject) -> Vec<String> {
        claims::heeded(object)
    }

    fn status_is_foreign(&self, object: &DynamicObject) -> bool {
        self.memory.is_foreign(object)
    }
}
