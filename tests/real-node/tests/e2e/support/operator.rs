//! The operator's own objects.

use std::{io::Write as _, process::Stdio};

use serde_json::Value;

use super::{Kubectl, OPERATOR, OPERATOR_NAMESPACE, ROLLOUT, World};

impl World {
    /// Waits until the operator has as many ready pods as it should, and no others.
    pub async fn operator_is_ready(&self) {
        let deployment = format!("deployment/{OPERATOR} -n {OPERATOR_NAMESPACE}");
        let complete = |seen: &Value| {
            let (status, wanted) = (&seen["status"], &seen["spec"]["replicas"]);
            seen["metadata"]["generation"] == status["observedGeneration"]
                && ["replicas", "readyReplicas", "updatedReplicas"]
                    .iter()
                    .all(|count| &status[count] == wanted)
        };
        self.kubectl.until(&deployment, "is complete", ROLLOUT, complete).await;
        let pods = format!("pods -n {OPERATOR_NAMESPACE}");
        let no_other = |seen: &Value| seen["items"].as_array().is_some_and(|pods| pods.iter().all(stays));
        self.kubectl.until(&pods, "has no pod that ends", ROLLOUT, no_other).await;
    }

    /// Those that are not being deleted.
    pub fn operator_pods(&self) -> Vec<Value> {
        let pods = format!("pods -n {OPERATOR_NAMESPACE} -l app.kubernetes.io/name={OPERATOR}");
        let mut pods = self.kubectl.get(&pods).unwrap();
        let pods = std::mem::take(pods["items"].as_array_mut().unwrap());
        pods.into_iter().filter(stays).collect()
    }

    /// Name of the pod that holds the Lease.
    pub fn leader(&self) -> String {
        let lease = self.kubectl.get(&format!("lease/{OPERATOR} -n {OPERATOR_NAMESPACE}")).unwrap();
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
        let names =
            self.operator_pods().into_iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned());
        names
            .into_iter()
            .find(|name| holder.starts_with(name))
            .unwrap_or_else(|| panic!("no pod is '{holder}'"))
    }

    pub fn operator_image(&self) -> String {
        let deployment = self.kubectl.get(&format!("deployment/{OPERATOR} -n {OPERATOR_NAMESPACE}")).unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }
}

fn stays(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
}

impl Kubectl {
    /// A command that reads a text.
    pub fn pipe(&self, arguments: &str, text: &str) -> Result<String, String> {
        let mut command = self.command(arguments);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
        if output.status.success() { Ok(said) } else { Err(said) }
    }
}
