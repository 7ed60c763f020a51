//! `ServiceStack` on a real API server: order, outages, secrets, and what is written.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{Pod, Secret, Service},
    },
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams},
};
use local_cluster::audit::AuditEvent;
use logpilot_operator::kinds::{KINDS, SERVICE_STACK};

use super::*;

/// A start of several tiers.
const START: Duration = Duration::from_secs(120);

/// A stack in a namespace of its own.
pub struct Stack {
    pub world: &'static cluster::World,
    pub client: Client,
    pub namespace: String,
    pub name: String,
}

impl Stack {
    pub async fn new(namespace: &str, name: &str) -> Self {
        let world = shared_operator().await;
        let client = world.client().await;
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        cluster::apply(&client, &manifest).await;
        Self { world, client, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub async fn apply(&self, spec: &Value) -> i64 {
        let manifest = json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
            "metadata": { "name": self.name, "namespace": self.namespace }, "spec": spec,
        });
        self.api()
            .patch(&self.name, &PatchParams::apply("suite").force(), &Patch::Apply(manifest))
            .await
            .unwrap()
            .metadata
            .generation
            .unwrap()
    }

    pub fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &SERVICE_STACK.api_resource())
    }

    pub async fn until(&self, what: &str, deadline: Duration, predicate: impl Fn(&Value) -> bool) -> Value {
        wait_for(format!("{}/{}: {what}", self.namespace, self.name), deadline, async || {
            let object = self.api().get(&self.name).await.unwrap();
            let status = object.data.get("status").cloned().unwrap_or(Value::Null);
            let observed = status.get("observedGeneration").and_then(Value::as_i64);
            if observed == object.metadata.generation && predicate(&status) {
                Ok(status)
            } else {
                Err(serde_json::to_string_pretty(&status).unwrap())
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", self.world.log_of(&self.namespace)))
    }

    pub async fn ready(&self) -> Value {
        self.until("Ready", START, |status| condition(status, "Ready").0 == "True").await
    }

    pub async fn writes_since(&self, marker: Option<&local_cluster::audit::Marker>) -> Vec<AuditEvent> {
        let all = self.world.requests(marker).await;
        let ours = all.into_iter().filter(|it| {
            it.namespace == self.namespace
                && ["create", "update", "patch", "delete"].contains(&it.verb.as_str())
                && it.resource != "events"
        });
        ours.collect()
    }

    pub async fn deployment(&self, name: &str) -> Option<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace).get_opt(name).await.unwrap()
    }
}

pub fn row<'a>(status: &'a Value, component: &str) -> &'a Value {
    let rows = status["components"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == component).unwrap_or_else(|| panic!("no {component} in {status}"))
}

fn example(name: &str) -> Value {
    let text = std::fs::read_to_string(harness::root().join(format!("examples/stacks/{name}.yaml"))).unwrap();
    serde_yaml::from_str::<Value>(&text).unwrap()["spec"].clone()
}

/// When each workload was created, and when its pods were ready.
async fn times(stack: &Stack) -> BTreeMap<String, (Timestamp, Timestamp)> {
    let pods: Api<Pod> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let mut ready: BTreeMap<String, Timestamp> = BTreeMap::new();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let component = pod.metadata.labels.as_ref().unwrap()["app.kubernetes.io/component"].clone();
        let conditions = pod.status.unwrap().conditions.unwrap();
        let at =
            conditions.iter().find(|it| it.type_ == "Ready").unwrap().last_transition_time.clone().unwrap().0;
        ready.entry(component).and_modify(|other| *other = (*other).min(at)).or_insert(at);
    }
    let mut created = BTreeMap::new();
    let deployments: Api<Deployment> = Api::namespaced(stack.client.clone(), &stack.namespace);
    for it in deployments.list(&ListParams::default()).await.unwrap() {
        created.insert(it.metadata.name.unwrap(), it.metadata.creation_timestamp.unwrap().0);
    }
    let sets: Api<StatefulSet> = Api::namespaced(stack.client.clone(), &stack.namespace);
    for it in sets.list(&ListParams::default()).await.unwrap() {
        created.insert(it.metadata.name.unwrap(), it.metadata.creation_timestamp.unwrap().0);
    }
    created.into_iter().map(|(name, at)| (name.clone(), (at, ready[&name]))).collect()
}

