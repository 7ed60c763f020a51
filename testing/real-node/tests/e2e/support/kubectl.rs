//! kubectl, as a user types it.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use local_cluster::wait_for;
use serde_json::{Value, json};

/// A poll is a process that takes a tenth of a second from all concurrent tests.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

#[derive(Debug, Clone)]
pub struct Kubectl {
    program: String,
    kubeconfig: String,
}

impl Kubectl {
    pub fn from_environment() -> Self {
        let kubeconfig = std::env::var(real_node::KUBECONFIG).unwrap_or_else(|_| {
            panic!("{} names no cluster; run the suite with `make e2e`", real_node::KUBECONFIG)
        });
        let program = std::env::var(real_node::KUBECTL).unwrap_or_else(|_| "kubectl".to_owned());
        Self { program, kubeconfig }
    }

    /// Runs in the checkout's root, so that the test uses the README's commands.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments.split_whitespace())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Returns both output streams of kubectl; an error if it exits with one.
    pub fn run(&self, arguments: &str) -> Result<String, String> {
        said(self.command(arguments).stdin(Stdio::null()).output())
    }

    pub fn must(&self, arguments: &str) -> String {
        self.run(arguments).unwrap_or_else(|text| panic!("kubectl {arguments}: {text}"))
    }

    /// Applies one object.
    pub fn apply(&self, object: &Value) -> Result<String, String> {
        self.pipe("apply --server-side --force-conflicts -f -", &object.to_string())
    }

    /// A command that reads a text.
    pub fn pipe(&self, arguments: &str, text: &str) -> Result<String, String> {
        let mut command = self.command(arguments);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        said(child.wait_with_output())
    }

    /// One object or a list of them.
    pub fn get(&self, what: &str) -> Result<Value, String> {
        let text = said(self.command(&format!("get {what} --output=json")).stderr(Stdio::null()).output())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// The pods of a selection that are not being deleted.
    pub fn pods(&self, namespace: &str, selector: &str) -> Vec<Value> {
        let mut list = self.get(&format!("pods -n {namespace} -l {selector}")).unwrap();
        let pods = std::mem::take(list["items"].as_array_mut().unwrap());
        pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
    }

    /// Merges a patch into an object, such as `stack/a -n b`.
    pub fn merge(&self, object: &str, patch: &Value) {
        let command = format!("patch {object} --type=merge --patch");
        let output = self.command(&command).arg(patch.to_string()).output().unwrap();
        assert!(output.status.success(), "{command} {patch}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until the status for the newest generation satisfies a predicate.
    pub async fn status_until(
        &self,
        object: &str,
        what: &str,
        deadline: Duration,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let seen = self.until(object, what, deadline, |seen| {
            seen["status"]["observedGeneration"] == seen["metadata"]["generation"] && holds(&seen["status"])
        });
        seen.await["status"].clone()
    }

    /// Waits until the read object satisfies a predicate; an absent object is null.
    pub async fn until(
        &self,
        what: &str,
        expectation: &str,
        deadline: Duration,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        wait_for(format!("{what}: {expectation}"), deadline, async || {
            match self.get(&format!("{what} --ignore-not-found")) {
                Ok(seen) if holds(&seen) => Ok(seen),
                // kubectl prints nothing if nothing exists.
                Err(_) if holds(&Value::Null) => Ok(Value::Null),
                seen => {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    Err(format!("{seen:?}"))
                }
            }
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a pod under the restricted profile that runs once.
    pub fn start(
        &self,
        namespace: &str,
        name: &str,
        image: &str,
        arguments: &[&str],
    ) -> Result<String, String> {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": name, "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments,
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            },
        }))
    }

    /// A command that runs until it is dropped, such as `port-forward`.
    pub fn background(&self, arguments: &str) -> Background {
        let mut command = self.command(arguments);
        Background(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

pub struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

fn said(output: std::io::Result<std::process::Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    if output.status.success() { Ok(text) } else { Err(text) }
}
