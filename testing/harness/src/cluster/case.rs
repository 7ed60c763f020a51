//! The resource of one test: applied, awaited, inspected, and printed when the test fails.

use std::{collections::BTreeSet, process::Command, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use local_cluster::{
    audit::{AuditEvent, Marker},
    wait_for,
};
use logpilot_operator::{
    engine::{kind::Kind, resource::ResourceKind},
    kinds::{LOGPILOT_CLUSTER, SERVICE_STACK},
};
use serde_json::{Value, json};

use super::{World, apply, kinds};

pub const SOON: Duration = Duration::from_secs(30);
/// The time limit that the product guarantees for reverting a change.
pub const REPAIR: Duration = Duration::from_secs(2);

pub struct Case {
    pub world: &'static World,
    pub client: Client,
    /// The kind of the resource.
    pub of: &'static ResourceKind,
    pub name: String,
    namespace: String,
}

impl Case {
    /// A `LogPilotCluster`, whose objects are in the namespace of its name.
    pub async fn new(world: &'static World, name: &str) -> Self {
        let (client, name) = (world.client().await, name.to_owned());
        Self { world, client, of: &LOGPILOT_CLUSTER, namespace: name.clone(), name }
    }

    /// A `ServiceStack` in a namespace of its own, which is created.
    pub async fn stack(world: &'static World, namespace: &str, name: &str) -> Self {
        let client = world.client().await;
        let home = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        apply(&client, &home).await;
        Self { world, client, of: &SERVICE_STACK, name: name.to_owned(), namespace: namespace.to_owned() }
    }

    /// The namespace of the resource's objects. No other resource of the suite has objects in it.
    pub fn ns(&self) -> &str {
        &self.namespace
    }

    pub fn api(&self) -> Api<DynamicObject> {
        let resource = self.of.api_resource();
        if self.of.namespaced {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    /// Applies the resource with this spec, as `kubectl apply` would.
    pub async fn apply(&self, spec: Value) -> DynamicObject {
        apply(&self.client, &self.manifest(&spec)).await
    }

    pub async fn try_apply(&self, spec: Value) -> kube::Result<DynamicObject> {
        super::try_apply(&self.client, &self.manifest(&spec)).await
    }

    pub fn manifest(&self, spec: &Value) -> Value {
        super::manifest_of(self.of, &self.namespace, &self.name, spec)
    }

    pub async fn annotate(&self, key: &str, value: &str) {
        let patch = json!({ "metadata": { "annotations": { key: value } } });
        self.api().patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn get(&self) -> DynamicObject {
        self.api().get(&self.name).await.unwrap()
    }

    pub async fn status(&self) -> Value {
        self.get().await.data.get("status").cloned().unwrap_or(Value::Null)
    }

    /// Waits until the status for the newest generation satisfies a predicate.
    pub async fn until(&self, what: &str, deadline: Duration, predicate: impl Fn(&Value) -> bool) -> Value {
        let name = format!("{}: {what}", self.name);
        let seen = status_until(name, deadline, async || self.get().await, predicate).await;
        seen.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn ready(&self) -> Value {
        self.until("Ready", SOON, |status| condition(status, "Ready").0 == "True").await
    }

    pub async fn reason(&self, type_: &str, status: &str, reason: &str) -> Value {
        self.until(&format!("{type_}={status} {reason}"), SOON, |seen| {
            condition(seen, type_) == (status.to_owned(), reason.to_owned())
        })
        .await
    }

    /// Returns an object of this case, which must exist.
    pub async fn child(&self, kind: &str, name: &str) -> DynamicObject {
        kinds::get(&self.client, kinds::kind(kind), self.ns(), name)
            .await
            .unwrap_or_else(|| panic!("{kind} {}/{name} does not exist", self.ns()))
    }

    /// Waits until an object satisfies a predicate.
    pub async fn child_until(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        deadline: Duration,
        predicate: impl Fn(&DynamicObject) -> bool,
    ) -> DynamicObject {
        wait_for(format!("{kind} {}/{name}: {what}", self.ns()), deadline, async || {
            match kinds::get(&self.client, kinds::kind(kind), self.ns(), name).await {
                Some(object) if predicate(&object) => Ok(object),
                Some(object) => Err(kinds::show(&object)),
                None => Err("it does not exist".to_owned()),
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn gone(&self, kind: &str, name: &str, deadline: Duration) {
        wait_for(format!("{kind} {}/{name} to be deleted", self.ns()), deadline, async || match kinds::get(
            &self.client,
            kinds::kind(kind),
            self.ns(),
            name,
        )
        .await
        {
            None => Ok(()),
            Some(object) => Err(kinds::show(&object)),
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Returns all objects of a kind in the namespace.
    pub async fn children(&self, kind: &Kind) -> Vec<DynamicObject> {
        let selector = "app.kubernetes.io/managed-by=logpilot-operator";
        kinds::api(&self.client, kind, self.ns())
            .list(&kube::api::ListParams::default().labels(selector))
            .await
            .unwrap()
            .items
    }

    pub async fn delete(&self) {
        self.api().delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn delete_namespace(&self) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.delete(self.ns(), &DeleteParams::default()).await.unwrap();
    }

    /// Creates a fake node with the case's label.
    pub async fn node(&self, name: &str, taints: &Value) -> Node {
        let capacity = json!({ "cpu": "4", "memory": "16Gi", "pods": "10", "ephemeral-storage": "100Gi" });
        let node = serde_json::from_value(json!({
            "metadata": {
                "name": name, "annotations": { "kwok.x-k8s.io/node": "fake" },
                "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "only-for": self.name },
            },
            "spec": { "taints": taints },
            "status": { "capacity": capacity, "allocatable": capacity },
        }))
        .unwrap();
        Api::all(self.client.clone()).create(&PostParams::default(), &node).await.unwrap()
    }

    pub async fn delete_node(&self, name: &str) {
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Returns the operator's requests for this case since a marker: those in its namespace, and
    /// those with the resource's name.
    pub async fn requests(&self, since: Option<&Marker>) -> Vec<AuditEvent> {
        let all = self.world.requests(since).await;
        all.into_iter()
            .filter(|it| {
                it.verb != "watch"
                    && (it.namespace == self.ns() || it.namespace.is_empty() && it.name == self.name)
            })
            .collect()
    }
}

/// Returns status and reason of a condition; both empty if it is absent.
pub fn condition(status: &Value, type_: &str) -> (String, String) {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == type_);
    let text =
        |field: &str| found.and_then(|condition| condition[field].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

pub fn message(status: &Value, type_: &str) -> String {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == type_);
    found.and_then(|condition| condition["message"].as_str()).unwrap_or_default().to_owned()
}

/// Returns the reasons of the problems in a status.
pub fn problems(status: &Value) -> BTreeSet<String> {
    let all = status.get("problems").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|it| it["reason"].as_str().map(str::to_owned)).collect()
}

/// Returns the writes of objects among requests; status and events are counted separately.
pub fn writes(requests: &[AuditEvent]) -> Vec<&AuditEvent> {
    requests
        .iter()
        .filter(|it| is_write(it) && it.code < 300 && it.subresource.is_empty() && it.resource != "events")
        .collect()
}

pub fn reads(requests: &[AuditEvent]) -> Vec<&AuditEvent> {
    requests.iter().filter(|it| !is_write(it)).collect()
}

fn is_write(event: &AuditEvent) -> bool {
    matches!(event.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
}

impl Drop for Case {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("\n=== the operator's log of {} ===\n{}", self.name, self.world.log_of(self.ns()));
        let Some(plane) = self.world.env.control_plane() else { return };
        for arguments in [
            vec!["get", self.of.plural, &self.name, "-n", self.ns(), "-o", "yaml"],
            vec!["get", "all,configmap,pvc,ingress,pdb,hpa", "-n", self.ns()],
            vec!["get", "events", "-n", self.ns()],
        ] {
            let output = Command::new(plane.tool("kubectl"))
                .arg("--kubeconfig")
                .arg(plane.admin_kubeconfig_path())
                .args(&arguments)
                .output();
            if let Ok(output) = output {
                eprintln!(
                    "=== kubectl {} ===\n{}",
                    arguments.join(" "),
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        }
    }
}

pub fn uid(object: &DynamicObject) -> String {
    object.uid().unwrap()
}

/// Waits until the status of the newest generation of a resource satisfies a predicate.
pub async fn status_until(
    what: String,
    deadline: Duration,
    get: impl AsyncFn() -> DynamicObject,
    predicate: impl Fn(&Value) -> bool,
) -> Result<Value, local_cluster::Error> {
    wait_for(what, deadline, async || {
        let object = get().await;
        let status = object.data.get("status").cloned().unwrap_or(Value::Null);
        let observed = status.get("observedGeneration").and_then(Value::as_i64);
        if observed == object.metadata.generation && predicate(&status) {
            Ok(status)
        } else {
            Err(serde_json::to_string_pretty(&status).unwrap())
        }
    })
    .await
}
