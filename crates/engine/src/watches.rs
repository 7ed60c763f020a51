//! One watch for each kind, each with its own backoff: a failing kind never delays another.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, pin_mut};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use super::{
    MANAGED_BY_LABEL,
    cache::{ObjectCache, SyncState},
    child::{Child, Raw},
    kind::{Kind, Nature},
    metrics::Metrics,
    relist,
    resource::{ResourceKind, ResourceRef},
    retry::Retry,
    watch_liveness::{WatchLiveness, Watching},
};

/// Timeout of a watch. A dead connection is noticed after this time plus 5 s. kube allows less than 295
/// s, and load balancers often close connections at 240 s.
pub const WATCH_TIMEOUT: Duration = Duration::from_secs(90);
/// Objects of one page. A page is held in memory as a whole until its objects are reduced, so pages are
/// small.
pub const PAGE: u32 = 100;

/// Watch of all CRDs, to know which optional kinds are served.
const DEFINITIONS: &str = "customresourcedefinitions";

/// A cause for reconciling resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The objects of one resource changed.
    Owner(ResourceRef),
    /// A namespace was created, deleted or changed its owner. It affects all resources that name it.
    Namespace(String),
    /// A change that affects all resources.
    All,
}

/// Distributes triggers to the queue of each kind of resource.
#[derive(Clone, Default)]
pub struct Triggers {
    queues: Vec<(&'static ResourceKind, mpsc::UnboundedSender<Trigger>)>,
}

impl Triggers {
    /// Creates a queue for the resources of this kind.
    pub fn queue(&mut self, kind: &'static ResourceKind) -> mpsc::UnboundedReceiver<Trigger> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.queues.push((kind, sender));
        receiver
    }

    fn send(&self, trigger: &Trigger) {
        for (kind, queue) in &self.queues {
            if !matches!(trigger, Trigger::Owner(resource) if resource.kind() != *kind) {
                // The receivers end only with the process.
                let _ = queue.send(trigger.clone());
            }
        }
    }
}

/// Watches every kind of the table, and optional ones while they are served.
#[derive(Clone)]
pub struct Watches {
    pub client: Client,
    pub kinds: &'static [&'static Kind],
    pub cache: Arc<ObjectCache>,
    pub triggers: Triggers,
    pub metrics: Arc<dyn Metrics>,
    pub liveness: Arc<WatchLiveness>,
    /// Changes whenever the sync state of a kind changes; see [`Watches::covered`].
    pub progress: watch::Sender<u64>,
}

