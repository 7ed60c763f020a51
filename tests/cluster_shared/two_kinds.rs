//! Two kinds of resource, one of them namespaced, over one cache and one set of watches: resources
//! of one name, of two kinds or in two namespaces, share nothing but the hosts that they compete for. The
//! kinds are toys, and only the engine's code runs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
    runtime::{controller::Action, reflector::store},
};
use logpilot_operator::{
    engine::{
        api_client::ApiClient,
        apply::Applier,
        backoff::FAILURE,
        cache::ObjectCache,
        contention::{Contention, ContentionKey},
        controller::{ControllerRuntime, ReconcileFailure, Reconciler},
        kind::{Domain, Kind, Management, Nature},
        lease::Leadership,
        metrics::Metrics,
        observed::Observed,
        outcome::ApplyResult,
        owner::Owner,
        plan::{Plan, Replicas},
        prune,
        resource::{ResourceKind, ResourceRef},
        resource_state::ResourceStates,
        watches::{Triggers, Watches},
    },
    workload::contention::{Location, locations, route_conflicts},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

const GROUP: &str = "toys.example.com";
const OPERATOR: &str = "toy-operator";
const A: &str = "two-kinds-a";
const B: &str = "two-kinds-b";

const fn resource(
    kind: &'static str,
    plural: &'static str,
    label: &'static str,
    namespaced: bool,
) -> ResourceKind {
    let (group, version, watch) = (GROUP, "v1", plural);
    ResourceKind { group, version, kind, plural, namespaced, label, watch, field_manager: OPERATOR }
}

static FLEET: ResourceKind = resource("Fleet", "fleets", "toys.example.com/fleet", false);
static TOY: ResourceKind = resource("Toy", "toys", "toys.example.com/toy", true);

static DOMAIN: Domain = Domain {
    field_manager: OPERATOR,
    owner_group: GROUP,
    resources: &[&FLEET, &TOY],
    handed_over: ("toys.example.com/replicas", "autoscaled"),
    main_container: "toy",
    volume_label: "toys.example.com/volume",
    template_annotation: "toys.example.com/template",
    restores_annotation: "toys.example.com/restores",
    grant_annotation: "toys.example.com/grant",
    hosts_annotation: "toys.example.com/hosts",
};

const fn kind(kind: &'static str, plural: &'static str, management: Management) -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind,
        plural,
        namespaced: true,
        optional: false,
        wave: 1,
        management,
        nature: Nature::Plain,
        domain: &DOMAIN,
        observe: Observed::nothing,
        purpose: "",
    }
}

static CONFIG: Kind = kind("ConfigMap", "configmaps", Management::Managed);
static CLAIM: Kind = kind("PersistentVolumeClaim", "persistentvolumeclaims", Management::Retained);
static KINDS: [&Kind; 2] = [&CONFIG, &CLAIM];

/// Its metrics are not checked.
struct Uncounted;

