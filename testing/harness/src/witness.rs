//! The events of the Kubernetes cluster as an administrator observes them, ordered by resource version.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, WatchEvent, WatchParams},
};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::{INSTANCE_LABEL, MANAGED_BY_LABEL, kind::Management},
    kinds::{DOMAIN, FIELD_MANAGER, KINDS, SERVICE_STACK},
};
use serde_json::Value;

use crate::cluster::{self, World, case::Case};

/// Kinds whose objects are stored, in addition to the resources. For other kinds, only creation, change
/// and deletion are recorded.
const JUDGED: [&str; 5] = ["Deployment", "StatefulSet", "Job", "Pod", "EndpointSlice"];

/// Returns whether this is a kind of the resources that own objects.
pub fn is_resource(kind: &str) -> bool {
    DOMAIN.resources.iter().any(|resource| resource.kind == kind)
}

/// One event.
#[derive(Clone, Debug)]
pub struct Seen {
    pub version: u64,
    pub what: What,
    pub kind: String,
    pub name: String,
    /// UID of the controller.
    pub owner: Option<String>,
    pub object: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Added,
    Modified,
    Deleted,
}

fn controller(object: &DynamicObject) -> Option<String> {
    let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true))?;
    Some(owner.uid.clone())
}

/// Returns what the events of a resource are kept under: the namespace of [`Case::ns`].
fn place(kind: &str, object: &DynamicObject) -> String {
    let labels = object.labels();
    let of_stack = kind == SERVICE_STACK.kind || labels.contains_key(SERVICE_STACK.label);
    let found = if of_stack { object.namespace() } else { labels.get(INSTANCE_LABEL).cloned() };
    found.unwrap_or_else(|| object.name_any())
}

/// Watches the resources and everything that belongs to them.
#[derive(Default)]
pub struct Witness {
    seen: Mutex<HashMap<String, Vec<Seen>>>,
}

impl Witness {
    /// Starts on a thread of its own: it outlives the test that started it.
    pub async fn start(world: &'static World) -> Arc<Self> {
        let witness = Arc::new(Self::default());
        let (begun, beginning) = tokio::sync::oneshot::channel();
        std::thread::spawn({
            let witness = Arc::clone(&witness);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    witness.begin(world.client().await).await;
                    begun.send(()).unwrap();
                    std::future::pending::<()>().await;
                });
            }
        });
        beginning.await.unwrap();
        witness
    }

    async fn begin(self: Arc<Self>, client: Client) {
        let managed = format!("{MANAGED_BY_LABEL}={FIELD_MANAGER}");
        let resources = DOMAIN.resources.iter().map(|kind| (kind.api_resource(), WatchParams::default()));
        let mut watched: Vec<_> = resources.collect();
        // The generated Secrets too, which the operator does not watch.
        let seen = |kind: &Management| kind.watched() || *kind == Management::CreateOnly;
        for kind in KINDS.iter().filter(|kind| seen(&kind.management) && !kind.optional) {
            watched.push((cluster::kinds::resource(kind), WatchParams::default().labels(&managed)));
        }
        for (resource, parameters) in watched {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            // Only from here on: older events belong to no trial.
            let list = api.list(&kube::api::ListParams::default().limit(1)).await.unwrap();
            let from = list.metadata.resource_version.unwrap();
            tokio::spawn(Arc::clone(&self).watch(api, resource.kind.clone(), parameters, from));
        }
    }

    async fn watch(
        self: Arc<Self>,
        api: Api<DynamicObject>,
        kind: String,
        of: WatchParams,
        mut from: String,
    ) {
        loop {
            let Ok(stream) = api.watch(&of, &from).await else {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let mut stream = stream.boxed();
            while let Some(Ok(event)) = stream.next().await {
                let (what, object) = match event {
                    WatchEvent::Added(object) => (What::Added, object),
                    WatchEvent::Modified(object) => (What::Modified, object),
                    WatchEvent::Deleted(object) => (What::Deleted, object),
                    WatchEvent::Bookmark(mark) => {
                        from = mark.metadata.resource_version;
                        continue;
                    }
                    WatchEvent::Error(_) => break,
                };
                from = object.resource_version().unwrap_or_default();
                let of = place(&kind, &object);
                let seen = Seen {
                    version: from.parse().unwrap_or_default(),
                    what,
                    kind: kind.clone(),
                    name: object.name_any(),
                    owner: controller(&object),
                    object: if JUDGED.contains(&kind.as_str()) || is_resource(&kind) {
                        serde_json::to_value(&object).unwrap_or_default()
                    } else {
                        Value::Null
                    },
                };
                self.seen.lock().unwrap().entry(of).or_default().push(seen);
            }
        }
    }

    /// Returns the events of a resource and its objects until now, in order.
    pub async fn history(&self, case: &Case) -> Vec<Seen> {
        let newest = case.api().get_opt(&case.name).await.unwrap();
        let newest = newest.and_then(|object| object.resource_version());
        if let Some(newest) = newest.and_then(|version| version.parse::<u64>().ok()) {
            // Events not observed in time are not checked.
            let _ = wait_for("the witness", Duration::from_secs(5), async || {
                let seen = self.seen.lock().unwrap();
                let last = seen.get(case.ns()).and_then(|all| all.iter().map(|seen| seen.version).max());
                if last >= Some(newest) { Ok(()) } else { Err(format!("{last:?} of {newest}")) }
            })
            .await;
        }
        let mut all = self.seen.lock().unwrap().get(case.ns()).cloned().unwrap_or_default();
        all.sort_by_key(|seen| seen.version);
        all
    }

    /// Returns the last observed state of a resource, without a request.
    pub fn newest(&self, case: &Case) -> Option<Value> {
        let seen = self.seen.lock().unwrap();
        let last = seen.get(case.ns())?.iter().rfind(|seen| is_resource(&seen.kind))?;
        (last.what != What::Deleted).then(|| last.object.clone())
    }

    pub fn forget(&self, case: &Case) {
        self.seen.lock().unwrap().remove(case.ns());
    }
}
