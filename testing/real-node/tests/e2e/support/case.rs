//! The resource of one test: applied, awaited, printed when the test fails, and removed with its
//! namespace.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use local_cluster::wait_for;
use serde_json::{Value, json};

use super::{Client, Kubectl, OPERATOR, OPERATOR_NAMESPACE, ROLLOUT, SOON, World};

/// Contains testing/log-server's client.
pub const CLIENT_IMAGE: &str = "log-client:1";
/// Port of the server, and so of its Services.
const HTTP: u16 = 8080;

pub struct Case<'a> {
    pub world: &'a World,
    pub name: String,
    /// The namespace of its objects.
    pub namespace: String,
}

impl<'a> Case<'a> {
    /// The resource of an example, applied as the README describes.
    pub fn example(world: &'a World, file: &str, name: &str) -> Self {
        let case = Self { world, name: name.to_owned(), namespace: name.to_owned() };
        world.kubectl.must(&format!("apply -f examples/{file}"));
        case
    }

    /// A resource with this spec, in the namespace of its name.
    pub fn new(world: &'a World, name: &str, spec: &Value) -> Self {
        let case = Self { world, name: name.to_owned(), namespace: name.to_owned() };
        case.apply(spec).unwrap();
        case
    }

    pub fn apply(&self, spec: &Value) -> Result<String, String> {
        self.world.kubectl.apply(&json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": self.name }, "spec": spec,
        }))
    }

    pub fn patch(&self, patch: &Value) {
        self.world.kubectl.merge(&format!("logpilotcluster/{}", self.name), patch);
    }

    /// Waits until the status for the newest generation satisfies a predicate.
    pub async fn until(&self, what: &str, deadline: Duration, holds: impl Fn(&Value) -> bool) -> Value {
        let resource = format!("logpilotcluster/{}", self.name);
        self.world.kubectl.status_until(&resource, what, deadline, holds).await
    }

    pub async fn ready(&self) -> Value {
        self.until("Ready", ROLLOUT, |status| condition(status, "Ready").0 == "True").await
    }

    /// The pods of a component that are not being deleted.
    pub fn pods(&self, component: &str) -> Vec<Value> {
        self.world.kubectl.pods(&self.namespace, &format!("app={}-{component}", self.name))
    }

    /// UIDs of a component's pods.
    pub fn uids(&self, component: &str) -> BTreeSet<String> {
        self.pods(component).iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    }

    /// The number of restarts of all containers of a component.
    pub fn restarts(&self, component: &str) -> u64 {
        let pods = self.pods(component);
        let containers = pods.iter().filter_map(|pod| pod["status"]["containerStatuses"].as_array());
        containers.flatten().filter_map(|container| container["restartCount"].as_u64()).sum()
    }

    pub fn api_key(&self) -> String {
        let secret = format!("secret/{}-api-key -n {}", self.name, self.namespace);
        let secret = self.world.kubectl.get(&secret).unwrap();
        let key = BASE64.decode(secret["data"]["api-key"].as_str().unwrap()).unwrap();
        String::from_utf8(key).unwrap()
    }

    /// A REST client through the Service of a component, after the nodes have learnt of it.
    pub async fn client(&self, component: &str) -> (Client, super::Reach) {
        let service = format!("{}-{component}", self.name);
        let reach = self.world.reach(&self.namespace, &service, HTTP).await;
        (Client::new(&reach, &self.api_key()), reach)
    }

    /// The same, once the Service has answered: the nodes learn of a ready pod up to a second after
    /// the status reports Ready, and refuse connections until then.
    pub async fn answering(&self, component: &str) -> (Client, super::Reach) {
        let (client, reach) = self.client(component).await;
        let answered = wait_for(format!("{} to answer", reach.address), SOON, async || {
            match client.get("/api/logs/nothing?consumerId=nobody&limit=1")? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status} {body}")),
            }
        });
        answered.await.unwrap();
        (client, reach)
    }

    /// The Service by its address, for a pod that may lack the cluster's DNS.
    pub fn address(&self, component: &str) -> String {
        let service = format!("service/{}-{component} -n {}", self.name, self.namespace);
        let service = self.world.kubectl.get(&service).unwrap();
        format!("http://{}:{HTTP}", service["spec"]["clusterIP"].as_str().unwrap())
    }

    /// Deletes the resource and its namespace, and waits until both are deleted.
    pub async fn remove(&self) {
        let resource = format!("logpilotcluster/{}", self.name);
        self.world.kubectl.must(&format!("delete {resource} --ignore-not-found --timeout=60s"));
        let namespace = format!("namespace/{}", self.namespace);
        self.world.kubectl.must(&format!("delete {namespace} --ignore-not-found --wait=false"));
        self.world.kubectl.until(&namespace, "is gone", ROLLOUT, Value::is_null).await;
    }
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        explain(&self.world.kubectl, &format!("logpilotcluster {}", self.name), &self.namespace);
        // Its volumes and pods must not affect the next test.
        let _ = self.world.kubectl.run(&format!("delete logpilotcluster/{} --wait=false", self.name));
        let _ = self.world.kubectl.run(&format!("delete namespace/{} --wait=false", self.namespace));
    }
}

/// Prints a resource that failed its test, with its objects and what its pods and the operator log.
pub fn explain(kubectl: &Kubectl, resource: &str, namespace: &str) {
    for arguments in [
        format!("get {resource} -o yaml"),
        format!("get all,configmap,pvc,pdb -n {namespace} -o wide"),
        format!("get events -n {namespace} --sort-by=.lastTimestamp"),
        format!("logs -n {namespace} --selector app.kubernetes.io/instance --prefix --tail=20"),
        format!("logs -n {OPERATOR_NAMESPACE} deployment/{OPERATOR} --all-pods --tail=60"),
    ] {
        let said = kubectl.run(&arguments).unwrap_or_else(|said| said);
        eprintln!("=== kubectl {arguments} ===\n{said}");
    }
}

/// Returns status and reason of a condition; both empty if it is absent.
pub fn condition(status: &Value, type_: &str) -> (String, String) {
    let conditions = status["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == type_);
    let text = |field: &str| found.and_then(|it| it[field].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// Returns the reasons of the problems in a status.
pub fn problems(status: &Value) -> BTreeSet<String> {
    let all = status["problems"].as_array();
    all.into_iter().flatten().filter_map(|it| it["reason"].as_str().map(str::to_owned)).collect()
}