impl Metrics for Uncounted {
    fn reconciled(&self, _: &'static str, _: f64) {}
    fn watch_failed(&self, _: &'static str) {}
}

/// The actions for each resource.
#[derive(Default)]
struct Log {
    reconciles: HashMap<ResourceRef, usize>,
    deleted: Vec<ResourceRef>,
}

/// Creates a ConfigMap, which is deleted with its resource, and a PVC, which is not, in
/// `spec.namespace` or the resource's own.
struct Toys {
    kind: &'static ResourceKind,
    writer: ApiClient,
    cache: Arc<ObjectCache>,
    contention: Arc<Contention>,
    log: Arc<Mutex<Log>>,
    states: ResourceStates<()>,
}

impl Toys {
    fn log<T>(&self, what: impl FnOnce(&mut Log) -> T) -> T {
        what(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn plan(&self, resource: &ResourceRef, object: &DynamicObject) -> Plan {
        let spec = &object.data["spec"];
        let namespace = object.namespace().or_else(|| spec["namespace"].as_str().map(str::to_owned));
        let meta = |name: &str| {
            json!({ "name": name, "namespace": namespace, "labels": {
                "app.kubernetes.io/managed-by": OPERATOR, "app.kubernetes.io/instance": resource.name(),
                self.kind.label: resource.name(),
            } })
        };
        let mut config =
            json!({ "metadata": meta(&format!("{}-erp", self.kind.plural)), "data": spec["data"] });
        config["metadata"]["ownerReferences"] = json!([{
            "apiVersion": self.kind.api_version(), "kind": self.kind.kind, "name": resource.name(), "uid": object.uid(),
            "controller": true,
        }]);
        let claim = json!({ "metadata": meta(spec["claim"].as_str().unwrap()), "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
            "storageClassName": "none", "volumeMode": "Filesystem",
        } });
        let mut plan = Plan::default();
        plan.push(&CONFIG, &config, Replicas::Planned, None);
        plan.push(&CLAIM, &claim, Replicas::Planned, None);
        plan
    }
}

impl Reconciler for Toys {
    async fn reconcile(&self, object: Arc<DynamicObject>) -> Action {
        let resource = ResourceRef::of(self.kind, &object);
        self.log(|log| *log.reconciles.entry(resource.clone()).or_default() += 1);
        self.cache.track(&resource);
        let owner = Owner { resource: resource.clone(), uid: object.uid().unwrap() };
        let state = &mut *self.states.hold(&resource, Some(&owner.uid)).await;
        state.writes.reset_on_new_generation(object.metadata.generation);
        let (writer, cache) = (&self.writer, &*self.cache);
        let applier = Applier {
            writer,
            cache,
            normalised: &state.divergence,
            write_backoff: &state.writes,
            owner: &owner,
        };
        let plan = self.plan(&resource, &object);
        let mut outcome = applier.apply(&plan, &cache.snapshot(&resource)).await;
        let snapshot = cache.snapshot(&resource);
        let orphaned = prune::orphaned(&plan, &outcome, &snapshot, &owner, |_| false);
        outcome.steps.extend(applier.prune(orphaned, &snapshot).await);
        let steps: BTreeMap<String, String> = outcome
            .steps
            .iter()
            .map(|step| {
                let result = match &step.result {
                    ApplyResult::Conflict { message, .. } => message.clone(),
                    ApplyResult::Failed(error) => error.reason().to_owned(),
                    result if result.is_settled() => "settled".to_owned(),
                    other => format!("{other:?}"),
                };
                (step.id.0.kind.to_owned(), result)
            })
            .collect();
        let created = object.metadata.creation_timestamp.as_ref().map(|made| made.0);
        let conflicts = route_conflicts(&wanted(&object), (&resource, created), &self.contention);
        let taken: Vec<_> = conflicts.iter().map(|it| format!("{}{} {}", it.host, it.path, it.by)).collect();
        let status = json!({ "generation": object.metadata.generation, "steps": steps, "taken": taken });
        if object.data["status"] != status {
            writer.status(&resource, None, &status).await.unwrap();
        }
        if outcome.is_settled() {
            state.retry.succeeded();
            return Action::await_change();
        }
        Action::requeue(state.retry.failed(FAILURE))
    }

    async fn on_failure(&self, _: Arc<DynamicObject>, how: ReconcileFailure) -> Action {
        panic!("{how:?}")
    }

    fn on_deleted(&self, resource: &ResourceRef) {
        self.cache.forget(resource);
        self.states.forget(resource);
        self.log(|log| log.deleted.push(resource.clone()));
    }

    fn namespaces(&self, _: &DynamicObject) -> Vec<String> {
        Vec::new()
    }

    fn contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        wanted(object).iter().map(Location::key).collect()
    }

    fn watched_contention_keys(&self, object: &DynamicObject) -> Vec<ContentionKey> {
        self.contention_keys(object)
    }

    fn status_changed_externally(&self, _: &DynamicObject) -> bool {
        false
    }
}

/// The hosts and paths that a toy wants.
fn wanted(object: &DynamicObject) -> Vec<Location<'_>> {
    locations(&object.data["spec"]["exposure"], "")
}

/// Both controllers, over one cache and one set of watches.
struct Running {
    client: Client,
    cache: Arc<ObjectCache>,
    log: Arc<Mutex<Log>>,
    stop: DropGuard,
}

fn definition(of: &ResourceKind) -> CustomResourceDefinition {
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{GROUP}", of.plural) },
        "spec": {
            "group": GROUP, "scope": if of.namespaced { "Namespaced" } else { "Cluster" },
            "names": { "kind": of.kind, "plural": of.plural, "singular": of.kind.to_lowercase() },
            "versions": [{
                "name": of.version, "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": open, "status": open } } },
            }],
        },
    }))
    .unwrap()
}