#[tokio::test]
async fn erp_starts_in_order() {
    let stack = Stack::new("stack-erp", "erp").await;
    let spec = example("erp");
    let (marker, began) = (stack.world.marker().await, Instant::now());
    stack.apply(&spec).await;
    let status = stack.ready().await;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!((status["ready"].as_str(), status["tiers"].as_i64()), (Some("8/8"), Some(6)));
    assert_eq!(status.get("waiting"), None);

    // The dependency's first pod was ready before the dependent was created.
    let times = times(&stack).await;
    let mut edges = 0;
    for (name, component) in spec["components"].as_object().unwrap() {
        for dependency in component["dependsOn"].as_array().into_iter().flatten() {
            let (created, ready) = (times[name].0, times[dependency.as_str().unwrap()].1);
            assert!(ready <= created, "{name} was created at {created}, {dependency} ready at {ready}");
            edges += 1;
        }
    }
    assert_eq!(edges, 13);
    if marker.is_none() {
        return;
    }
    let writes = stack.writes_since(marker.as_ref()).await;
    let objects = writes.iter().filter(|it| it.resource != "servicestacks").count();
    let statuses = writes.len() - objects;
    println!("ERP: Ready after {seconds:.1} s; {objects} writes of objects, {statuses} of the status");
    let planned: usize = 44 + 2 + 1;
    assert!(objects <= planned + 4, "{objects} writes for {planned} objects: {writes:#?}");
    assert!(statuses <= 3 * 6 + 3, "{statuses} writes of the status");

    // One drift is one write.
    let marker = stack.world.marker().await;
    let services: Api<Service> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let uid = services.get("employee-service").await.unwrap().metadata.uid;
    services.delete("employee-service", &DeleteParams::default()).await.unwrap();
    wait_for("the Service to be created again", REPAIR, async || {
        let found = services.get_opt("employee-service").await.unwrap();
        found.filter(|it| it.metadata.uid != uid).map(drop).ok_or("not yet".to_owned())
    })
    .await
    .unwrap();
    let writes = stack.writes_since(marker.as_ref()).await;
    assert_eq!(writes.len(), 1, "{writes:#?}");
}

fn two(db: &str, app: &str) -> Value {
    json!({
        "secrets": { "db": { "generate": ["password"] } },
        "components": {
            "db": {
                "kind": "StatefulSet", "image": db, "ports": [{ "name": "db", "port": 5432 }],
                "volumes": { "data": { "path": "/data", "size": "1Gi" } },
                "env": { "PASSWORD": "$(secrets.db.password)" },
            },
            "app": {
                "image": app, "dependsOn": ["db"], "ports": [{ "name": "http", "port": 8080 }],
                "env": { "URL": "db://user:$(secrets.db.password)@$(db.address)/x" },
            },
        },
    })
}

#[tokio::test]
async fn a_dependent_waits_and_says_for_what() {
    let stack = Stack::new("stack-waits", "shop").await;
    stack.apply(&two("example/never-ready:1", "example/app:1")).await;
    let status = stack
        .until("waiting for db", SOON, |status| {
            status["waiting"] == "db" && row(status, "db")["ready"] == "0/1"
        })
        .await;
    assert_eq!(row(&status, "app")["phase"], "Waiting");
    assert_eq!(row(&status, "app")["blockedBy"][0]["name"], "db");
    assert_eq!(condition(&status, "Ready"), ("False".to_owned(), "WaitingForDependency".to_owned()));
    assert!(stack.deployment("app").await.is_none());

    // The way out: another image.
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    assert!(stack.deployment("app").await.is_some());
}

#[tokio::test]
async fn a_removed_edge_lets_a_component_start() {
    let stack = Stack::new("stack-edge", "shop").await;
    stack.apply(&two("example/never-ready:1", "example/app:1")).await;
    stack.until("waiting for db", SOON, |status| status["waiting"] == "db").await;
    let mut spec = two("example/never-ready:1", "example/app:1");
    spec["components"]["app"].as_object_mut().unwrap().remove("dependsOn");
    stack.apply(&spec).await;
    stack.until("app is ready", SOON, |status| row(status, "app")["phase"] == "Ready").await;
}