impl Watches {
    /// Runs until cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        for kind in self.kinds.iter().copied().filter(|kind| kind.management.watched() && !kind.optional) {
            tasks.spawn(self.clone().watch(kind, stop.clone()));
        }
        self.follow_crds(&tasks, &stop).await;
        tasks.close();
        tasks.wait().await;
    }

    /// Returns whether every kind was listed, or is known not to be served for now. A plan is
    /// meaningful only then.
    #[must_use]
    pub fn covered(kinds: &[&'static Kind], cache: &ObjectCache) -> bool {
        kinds
            .iter()
            .filter(|kind| kind.management.watched())
            .all(|kind| cache.coverage(kind) != SyncState::Pending)
    }

    async fn watch(self, kind: &'static Kind, stop: CancellationToken) {
        let api = Api::<Raw>::all_with(self.client.clone(), &kind);
        let stream = kept_up(api, config(kind), self.liveness.watching(kind.plural));
        pin_mut!(stream);
        let mut list: Vec<Child> = Vec::new();
        let mut refusals = 0;
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = stream.next() => event,
            };
            let Some(event) = event else { return };
            match event {
                Ok(Event::Init) => list.clear(),
                Ok(Event::InitApply(raw)) => list.extend(Child::read(kind, &raw.body)),
                Ok(Event::InitDone) => {
                    let names: Vec<String> = list.iter().map(|child| child.key.name.clone()).collect();
                    refusals = 0;
                    let changed = self.cache.replace_all(kind, std::mem::take(&mut list));
                    self.notify(kind, changed, names);
                    self.tick();
                }
                Ok(Event::Apply(raw)) => {
                    if let Some(child) = Child::read(kind, &raw.body) {
                        let name = child.key.name.clone();
                        let news = kind.nature != Nature::Namespace
                            || self.cache.namespace(&name).is_none_or(|old| !old.same_as(&child));
                        let changed = self.cache.upsert(child);
                        self.notify(kind, changed, news.then_some(name));
                    }
                }
                Ok(Event::Delete(raw)) => {
                    if let Some(child) = Child::read(kind, &raw.body) {
                        let changed = self.cache.remove(&child);
                        self.notify(kind, changed, Some(child.key.name));
                    }
                }
                Err(error) if kind.optional && relist::refusal(&error) == Some(404) => self.absent(kind),
                Err(error) => {
                    refusals += u32::from(relist::refusal(&error).is_some());
                    self.failed(kind, &error, refusals >= REFUSED);
                }
            }
        }
    }

    fn notify(&self, kind: &Kind, owners: Vec<ResourceRef>, names: impl IntoIterator<Item = String>) {
        for owner in owners {
            self.triggers.send(&Trigger::Owner(owner));
        }
        if kind.nature == Nature::Namespace {
            for name in names {
                self.triggers.send(&Trigger::Namespace(name));
            }
        }
    }

    fn failed(&self, kind: &'static Kind, error: &watcher::Error, forbidden: bool) {
        self.metrics.watch_failed(kind.plural);
        let message = explain(error);
        if self.cache.mark_failing(kind, &message, forbidden) {
            warn!(kind = kind.kind, %message, "cannot be listed; trying again");
            self.triggers.send(&Trigger::All);
            self.tick();
        } else {
            debug!(kind = kind.kind, %message, "watch failed; trying again");
        }
    }

    fn tick(&self) {
        self.progress.send_modify(|ticks| *ticks += 1);
    }

    /// Starts and stops the watches of optional kinds when their CRDs are installed or removed.
    async fn follow_crds(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let optional: HashMap<String, &'static Kind> =
            self.kinds.iter().filter(|kind| kind.optional).map(|kind| (kind.crd_name(), *kind)).collect();
        let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(self.client.clone());
        let stream = kept_up(api, any(), self.liveness.watching(DEFINITIONS));
        pin_mut!(stream);
        let mut running: HashMap<String, CancellationToken> = HashMap::new();
        let mut present: Vec<String> = Vec::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = stream.next() => event,
            };
            let Some(event) = event else { return };
            match event {
                Ok(Event::Init) => present.clear(),
                Ok(Event::InitApply(crd)) => present.push(crd.name_any()),
                Ok(Event::InitDone) => {
                    for (name, kind) in &optional {
                        if present.contains(name) {
                            self.start(kind, name, &mut running, tasks, stop);
                        } else {
                            self.stop(kind, name, &mut running);
                        }
                    }
                }
                Ok(Event::Apply(crd)) => {
                    let name = crd.name_any();
                    if let Some(kind) = optional.get(&name) {
                        if crd.metadata.deletion_timestamp.is_some() {
                            self.stop(kind, &name, &mut running);
                        } else {
                            self.start(kind, &name, &mut running, tasks, stop);
                        }
                    }
                }
                Ok(Event::Delete(crd)) => {
                    let name = crd.name_any();
                    if let Some(kind) = optional.get(&name) {
                        self.stop(kind, &name, &mut running);
                    }
                }
                Err(error) => {
                    self.metrics.watch_failed(DEFINITIONS);
                    // It is then unknown which optional kinds are served. Nothing else waits for it.
                    for kind in optional.values() {
                        if self.cache.coverage(kind) == SyncState::Pending {
                            let why = format!("{DEFINITIONS}: {}", explain(&error));
                            self.cache.mark_failing(kind, &why, false);
                        }
                    }
                    self.tick();
                }
            }
        }
    }

    fn start(
        &self,
        kind: &'static Kind,
        name: &str,
        running: &mut HashMap<String, CancellationToken>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        if !running.contains_key(name) {
            let token = stop.child_token();
            running.insert(name.to_owned(), token.clone());
            tasks.spawn(self.clone().watch(kind, token));
        }
    }

    fn stop(&self, kind: &'static Kind, name: &str, running: &mut HashMap<String, CancellationToken>) {
        if let Some(token) = running.remove(name) {
            token.cancel();
            info!(kind = kind.kind, "no longer served");
        }
        self.absent(kind);
    }

    /// Records that the API server does not serve an optional kind, or not in the required version.
    fn absent(&self, kind: &'static Kind) {
        if self.cache.coverage(kind) != SyncState::NotServed {
            self.cache.mark_not_served(kind);
            self.triggers.send(&Trigger::All);
            self.tick();
        }
    }
}

/// Backoff of one failing watch: half a second, doubling to 8 s. The operator reconnects soon after an
/// outage, and does not overload an API server that rejects requests.
#[derive(Default)]
pub struct Pause {
    failures: u32,
    last: Option<Instant>,
}

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // A list that starts and then fails is no success. Only time without a failure is.
        if self.last.is_some_and(|last| last.elapsed() > LONGEST_PAUSE * 4) {
            self.failures = 0;
        }
        self.last = Some(Instant::now());
        let pause = WATCH.pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        Some(pause)
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}

const LONGEST_PAUSE: Duration = Duration::from_secs(8);
const WATCH: Retry = Retry::new(Duration::from_millis(500), LONGEST_PAUSE);

/// Number of rejections since the last list, over about 3 s, after which a permission counts as lost.
/// An API server that has just started may reject a request that it allows a moment later.
pub const REFUSED: u32 = 3;

/// Returns every object of an API from now on. Failures are retried with backoff, and all activity is
/// recorded.
pub fn kept_up<K>(
    api: Api<K>,
    config: watcher::Config,
    watching: Watching,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    relist::events(api, config).backoff(Pause::default()).inspect(move |event| watching.record(event.is_ok()))
}

/// Configuration for all objects of a kind.
#[must_use]
pub fn any() -> watcher::Config {
    watcher::Config::default().timeout(seconds(WATCH_TIMEOUT)).page_size(PAGE)
}

fn config(kind: &Kind) -> watcher::Config {
    let config = any();
    if kind.nature == Nature::Namespace {
        config
    } else {
        config.labels(&format!("{MANAGED_BY_LABEL}={}", kind.domain.field_manager))
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn explain(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kinds::{FLEET, TOY};

    #[test]
    fn a_trigger_reaches_the_queue_of_its_kind() {
        let mut triggers = Triggers::default();
        let mut queues = [&FLEET, &TOY].map(|kind| triggers.queue(kind));
        let of = |kind| Trigger::Owner(ResourceRef::new(kind, Some("a"), "erp"));
        for (trigger, expected) in [
            (of(&FLEET), [true, false]),
            (of(&TOY), [false, true]),
            (Trigger::Namespace("a".to_owned()), [true, true]),
            (Trigger::All, [true, true]),
        ] {
            triggers.send(&trigger);
            let found = queues.each_mut().map(|queue| queue.try_recv().is_ok_and(|found| found == trigger));
            assert_eq!(found, expected, "{trigger:?}");
        }
    }
}
