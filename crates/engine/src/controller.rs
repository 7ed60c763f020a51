//! Starts reconciles of one kind of resource: what changed is queued by its name, one resource is never reconciled twice at
//! once, and one that fails, panics or hangs slows no other. Each kind has a queue and a limit of its own.

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

/// A reconcile that takes longer is given up; its requests have shorter deadlines of their own.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// Reconciles under way at once. Requests have their own, smaller bound; this one is far above it so that a few that
/// hang leave room for all others.
const CONCURRENCY: u16 = 64;

/// How a reconcile broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReconcileFailure {
    Panicked(String),
    TimedOut,
}

/// What a product does with its resources.
pub trait Reconciler: Send + Sync + 'static {
    /// Brings one resource to its declared state; answers when to look again without a change.
    fn reconcile(&self, object: Arc<DynamicObject>) -> impl Future<Output = Action> + Send;
    /// A reconcile did not come to its end.
    fn on_failure(
        &self,
        object: Arc<DynamicObject>,
        how: ReconcileFailure,
    ) -> impl Future<Output = Action> + Send;
    /// The resource is gone.
    fn on_deleted(&self, resource: &ResourceRef);
    /// The namespaces whose coming and going concerns a resource.
    fn namespaces(&self, object: &DynamicObject) -> Vec<String>;
    /// What a resource may have to share with another or leave to it.
    fn contention_keys(&self, object: &DynamicObject) -> Vec<String>;
    /// Those of its claims of which it matters to it who else has them: it is looked at again when one of those comes,
    /// changes or goes.
    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<String>;
    /// Somebody else changed the status that we wrote.
    fn status_changed_externally(&self, object: &DynamicObject) -> bool;
}

/// What starts a reconcile of a resource when it differs.
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

/// The queue between watches and reconciles of one kind of resource.
pub struct ControllerRuntime {
    pub client: Client,
    pub resource: &'static ResourceKind,
    pub kinds: &'static [&'static Kind],
    pub cache: Arc<ObjectCache>,
    pub metrics: Arc<dyn Metrics>,
    pub liveness: Arc<WatchLiveness>,
    pub store: StoreWriter<DynamicObject>,
    pub triggers: mpsc::UnboundedReceiver<Trigger>,
    pub progress: watch::Receiver<u64>,
    /// Until it is true this process watches and reconciles nothing.
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
            liveness.watching(resource.watch),
        );
        let translate = translate(triggers, reader.clone(), queue, resource, Arc::clone(&reconciler));
        let started = {
            let (cache, reader, api) = (Arc::clone(&cache), reader.clone(), resource.api_resource());
            async move {
                // The senders live as long as the process.
                let _ = progress.wait_for(|_| Watches::covered(kinds, &cache)).await;
                if !*leading.borrow() {
                    // What is asked for meanwhile is the leader's work; all is looked at when it becomes ours.
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
                        // It went meanwhile: what was learnt of it since then would be kept for ever.
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
        // The only errors are of objects that went while they were queued.
        .for_each(|_| futures::future::ready(()));
        tokio::select! {
            () = stop.cancelled() => {}
            () = resources => {}
            () = translate => {}
            () = work => {}
        }
    }
}

/// Runs a reconcile as a task of its own, so that a panic or an endless wait stays in it.
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
    // Answers what the object claimed and claims now, where it is news.
    let enqueue = |object: &DynamicObject, known: &mut HashMap<ResourceRef, TriggerState>| {
        let essence = TriggerState::of(object, &*reconciler);
        let name = ResourceRef::of(kind, object);
        let before = known.get(&name);
        if before.is_some_and(|before| before.uid != essence.uid) {
            // Deleted and made again between two events: nothing of the old one may be remembered.
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
                // The first list has all neighbours in it.
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

/// Turns triggers of the children's watches into requests.
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
