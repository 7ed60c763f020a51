//! Resources with one label, and an operator that sees no others.

use std::time::Duration;

use fault_proxy::{Proxy, Record};
use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams},
    config::Kubeconfig,
};
use local_cluster::wait_for;
use logpilot_operator::{
    engine::resource::ResourceKind,
    kinds::{DOMAIN, KINDS, LOGPILOT_CLUSTER, SERVICE_STACK},
};
use serde_json::{Value, json};

use super::cluster::{self, Running, World, behind, case::Case, kinds, world};

/// On each resource of a fleet and, by `commonLabels`, on its objects.
const MARK: &str = "fleet";
/// Concurrent requests when many objects are created.
const AT_ONCE: usize = 16;

pub struct Fleet {
    pub world: &'static World,
    pub client: Client,
    pub proxy: Proxy,
    /// The operator's kubeconfig, through the proxy.
    pub kubeconfig: Kubeconfig,
    mark: &'static str,
}

impl Fleet {
    pub async fn new(mark: &'static str) -> Self {
        let world = world().await;
        let (proxy, kubeconfig) = behind::start(world).await;
        let marked = |resource| behind::only(resource, "labelSelector", format!("{MARK}={mark}"));
        let children = KINDS.iter().filter(|kind| kind.management.watched() && kind.plural != "namespaces");
        let resources = DOMAIN.resources.iter().map(|kind| marked(kind.plural));
        proxy.narrow(children.map(|kind| marked(kind.plural)).chain(resources).collect());
        Self { world, client: world.client().await, proxy, kubeconfig, mark }
    }

    pub async fn operator(&self) -> Running {
        self.world.start_behind(behind::config(&self.kubeconfig).await, "logpilot-operator:test").await
    }

    pub async fn case(&self, name: &str) -> Case {
        Case::new(self.world, name).await
    }

    pub async fn apply(&self, case: &Case, spec: &Value) -> DynamicObject {
        cluster::apply(&self.client, &self.manifest(&case.name, spec)).await
    }

    pub fn manifest(&self, name: &str, spec: &Value) -> Value {
        self.marked_manifest(&LOGPILOT_CLUSTER, name, spec)
    }

    /// Returns a stack in the namespace of its name.
    pub fn stack(&self, name: &str, spec: &Value) -> Value {
        self.marked_manifest(&SERVICE_STACK, name, spec)
    }

    fn marked_manifest(&self, kind: &ResourceKind, name: &str, spec: &Value) -> Value {
        let mut spec = spec.clone();
        spec["commonLabels"][MARK] = json!(self.mark);
        let mut manifest = cluster::manifest_of(kind, name, name, &spec);
        manifest["metadata"]["labels"] = json!({ MARK: self.mark });
        manifest
    }

    pub fn name(&self, number: usize) -> String {
        format!("{}-{number:04}", self.mark)
    }

    /// Creates this many resources, each with the spec for its name.
    pub async fn make(&self, count: usize, spec: impl Fn(&str) -> Value) {
        let names = (0..count).map(|number| self.name(number));
        self.apply_all(names.map(|name| self.manifest(&name, &spec(&name))).collect()).await;
    }

    pub async fn apply_all(&self, manifests: Vec<Value>) {
        let made = stream::iter(manifests.iter().map(async |manifest| {
            cluster::apply(&self.client, manifest).await;
        }));
        made.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    pub async fn all(&self) -> Vec<DynamicObject> {
        self.all_of(&LOGPILOT_CLUSTER).await
    }

    pub async fn all_of(&self, kind: &ResourceKind) -> Vec<DynamicObject> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.api_resource());
        api.list(&self.marked()).await.unwrap().items
    }

    /// Waits until each of this many resources has a status for its newest spec that satisfies a
    /// predicate.
    pub async fn until_all(
        &self,
        what: &str,
        count: usize,
        within: Duration,
        asked: impl Fn(&Value) -> bool,
    ) {
        self.until_all_of(&LOGPILOT_CLUSTER, what, count, within, asked).await;
    }

    /// The same for resources of this kind.
    pub async fn until_all_of(
        &self,
        kind: &ResourceKind,
        what: &str,
        count: usize,
        within: Duration,
        asked: impl Fn(&Value) -> bool,
    ) {
        wait_for(format!("{count} {} of {}: {what}", kind.plural, self.mark), within, async || {
            let all = self.all_of(kind).await;
            let good = |object: &DynamicObject| {
                let status = object.data.get("status").unwrap_or(&Value::Null);
                status["observedGeneration"].as_i64() == object.metadata.generation && asked(status)
            };
            let bad: Vec<_> = all.iter().filter(|object| !good(object)).collect();
            match bad.first() {
                None if all.len() == count => Ok(()),
                None => Err(format!("{} there", all.len())),
                Some(first) => {
                    Err(format!("{} not yet, as {:?}: {}", bad.len(), first.metadata.name, first.data))
                }
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    }

    pub async fn delete(&self, names: &[String]) {
        let (api, how) = (self.api(), DeleteParams::default());
        let deleted =
            stream::iter(names.iter().map(async |name| drop(api.delete(name, &how).await.unwrap())));
        deleted.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    /// Waits until a namespace contains nothing of the fleet.
    pub async fn empty(&self, namespace: &str, within: Duration) {
        let some = self.marked().limit(1);
        for kind in KINDS.iter().filter(|kind| kind.management.watched() && kind.namespaced) {
            let api = kinds::api(&self.client, kind, namespace);
            wait_for(format!("{namespace} without {}", kind.plural), within, async || {
                match api.list(&some).await {
                    Ok(list) if list.items.is_empty() => Ok(()),
                    Ok(list) => Err(format!("{:?} is there", list.items[0].metadata.name)),
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            })
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.mark));
        }
    }

    pub async fn unmake(&self) {
        self.api().delete_collection(&DeleteParams::default(), &self.marked()).await.unwrap();
    }

    fn api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &cluster::resource())
    }

    fn marked(&self) -> ListParams {
        ListParams::default().labels(&format!("{MARK}={}", self.mark))
    }

    /// Returns every request except renewals of watches.
    pub fn sent(&self) -> Vec<Record> {
        behind::sent(&self.proxy)
    }

    /// Returns writes of objects, regardless of their result.
    pub fn writes(&self) -> Vec<Record> {
        let resource = |plural: &str| DOMAIN.resources.iter().any(|kind| kind.plural == plural);
        let child = |record: &Record| {
            let asked = &record.asked;
            asked.writes() && !resource(&asked.resource) && asked.resource != "events"
        };
        self.sent().into_iter().filter(child).collect()
    }

    /// Waits until no request was sent for this long.
    pub async fn quiet(&self, still: Duration, within: Duration) {
        behind::quiet(&self.proxy, still, within)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.mark));
    }
}
