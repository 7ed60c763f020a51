//! Runs the reconciles of one kind of resource. Changed resources are queued by name. One resource
//! never has two reconciles at the same time, and a reconcile that fails, panics or hangs delays no
//! other resource. Each kind has a queue and a limit of its own.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
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
    contention::{Contender, Contention, ContentionKey},
    kind::Kind,
    metrics::Metrics,
    plan::Key,
    relist,
    resource::{ResourceKind, ResourceRef},
    watch_liveness::{WatchLiveness, Watching},
    watches::{self, REFUSED, Trigger, Watches},
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
    fn contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey>;
    /// Returns the contention keys that this resource depends on. It is requeued when another resource,
    /// of whatever kind, starts using, changes or stops using one of them.
    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey>;
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
    /// Hash of what it wants, which the index of all resources holds in full.
    wants: u64,
}

impl TriggerState {
    fn of(object: &DynamicObject, wants: &Contender) -> Self {
        let mut hasher = DefaultHasher::new();
        wants.hash(&mut hasher);
        Self {
            uid: object.uid(),
            generation: object.metadata.generation,
            deleting: object.metadata.deletion_timestamp.is_some(),
            annotations: object.annotations().clone(),
            labels: object.labels().clone(),
            wants: hasher.finish(),
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
    pub liveness: Arc<WatchLiveness>,
    /// One for all kinds.
    pub contention: Arc<Contention>,
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
            liveness,
            contention,
            store,
            triggers,
            mut progress,
            mut leading,
        } = self;
        let reader = store.as_reader();
        let (queue, mut requests) = mpsc::unbounded_channel();
        let all = queue.downgrade();
        contention.serve(resource, queue.clone());
        let watched = ResourceWatch {
            kind: resource,
            queue: queue.clone(),
            reconciler: Arc::clone(&reconciler),
            contention: Arc::clone(&contention),
            known: HashMap::new(),
        };
        let resources = watched.run(client, store, Arc::clone(&metrics), liveness.watching(resource.watch));
        let translate = translate(triggers, reader.clone(), queue, resource, Arc::clone(&reconciler));
        let started = {
            let (cache, reader, api) = (Arc::clone(&cache), reader.clone(), resource.api_resource());
            async move {
                // The senders live as long as the process.
                let _ = progress.wait_for(|_| Watches::covered(kinds, &cache)).await;
                contention.settled().await;
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

/// Keeps the store of resources and queues those that changed in what matters.
struct ResourceWatch<R> {
    kind: &'static ResourceKind,
    queue: Queue,
    reconciler: Arc<R>,
    contention: Arc<Contention>,
    known: HashMap<ResourceRef, TriggerState>,
}

impl<R: Reconciler> ResourceWatch<R> {
    async fn run(
        mut self,
        client: Client,
        store: StoreWriter<DynamicObject>,
        metrics: Arc<dyn Metrics>,
        watching: Watching,
    ) {
        let (kind, reader) = (self.kind, store.as_reader());
        let api: Api<DynamicObject> = Api::all_with(client, &kind.api_resource());
        let stream = reflector(store, watches::kept_up(api, watches::any(), watching));
        pin_mut!(stream);
        let (mut failing, mut refusals) = (false, 0);
        while let Some(event) = stream.next().await {
            failing = match event {
                Ok(Event::Apply(object)) => {
                    let others = self.enqueue(&object);
                    self.contention.wake(&others);
                    false
                }
                Ok(Event::Delete(object)) => {
                    let name = ResourceRef::of(kind, &object);
                    self.known.remove(&name);
                    let others = self.contention.remove(&name);
                    self.reconciler.on_deleted(&name);
                    self.contention.wake(&others);
                    false
                }
                Ok(Event::InitDone) => {
                    self.replace_all(&reader.state());
                    self.contention.settle(kind);
                    refusals = 0;
                    false
                }
                Ok(Event::Init | Event::InitApply(_)) => false,
                Err(error) => {
                    metrics.watch_failed(kind.watch);
                    if !failing {
                        warn!(kind = kind.kind, %error, "watch failed; trying again");
                    }
                    refusals += u32::from(relist::refusal(&error).is_some());
                    if refusals >= REFUSED {
                        // A kind that is not served, or that may not be listed, holds up no other.
                        self.contention.settle(kind);
                    }
                    true
                }
            };
        }
    }

    /// Queues an object that changed. Answers which others have to know.
    fn enqueue(&mut self, object: &DynamicObject) -> HashSet<ResourceRef> {
        let wants = Contender {
            created: object.metadata.creation_timestamp.as_ref().map(|made| made.0),
            keys: self.reconciler.contention_keys(object),
            watched: self.reconciler.watched_contention_keys(object),
        };
        let essence = TriggerState::of(object, &wants);
        let name = ResourceRef::of(self.kind, object);
        let before = self.known.get(&name);
        if before.is_some_and(|before| before.uid != essence.uid) {
            // Deleted and recreated between two events: nothing of the old one may be remembered.
            self.reconciler.on_deleted(&name);
        }
        let news = before != Some(&essence);
        let others = if news { self.contention.update(&name, wants) } else { HashSet::new() };
        if news || self.reconciler.status_changed_externally(object) {
            // The receiver ends only with the process.
            let _ = self.queue.send(ObjectRef::from_obj_with(object, self.kind.api_resource()));
        }
        self.known.insert(name, essence);
        others
    }

    /// A list of all resources.
    fn replace_all(&mut self, objects: &[Arc<DynamicObject>]) {
        let kind = self.kind;
        let first = self.known.is_empty();
        let mut others = HashSet::new();
        let present: HashSet<ResourceRef> =
            objects.iter().map(|object| ResourceRef::of(kind, object)).collect();
        let gone: Vec<_> = self.known.keys().filter(|name| !present.contains(name)).cloned().collect();
        for name in gone {
            self.known.remove(&name);
            self.reconciler.on_deleted(&name);
            others.extend(self.contention.remove(&name));
        }
        for object in objects {
            others.extend(self.enqueue(object));
        }
        if first {
            // The first list has all neighbours of this kind in it.
            others.retain(|other| other.kind() != kind);
        }
        self.contention.wake(&others);
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