#[tokio::test]
async fn a_change_waits_for_its_dependency() {
    let stack = Stack::new("stack-change", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    stack.apply(&two("example/never-ready:2", "example/app:2")).await;
    let status = stack.until("app waits", SOON, |status| row(status, "app")["phase"] == "Waiting").await;
    assert_eq!(row(&status, "app")["blockedBy"][0]["name"], "db");
    // The old version serves.
    let image = |deployment: Deployment| {
        deployment.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
    };
    assert_eq!(image(stack.deployment("app").await.unwrap()), "example/app:1");
    stack.apply(&two("example/db:3", "example/app:2")).await;
    stack.ready().await;
    assert_eq!(image(stack.deployment("app").await.unwrap()), "example/app:2");
}

#[tokio::test]
async fn an_outage_holds_nothing() {
    let stack = Stack::new("stack-outage", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    let pods: Api<Pod> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let down = json!({ "status": { "conditions": [
        { "type": "Ready", "status": "False", "reason": "Outage", "lastTransitionTime": "2020-01-01T00:00:00Z" },
        { "type": "ContainersReady", "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z" },
    ] } });
    pods.patch_status("db-0", &PatchParams::default(), &Patch::Strategic(down)).await.unwrap();
    stack.until("db is down", SOON, |status| row(status, "db")["phase"] == "Degraded").await;

    // A change of the dependent rolls out, and drift is repaired.
    stack.apply(&two("example/db:1", "example/app:2")).await;
    stack
        .until("app is changed", SOON, |status| {
            row(status, "app")["phase"] == "Ready" && row(status, "app")["image"] == "example/app:2"
        })
        .await;
    let deployments: Api<Deployment> = Api::namespaced(stack.client.clone(), &stack.namespace);
    deployments.delete("app", &DeleteParams::background()).await.unwrap();
    stack.until("app runs again", SOON, |status| row(status, "app")["ready"] == "1/1").await;
}

#[tokio::test]
async fn a_stack_stops_and_starts_in_order() {
    let stack = Stack::new("stack-stop", "shop").await;
    let mut spec = two("example/db:1", "example/app:1");
    stack.apply(&spec).await;
    stack.ready().await;
    spec["operation"] = json!({ "stopped": true });
    stack.apply(&spec).await;
    stack
        .until("stopped", SOON, |status| {
            condition(status, "Ready").1 == "Stopped"
                && row(status, "db")["phase"] == "Stopped"
                && row(status, "app")["phase"] == "Stopped"
        })
        .await;
    let pods: Api<Pod> = Api::namespaced(stack.client.clone(), &stack.namespace);
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 0);
    spec["operation"] = json!({ "stopped": false });
    stack.apply(&spec).await;
    stack.ready().await;
    let times = times(&stack).await;
    assert!(times["db"].1 <= times["app"].1, "{times:?}");
}

#[tokio::test]
async fn a_generated_password_is_in_its_secret_only() {
    let stack = Stack::new("stack-secret", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    let status = stack.ready().await;
    let secrets: Api<Secret> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let secret = secrets.get("shop-db").await.unwrap();
    let value = String::from_utf8(secret.data.unwrap()["password"].0.clone()).unwrap();
    assert_eq!(value.len(), 32);
    let mut read = vec![serde_json::to_string(&status).unwrap(), stack.world.log()];
    for kind in KINDS.iter().filter(|kind| kind.namespaced && kind.kind != "Secret" && !kind.optional) {
        let all =
            kinds::api(&stack.client, kind, &stack.namespace).list(&ListParams::default()).await.unwrap();
        read.push(serde_json::to_string(&all.items).unwrap());
    }
    assert!(read.iter().all(|text| !text.contains(&value)));

    // Lost while the data exists: nothing new is generated.
    secrets.delete("shop-db", &DeleteParams::default()).await.unwrap();
    stack.until("the UID is known", SOON, |status| status["secrets"][0]["name"] == "shop-db").await;
}

#[tokio::test]
async fn a_host_belongs_to_its_first_stack() {
    let exposed = |image: &str| {
        json!({
            "components": { "web": { "image": image, "ports": [{ "name": "http", "port": 80 }] } },
            "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": "shop.stacks.example", "component": "web" }] } },
        })
    };
    let first = Stack::new("stack-host-a", "web").await;
    first.apply(&exposed("example/web:1")).await;
    first.ready().await;
    let second = Stack::new("stack-host-b", "web").await;
    second.apply(&exposed("example/web:1")).await;
    let status = second.until("a conflict", SOON, |status| problems(status).contains("RouteConflict")).await;
    assert!(message(&status, "Ready").contains("ServiceStack stack-host-a/web"), "{status}");
    let ingress = |stack: &Stack| {
        let (client, namespace) = (stack.client.clone(), stack.namespace.clone());
        async move { kinds::get(&client, kind("Ingress"), &namespace, "web").await }
    };
    assert!(ingress(&second).await.is_none() && ingress(&first).await.is_some());
    // It is released with the stack that has it.
    first.api().delete("web", &DeleteParams::default()).await.unwrap();
    second.ready().await;
    assert!(ingress(&second).await.is_some());
}

