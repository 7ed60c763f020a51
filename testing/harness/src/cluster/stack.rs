//! A `ServiceStack` in a namespace of its own: applied, awaited and inspected.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use local_cluster::{
    audit::{AuditEvent, Marker},
    wait_for,
};
use serde_json::{Value, json};

use super::{
    World, apply,
    case::{SOON, condition, status_until},
    kinds, shared_operator, stacks,
};

/// A start of several tiers.
pub const START: Duration = Duration::from_mins(2);

pub struct Stack {
    pub world: &'static World,
    pub client: Client,
    pub namespace: String,
    pub name: String,
}

impl Stack {
    /// A stack of the shared operator.
    pub async fn new(namespace: &str, name: &str) -> Self {
        Self::of(shared_operator().await, namespace, name).await
    }

    /// A stack whose test starts the operator itself.
    pub async fn of(world: &'static World, namespace: &str, name: &str) -> Self {
        let client = world.client().await;
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        apply(&client, &manifest).await;
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
        Api::namespaced_with(self.client.clone(), &self.namespace, &stacks())
    }

    pub async fn delete(&self) {
        self.api().delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the status of the newest spec satisfies a predicate.
    pub async fn until(&self, what: &str, deadline: Duration, predicate: impl Fn(&Value) -> bool) -> Value {
        let name = format!("{}/{}: {what}", self.namespace, self.name);
        let get = async || self.api().get(&self.name).await.unwrap();
        let seen = status_until(name, deadline, get, predicate).await;
        seen.unwrap_or_else(|error| panic!("{error}\n{}", self.world.log_of(&self.namespace)))
    }

    pub async fn ready(&self) -> Value {
        self.until("Ready", START, |status| condition(status, "Ready").0 == "True").await
    }

    /// The operator's writes in the namespace, without events.
    pub async fn writes_since(&self, marker: Option<&Marker>) -> Vec<AuditEvent> {
        let all = self.world.requests(marker).await;
        let ours = all.into_iter().filter(|it| {
            it.namespace == self.namespace
                && ["create", "update", "patch", "delete"].contains(&it.verb.as_str())
                && it.resource != "events"
        });
        ours.collect()
    }

    /// Those of objects: neither of the status nor an eviction.
    pub async fn object_writes_since(&self, marker: Option<&Marker>) -> Vec<AuditEvent> {
        let all = self.writes_since(marker).await.into_iter();
        all.filter(|it| it.subresource.is_empty() && it.code < 300).collect()
    }

    pub async fn deployment(&self, name: &str) -> Option<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace).get_opt(name).await.unwrap()
    }

    /// The image of a Deployment.
    pub async fn image(&self, name: &str) -> Option<String> {
        self.deployment(name).await?.spec?.template.spec?.containers.first()?.image.clone()
    }

    /// An object of any kind.
    pub async fn object(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        kinds::get(&self.client, kinds::kind(kind), &self.namespace, name).await
    }

    pub async fn gone(&self, kind: &str, name: &str, deadline: Duration) {
        let what = format!("{kind} {}/{name} to be deleted", self.namespace);
        wait_for(what, deadline, async || match self.object(kind, name).await {
            None => Ok(()),
            Some(object) => Err(kinds::show(&object)),
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pods of a component.
    pub async fn pods_of(&self, component: &str) -> Vec<Pod> {
        let of = format!("app.kubernetes.io/component={component}");
        self.pods().list(&ListParams::default().labels(&of)).await.unwrap().items
    }

    /// Changes the status of a pod, as its kubelet would.
    pub async fn report_of_pod(&self, pod: &str, status: &Value) {
        let patch = Patch::Strategic(json!({ "status": status }));
        self.pods().patch_status(pod, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The pod runs on and does not answer any more.
    pub async fn outage(&self, pod: &str) {
        let down = |type_: &str| json!({ "type": type_, "status": "False", "lastTransitionTime": "2020-01-01T00:00:00Z" });
        self.report_of_pod(pod, &json!({ "conditions": [down("Ready"), down("ContainersReady")] })).await;
    }

    /// Waits until a status no longer reports a reason.
    pub async fn without(&self, reason: &str) -> Value {
        self.until(&format!("no {reason}"), SOON, |status| !super::case::problems(status).contains(reason))
            .await
    }
}

/// The row of a component in a status.
pub fn row<'a>(status: &'a Value, component: &str) -> &'a Value {
    let rows = status["components"].as_array();
    let found = rows.into_iter().flatten().find(|row| row["name"] == component);
    found.unwrap_or(&Value::Null)
}

/// The spec of an example.
pub fn example(name: &str) -> Value {
    let text = std::fs::read_to_string(crate::root().join(format!("examples/stacks/{name}.yaml"))).unwrap();
    serde_yaml::from_str::<Value>(&text).unwrap()["spec"].clone()
}

/// A database with a volume and a generated password, and a program that needs it.
pub fn two(db: &str, app: &str) -> Value {
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
