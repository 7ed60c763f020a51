//! A ServiceStack of one test, in a namespace of its own, with the same name.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Nodes, ROLLOUT, Reach, World, case::explain, condition};

pub struct Stack<'a> {
    pub world: &'a World,
    pub nodes: &'a Nodes,
    pub name: String,
}

impl<'a> Stack<'a> {
    /// Returns None after printing why the nodes cannot run its programs.
    pub fn new(world: &'a World, name: &str, spec: &Value) -> Option<Self> {
        let what = "a stack of real databases";
        let nodes = world.nodes(what)?;
        if !nodes.have_databases() {
            println!("SKIPPED {what}: its images were not packed; the start of the run says why");
            return None;
        }
        world.kubectl.must(&format!("create namespace {name}"));
        let stack = Self { world, nodes, name: name.to_owned() };
        world
            .kubectl
            .apply(&json!({
                "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
                "metadata": { "name": name, "namespace": name }, "spec": spec,
            }))
            .unwrap();
        Some(stack)
    }

    pub fn patch(&self, patch: &Value) {
        self.world.kubectl.merge(&format!("stack/{0} -n {0}", self.name), patch);
    }

    /// Waits until the status for the newest generation satisfies a predicate.
    pub async fn until(&self, what: &str, deadline: Duration, holds: impl Fn(&Value) -> bool) -> Value {
        let resource = format!("stack/{0} -n {0}", self.name);
        self.world.kubectl.status_until(&resource, what, deadline, holds).await
    }

    pub async fn ready(&self) -> Value {
        self.until("Ready", ROLLOUT, |status| condition(status, "Ready").0 == "True").await
    }

    /// The pods of a component that are not being deleted.
    pub fn pods(&self, component: &str) -> Vec<Value> {
        self.world.kubectl.pods(&self.name, &format!("app.kubernetes.io/component={component}"))
    }

    /// An object of the namespace, such as `job`.
    pub fn get(&self, what: &str) -> Result<Value, String> {
        self.world.kubectl.get(&format!("{what} -n {}", self.name))
    }

    /// A client through the Service of a component.
    pub async fn client(&self, component: &str, port: u16) -> (Client, Reach) {
        let reach = self.world.reach(&self.name, component, port).await;
        (Client::new(&reach, ""), reach)
    }

    /// Deletes the stack and its namespace, and waits until both are deleted.
    pub async fn remove(&self) {
        let namespace = format!("namespace/{}", self.name);
        self.world.kubectl.must(&format!("delete {namespace} --wait=false"));
        self.world.kubectl.until(&namespace, "is gone", ROLLOUT, Value::is_null).await;
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            explain(&self.world.kubectl, &format!("stack {0} -n {0}", self.name), &self.name);
            let _ = self.world.kubectl.run(&format!("delete namespace/{} --wait=false", self.name));
        }
    }
}