async fn soon<T>(what: &str, probe: impl AsyncFn() -> Option<T>) -> T {
    wait_for(what, SOON, || async { probe().await.ok_or_else(|| "not yet".to_owned()) }).await.unwrap()
}

async fn run() -> Running {
    let client = shared_operator().await.client().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for of in [&FLEET, &TOY] {
        let (definition, parameters) = (definition(of), PatchParams::apply("user").force());
        definitions.patch(&definition.name_any(), &parameters, &Patch::Apply(&definition)).await.unwrap();
        let served = async || {
            Api::<DynamicObject>::all_with(client.clone(), &of.api_resource())
                .list(&ListParams::default())
                .await
        };
        soon("the kind is served", async || served().await.ok()).await;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [A, B] {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        namespaces.patch(name, &PatchParams::apply("user"), &Patch::Apply(namespace)).await.unwrap();
    }
    let (cache, log, stop) =
        (Arc::<ObjectCache>::default(), Arc::<Mutex<Log>>::default(), CancellationToken::new());
    let metrics: Arc<dyn Metrics> = Arc::new(Uncounted);
    let (ticks, progress) = watch::channel(0);
    let (mut triggers, contention) = (Triggers::default(), Arc::new(Contention::new(DOMAIN.resources)));
    for of in [&FLEET, &TOY] {
        let toys = Toys {
            kind: of,
            writer: ApiClient::new(client.clone(), Leadership::default()),
            cache: Arc::clone(&cache),
            contention: Arc::clone(&contention),
            log: Arc::clone(&log),
            states: ResourceStates::default(),
        };
        let controller = ControllerRuntime {
            client: client.clone(),
            resource: of,
            kinds: &KINDS,
            cache: Arc::clone(&cache),
            metrics: Arc::clone(&metrics),
            liveness: Arc::default(),
            contention: Arc::clone(&contention),
            store: store::Writer::new(of.api_resource()),
            triggers: triggers.queue(of),
            progress: progress.clone(),
            leading: watch::channel(true).1,
        };
        tokio::spawn(controller.run(Arc::new(toys), stop.clone()));
    }
    let watches = Watches {
        client: client.clone(),
        kinds: &KINDS,
        cache: Arc::clone(&cache),
        triggers,
        metrics,
        liveness: Arc::default(),
        progress: ticks,
    };
    tokio::spawn(watches.run(stop.clone()));
    Running { client, cache, log, stop: stop.drop_guard() }
}

impl Running {
    fn resources(&self, of: &ResourceRef) -> Api<DynamicObject> {
        let api = of.kind().api_resource();
        match &of.key().namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &api),
            None => Api::all_with(self.client.clone(), &api),
        }
    }

    async fn apply(&self, of: &ResourceRef, spec: Value) {
        let body = json!({
            "apiVersion": of.kind().api_version(), "kind": of.kind().kind, "metadata": { "name": of.name() }, "spec": spec,
        });
        let parameters = PatchParams::apply("user").force();
        self.resources(of).patch(of.name(), &parameters, &Patch::Apply(body)).await.unwrap();
    }

    /// Waits until the status of the newest spec reports this for the ConfigMap and the PVC.
    async fn until(&self, of: &ResourceRef, config: &str, claim: &str) -> DynamicObject {
        let what = format!("{of}: {config}, {claim}");
        soon(&what, async || {
            let seen = self.resources(of).get(of.name()).await.unwrap();
            let status = &seen.data["status"];
            let newest = status["generation"] == json!(seen.metadata.generation);
            let says = |kind: &str, word: &str| {
                status["steps"][kind].as_str().is_some_and(|text| text.contains(word))
            };
            (newest && says("ConfigMap", config) && says("PersistentVolumeClaim", claim)).then_some(seen)
        })
        .await
    }

    /// Waits until the status names these hosts, and who has them.
    async fn taken(&self, of: &ResourceRef, hosts: &[&str]) {
        soon(&format!("{of}: {hosts:?}"), async || {
            let seen = self.resources(of).get(of.name()).await.unwrap();
            let status = &seen.data["status"];
            let newest = status["generation"] == json!(seen.metadata.generation);
            (newest && status["taken"] == json!(hosts)).then_some(())
        })
        .await;
    }

    /// The API server tells ages to the second.
    async fn grows_older(&self, of: &ResourceRef) {
        let made = self.resources(of).get(of.name()).await.unwrap().metadata.creation_timestamp.unwrap().0;
        let now = k8s_openapi::jiff::Timestamp::now;
        soon(&format!("{of} to be older than what comes next"), async || {
            (now().as_second() > made.as_second()).then_some(())
        })
        .await;
    }

    async fn delete(&self, of: &ResourceRef) {
        self.resources(of).delete(of.name(), &DeleteParams::default()).await.unwrap();
        soon("the deletion is seen", async || self.log.lock().unwrap().deleted.contains(of).then_some(()))
            .await;
    }

    fn objects(&self, of: &ResourceRef) -> BTreeSet<String> {
        self.cache.snapshot(of).children.values().map(ToString::to_string).collect()
    }

    /// Returns the number of reconciles of a resource, its version, and those of its objects: none
    /// changes while nothing is done for it.
    async fn state(&self, of: &ResourceRef) -> (usize, String, Vec<(String, u64)>) {
        let version = self.resources(of).get(of.name()).await.unwrap().resource_version().unwrap();
        let children = self.cache.snapshot(of).children;
        let objects = children.values().map(|child| (child.to_string(), child.version)).collect();
        (self.log.lock().unwrap().reconciles[of], version, objects)
    }

    async fn claim(&self, namespace: &str, name: &str) -> Value {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        let mut claim = claims.get(name).await.unwrap();
        // Kubernetes writes its status, not the operator.
        (claim.status, claim.metadata.resource_version) = (None, None);
        claim.metadata.managed_fields = None;
        serde_json::to_value(claim).unwrap()
    }
}

