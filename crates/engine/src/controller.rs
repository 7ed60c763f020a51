//! Runs the reconciles of one kind of resource. Changed resources are queued by name. One resource
//! never has two reconciles at the same time, and a reconcile that fails, panics or hangs delays no
//! other resource. Each kind has a queue and a limit of its own.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, pin_mut};
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{
        controller::{Action, Config, applier},
        reflector::{ObjectRef, Store, reflector, store::Writer as StoreWriter},
        watcher::Event,
    },
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    cache::ObjectCache,
    kind::Kind,
    metrics::Metrics,
    plan::Key,
    resource::{ResourceKind, ResourceRef},
    watch_liveness::{WatchLiveness, Watching},
    watches::{self, Trigger, Watches},
};

/// Deadline of a reconcile. Its requests have shorter deadlines of their own.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// Maximum number of concurrent reconciles. Requests have their own, smaller limit. This one is far
/// higher, so that a few reconciles that hang leave capacity for all others.
const CONCURRENCY: u16 = 64;

/// The way in which a reconcile failed to finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReconcileFailure {
    Panicked(String),
    TimedOut,
}

/// The product's part of the controller.
pub trait Reconciler: Send + Sync + 'static {
    /// Reconciles one resource towards its declared state. Returns when to requeue it if nothing
    /// changes.
    fn reconcile(&self, object: Arc<DynamicObject>) -> impl Future<Output = Action> + Send;
    /// Handles a reconcile that did not finish.
    fn on_failure(
        &self,
        object: Arc<DynamicObject>,
        how: ReconcileFailure,
    ) -> impl Future<Output = Action> + Send;
    /// Called after the resource was deleted.
    fn on_deleted(&self, resource: &ResourceRef);
    /// Returns the namespaces whose creation and deletion affect a resource.
    fn namespaces(&self, object: &DynamicObject) -> Vec<String>;
    /// Returns the contention keys of a resource: what it may have to share with another resource or
    /// leave to it.
    fn contention_keys(&self, object: &DynamicObject) -> Vec<String>;
    /// Returns the contention keys that this resource depends on. It is requeued when another resource
    /// starts using, changes or stops using one of them.
    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<String>;
    /// Returns whether another client changed the status that the operator wrote.
    fn status_changed_externally(&self, object: &DynamicObject) -> bool;
}

/// The parts of a resource that trigger a reconcile when they change.
#[derive(PartialEq)]
struct TriggerState {
    uid: Option<String>,
    generation: Option<i64>,
    deleting: bool,
    annotations: std::collections::BTreeMap<String, String>,
    labels: std::collections::BTreeMap<String, String>,
    claims: Vec<String>,
    heeds: Vec<String>,
}

impl TriggerState {
    fn of(object: &DynamicObject, reconciler: &impl Reconciler) -> Self {
        Self {
            uid: object.uid(),
            generation: object.metadata.generation,
            deleting: object.metadata.deletion_timestamp.is_some(),
            annotations: object.annotations().clone(),
            labels: object.labels().clone(),
            claims: reconciler.contention_keys(object),
            heeds: reconciler.watched_contention_keys(object),
        }
    }
}

/// The queue between the watches and the reconciles of one kind of resource.
pub struct ControllerRuntime {
    pub client: Client,
    pub resource: &'static ResourceKind,
    pub kinds: &'static [&'static Kind],
    pub cache: Arc<ObjectCache>,
    pub metrics: Arc<dyn Metrics>,
    pub pulse: Arc<WatchLiveness>,
    pub store: StoreWriter<DynamicObject>,
    pub triggers: mpsc::UnboundedReceiver<Trigger>,
    pub progress: watch::Receiver<u64>,
    /// While false, this process watches and reconciles nothing.
    pub leading: watch::Receiver<bool>,
}