#[tokio::test]
async fn a_wait_does_not_keep_removed_components() {
    let stack = Stack::new("stack-prune", "shop").await;
    let mut spec = two("example/never-ready:1", "example/app:1");
    spec["components"]["old"] = json!({ "image": "example/old:1", "files": { "/etc/old.conf": "a" } });
    stack.apply(&spec).await;
    stack
        .until("old runs and app waits", SOON, |status| {
            row(status, "old")["phase"] == "Ready" && row(status, "app")["phase"] == "Waiting"
        })
        .await;
    spec["components"].as_object_mut().unwrap().remove("old");
    stack.apply(&spec).await;
    wait_for("the removed component to be deleted", SOON, async || {
        let maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
            Api::namespaced(stack.client.clone(), &stack.namespace);
        let left = maps
            .list(&ListParams::default().labels("app.kubernetes.io/managed-by=logpilot-operator"))
            .await
            .unwrap();
        match (stack.deployment("old").await, left.items.len()) {
            (None, 0) => Ok(()),
            (deployment, maps) => Err(format!("{} Deployment, {maps} ConfigMaps", deployment.is_some())),
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_changed_stateful_set_is_reverted_in_one_write() {
    let stack = Stack::new("stack-drift", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.ready().await;
    let sets: Api<StatefulSet> = Api::namespaced(stack.client.clone(), &stack.namespace);
    for (what, patch) in [
        ("replicas", json!({ "spec": { "replicas": 0 } })),
        ("a label", json!({ "metadata": { "labels": { "app.kubernetes.io/name": null } } })),
        (
            "the template",
            json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 7 } } } }),
        ),
    ] {
        let marker = stack.world.marker().await;
        kinds::edit(&stack.client, kind("StatefulSet"), &stack.namespace, "db", &patch).await;
        wait_for(format!("{what} to be reverted"), REPAIR, async || {
            let set = sets.get("db").await.unwrap();
            let spec = set.spec.unwrap();
            let grace = spec.template.spec.unwrap().termination_grace_period_seconds;
            let name = set.metadata.labels.unwrap().get("app.kubernetes.io/name").cloned();
            let seen = (spec.replicas, name.as_deref(), grace);
            (seen == (Some(1), Some("shop"), Some(30))).then_some(()).ok_or(format!("{seen:?}"))
        })
        .await
        .unwrap();
        let writes = stack.writes_since(marker.as_ref()).await;
        let writes = writes.iter().filter(|it| it.subresource.is_empty()).count();
        assert_eq!(writes, 1, "{what}");
        stack.ready().await;
    }
}

#[tokio::test]
async fn a_removed_database_keeps_its_pvc() {
    let stack = Stack::new("stack-removed", "shop").await;
    let mut spec = two("example/db:1", "example/app:1");
    stack.apply(&spec).await;
    stack.ready().await;
    spec["components"].as_object_mut().unwrap().remove("db");
    spec["components"]["app"] =
        json!({ "image": "example/app:1", "ports": [{ "name": "http", "port": 8080 }] });
    stack.apply(&spec).await;
    wait_for("the StatefulSet to be deleted", SOON, async || {
        let set = kinds::get(&stack.client, kind("StatefulSet"), &stack.namespace, "db").await;
        set.is_none().then_some(()).ok_or("it exists".to_owned())
    })
    .await
    .unwrap();
    stack.ready().await;
    let claim = kinds::get(&stack.client, kind("PersistentVolumeClaim"), &stack.namespace, "db-data").await;
    assert!(claim.is_some());
}