#[tokio::test]
async fn resources_of_one_name_stay_independent() {
    let running = run().await;
    let (a, b) = (ResourceRef::new(&TOY, Some(A), "erp"), ResourceRef::new(&TOY, Some(B), "erp"));
    let fleet = ResourceRef::new(&FLEET, None, "erp");
    let in_a = |claim: &str| json!({ "namespace": A, "claim": claim, "data": { "a": "1" } });
    for (of, claim) in [(&a, "data"), (&b, "data"), (&fleet, "kept")] {
        running.apply(of, in_a(claim)).await;
        running.until(of, "settled", "settled").await;
    }
    let names = |namespace: &str, config: &str, claim: &str| {
        BTreeSet::from([
            format!("ConfigMap {namespace}/{config}"),
            format!("PersistentVolumeClaim {namespace}/{claim}"),
        ])
    };
    assert_eq!(running.objects(&a), names(A, "toys-erp", "data"));
    assert_eq!(running.objects(&b), names(B, "toys-erp", "data"));
    assert_eq!(running.objects(&fleet), names(A, "fleets-erp", "kept"));

    // A rejection for one resource blocks no other, and drift of one triggers no other.
    let (of_a, of_fleet) = (running.state(&a).await, running.state(&fleet).await);
    running.apply(&b, json!({ "claim": "data", "data": { "no such key!": "1" } })).await;
    running.until(&b, "Invalid", "settled").await;
    assert_eq!((&of_a, &of_fleet), (&running.state(&a).await, &running.state(&fleet).await));
    running.apply(&a, json!({ "claim": "data", "data": { "a": "2" } })).await;
    running.until(&a, "settled", "settled").await;
    let (of_b, drift) = (running.state(&b).await, json!({ "data": { "a": "3" } }));
    let configs: Api<ConfigMap> = Api::namespaced(running.client.clone(), A);
    configs.patch("toys-erp", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    soon("drift is reverted", async || {
        (configs.get("toys-erp").await.unwrap().data.unwrap()["a"] == "2").then_some(())
    })
    .await;
    assert_eq!(of_fleet, running.state(&fleet).await);
    let now = running.state(&b).await;
    assert_eq!((of_b.1, of_b.2), (now.1, now.2), "it is reconciled again, and writes nothing");

    // The deletion of one does not affect the others.
    let of_a = running.state(&a).await;
    running.delete(&b).await;
    assert!(running.log.lock().unwrap().deleted.iter().all(|resource| *resource == b));
    let kept_b = running.claim(B, "data").await;
    running.delete(&fleet).await;
    let kept = running.claim(A, "kept").await;
    // In place of the garbage collector, which knows new kinds up to a minute later.
    for (namespace, name) in [(A, "fleets-erp"), (B, "toys-erp")] {
        let configs: Api<ConfigMap> = Api::namespaced(running.client.clone(), namespace);
        if let Err(error) = configs.delete(name, &DeleteParams::default()).await {
            assert!(matches!(&error, kube::Error::Api(status) if status.code == 404), "{error}");
        }
    }
    assert_eq!(of_a, running.state(&a).await);

    // An object retained for one resource belongs to no other, even if the name is the same.
    running.apply(&a, json!({ "claim": "kept", "data": { "a": "2" } })).await;
    running.until(&a, "settled", "it belongs to Fleet 'erp'").await;
    running.grows_older(&a).await;
    running.apply(&fleet, json!({ "namespace": B, "claim": "data", "data": {} })).await;
    running.until(&fleet, "settled", &format!("it belongs to Toy '{B}/erp'")).await;
    assert_eq!((running.claim(A, "kept").await, running.claim(B, "data").await), (kept, kept_b));

    // And its own resource finds it again.
    running.apply(&fleet, in_a("kept")).await;
    running.until(&fleet, "settled", "settled").await;
    running.grows_older(&fleet).await;
    running.apply(&b, json!({ "claim": "data", "data": {} })).await;
    running.until(&b, "settled", "settled").await;

    the_first_of_any_kind_has_a_host(&running, (&a, &fleet, &b)).await;

    let Running { client, stop, .. } = running;
    drop(stop);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for of in [&FLEET, &TOY] {
        let name = format!("{}.{GROUP}", of.plural);
        definitions.delete(&name, &DeleteParams::default()).await.unwrap();
    }
}

/// In this order they were created.
async fn the_first_of_any_kind_has_a_host(
    running: &Running,
    (a, fleet, b): (&ResourceRef, &ResourceRef, &ResourceRef),
) {
    let exposure = json!({ "ingress": { "className": "toys", "rules": [{ "host": "toys.example.com" }] } });
    let toy = |exposure: &Value| json!({ "claim": "data", "data": {}, "exposure": exposure });
    let in_a =
        |exposure: &Value| json!({ "namespace": A, "claim": "kept", "data": {}, "exposure": exposure });
    let none = json!({});
    running.apply(b, toy(&exposure)).await;
    running.taken(b, &[]).await;
    running.apply(fleet, in_a(&exposure)).await;
    running.taken(b, &["toys.example.com/ Fleet erp"]).await;
    running.taken(fleet, &[]).await;
    // The resource that releases it, is deleted or is created is of another kind, or of another
    // namespace.
    running.apply(fleet, in_a(&none)).await;
    running.taken(b, &[]).await;
    running.apply(fleet, in_a(&exposure)).await;
    running.taken(b, &["toys.example.com/ Fleet erp"]).await;
    running.apply(a, json!({ "claim": "kept", "data": { "a": "2" }, "exposure": exposure })).await;
    let by_a = format!("toys.example.com/ Toy {A}/erp");
    running.taken(fleet, &[&by_a]).await;
    running.taken(b, &[&by_a]).await;
    running.delete(a).await;
    running.taken(fleet, &[]).await;
    running.delete(fleet).await;
    running.taken(b, &[]).await;
}