impl ControllerRuntime {
    /// Runs until cancelled.
    pub async fn run<R: Reconciler>(self, reconciler: Arc<R>, stop: CancellationToken) {
        let Self {
            client,
            resource,
            kinds,
            cache,
            metrics,
            pulse,
            store,
            triggers,
            mut progress,
            mut leading,
        } = self;
        let reader = store.as_reader();
        let (queue, mut requests) = mpsc::unbounded_channel();
        let all = queue.downgrade();
        let resources = watch_resources(
            client,
            resource,
            store,
            queue.clone(),
            Arc::clone(&reconciler),
            Arc::clone(&metrics),
            pulse.watching(resource.watch),
        );
        let translate = translate(triggers, reader.clone(), queue, resource, Arc::clone(&reconciler));
        let started = {
            let (cache, reader, api) = (Arc::clone(&cache), reader.clone(), resource.api_resource());
            async move {
                // The senders live as long as the process.
                let _ = progress.wait_for(|_| Watches::covered(kinds, &cache)).await;
                if !*leading.borrow() {
                    // Triggers that arrive meanwhile are the leader's work. When this process becomes
                    // the leader, it reconciles every resource.
                    tokio::select! {
                        _ = leading.wait_for(|leading| *leading) => {}
                        () = async { while requests.recv().await.is_some() {} } => {}
                    }
                    if let Some(all) = all.upgrade() {
                        for object in reader.state() {
                            let _ = all.send(ObjectRef::from_obj_with(&*object, api.clone()));
                        }
                    }
                }
                requests
            }
        };
        let requests = started
            .map(|requests| {
                futures::stream::unfold(requests, |mut requests| async {
                    requests.recv().await.map(|request| (Ok::<_, Infallible>(request), requests))
                })
            })
            .flatten_stream();
        let (there, api) = (reader.clone(), resource.api_resource());
        let work = applier(
            move |object, reconciler: Arc<R>| {
                let (there, metrics) = (there.clone(), Arc::clone(&metrics));
                let reference = ObjectRef::from_obj_with(&*object, api.clone());
                async move {
                    let action = guarded(Arc::clone(&reconciler), Arc::clone(&object), metrics).await;
                    if there.get(&reference).is_none() {
                        // The resource was deleted during the reconcile. State that was recorded since
                        // then would otherwise be kept for ever.
                        reconciler.on_deleted(&ResourceRef::of(resource, &object));
                    }
                    action
                }
                .boxed()
            },
            |_, error: &Infallible, _| match *error {},
            reconciler,
            reader,
            requests.boxed(),
            Config::default().concurrency(CONCURRENCY),
        )
        // The only errors are about objects that were deleted while they were queued.
        .for_each(|_| futures::future::ready(()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = resources => {}
            () = translate => {}
            () = work => {}
        }
    }
}

/// Runs a reconcile as a task of its own, which contains a panic or an endless wait.
async fn guarded<R: Reconciler>(
    reconciler: Arc<R>,
    object: Arc<DynamicObject>,
    metrics: Arc<dyn Metrics>,
) -> Result<Action, Infallible> {
    let started = Instant::now();
    let name = Key { namespace: object.namespace(), name: object.name_any() };
    let task = tokio::spawn({
        let (reconciler, object) = (Arc::clone(&reconciler), Arc::clone(&object));
        async move { reconciler.reconcile(object).await }
    });
    let abort = task.abort_handle();
    let how = match tokio::time::timeout(DEADLINE, task).await {
        Ok(Ok(action)) => {
            metrics.reconciled("finished", started.elapsed().as_secs_f64());
            return Ok(action);
        }
        Ok(Err(join)) => ReconcileFailure::Panicked(panic_message(join)),
        Err(_) => {
            abort.abort();
            ReconcileFailure::TimedOut
        }
    };
    error!(%name, ?how, "reconcile broke");
    metrics.reconciled(
        match how {
            ReconcileFailure::Panicked(_) => "panicked",
            ReconcileFailure::TimedOut => "timed_out",
        },
        started.elapsed().as_secs_f64(),
    );
    let report = tokio::spawn(async move { reconciler.on_failure(object, how).await });
    Ok(report.await.unwrap_or_else(|_| Action::requeue(super::backoff::LONGEST)))
}

fn panic_message(join: tokio::task::JoinError) -> String {
    let Ok(payload) = join.try_into_panic() else { return "cancelled".to_owned() };
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

type Queue = mpsc::UnboundedSender<ObjectRef<DynamicObject>>;

/// Maintains the store of resources and queues those with a relevant change.
async fn watch_resources<R: Reconciler>(
    client: Client,
    kind: &'static ResourceKind,
    store: StoreWriter<DynamicObject>,
    queue: Queue,
    reconciler: Arc<R>,
    metrics: Arc<dyn Metrics>,
    watching: Watching,
) {
    let reader = store.as_reader();
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let stream = reflector(store, watches::kept_up(api, watches::any(), watching));
    pin_mut!(stream);
    let mut known: HashMap<ResourceRef, TriggerState> = HashMap::new();
    let mut failing = false;
    // Returns the object's previous and current contention keys if they changed.
    let enqueue = |object: &DynamicObject, known: &mut HashMap<ResourceRef, TriggerState>| {
        let essence = TriggerState::of(object, &*reconciler);
        let name = ResourceRef::of(kind, object);
        let before = known.get(&name);
        if before.is_some_and(|before| before.uid != essence.uid) {
            // The resource was deleted and recreated between two events: nothing of the old one may be
            // remembered.
            reconciler.on_deleted(&name);
        }
        if before != Some(&essence) || reconciler.status_changed_externally(object) {
            // The receiver ends only with the process.
            let _ = queue.send(ObjectRef::from_obj_with(object, resource.clone()));
        }
        let news = before != Some(&essence);
        let mut claims = if news { essence.claims.clone() } else { Vec::new() };
        if let Some(old) = known.insert(name, essence).filter(|_| news) {
            claims.extend(old.claims);
        }
        claims
    };
    let neighbours =
        |name: Option<&ResourceRef>, claims: &[String], known: &HashMap<ResourceRef, TriggerState>| {
            for (other, essence) in known.iter().filter(|_| !claims.is_empty()) {
                if Some(other) != name && essence.heeds.iter().any(|claim| claims.contains(claim)) {
                    let _ = queue.send(other.to_object_ref(resource.clone()));
                }
            }
        };
    while let Some(event) = stream.next().await {
        failing = match event {
            Ok(Event::Apply(object)) => {
                let claims = enqueue(&object, &mut known);
                neighbours(Some(&ResourceRef::of(kind, &object)), &claims, &known);
                false
            }
            Ok(Event::Delete(object)) => {
                let name = ResourceRef::of(kind, &object);
                let claims = known.remove(&name).map(|essence| essence.claims).unwrap_or_default();
                reconciler.on_deleted(&name);
                neighbours(Some(&name), &claims, &known);
                false
            }
            Ok(Event::InitDone) => {
                let objects = reader.state();
                let present: HashSet<ResourceRef> =
                    objects.iter().map(|object| ResourceRef::of(kind, object)).collect();
                let first = known.is_empty();
                let mut claims = Vec::new();
                known.retain(|name, essence| {
                    let keep = present.contains(name);
                    if !keep {
                        reconciler.on_deleted(name);
                        claims.append(&mut essence.claims);
                    }
                    keep
                });
                for object in objects {
                    claims.extend(enqueue(&object, &mut known));
                }
                // The first list contains all contenders.
                if !first {
                    neighbours(None, &claims, &known);
                }
                false
            }
            Ok(Event::Init | Event::InitApply(_)) => false,
            Err(error) => {
                metrics.watch_failed(kind.watch);
                if !failing {
                    warn!(kind = kind.kind, %error, "watch failed; trying again");
                }
                true
            }
        };
    }
}

/// Converts triggers of the object watches into reconcile requests.
async fn translate<R: Reconciler>(
    mut triggers: mpsc::UnboundedReceiver<Trigger>,
    store: Store<DynamicObject>,
    queue: Queue,
    kind: &'static ResourceKind,
    reconciler: Arc<R>,
) {
    let api = kind.api_resource();
    while let Some(trigger) = triggers.recv().await {
        match trigger {
            Trigger::Owner(resource) => {
                let _ = queue.send(resource.to_object_ref(api.clone()));
            }
            Trigger::All | Trigger::Namespace(_) => {
                for object in store.state() {
                    let concerned = match &trigger {
                        Trigger::Namespace(namespace) => reconciler.namespaces(&object).contains(namespace),
                        _ => true,
                    };
                    if concerned {
                        let _ = queue.send(ObjectRef::from_obj_with(&*object, api.clone()));
                    }
                }
            }
        }
    }
}
