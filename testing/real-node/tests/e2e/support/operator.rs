//! The operator's own objects.

use serde_json::Value;

use super::{OPERATOR, OPERATOR_NAMESPACE, ROLLOUT, World};

pub const LEASE: &str = "lease/logpilot-operator -n logpilot-operator-system";

impl World {
    /// Waits until the operator has exactly its desired number of ready pods.
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
        let no_other = |seen: &Value| {
            let mut pods = seen["items"].as_array().into_iter().flatten();
            pods.all(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        };
        self.kubectl.until(&pods, "has no pod that ends", ROLLOUT, no_other).await;
    }

    /// Returns the pods that are not being deleted.
    pub fn operator_pods(&self) -> Vec<Value> {
        self.kubectl.pods(OPERATOR_NAMESPACE, &format!("app.kubernetes.io/name={OPERATOR}"))
    }

    pub fn lease(&self) -> Value {
        self.kubectl.get(LEASE).unwrap()["spec"].take()
    }

    /// Returns the pod that holds the Lease, under its own name.
    pub fn leader(&self) -> Value {
        let holder = &self.lease()["holderIdentity"];
        let found = self.operator_pods().into_iter().find(|pod| pod["metadata"]["name"] == *holder);
        found.unwrap_or_else(|| panic!("no pod is {holder}"))
    }

    pub fn operator_image(&self) -> String {
        let deployment = self.kubectl.get(&format!("deployment/{OPERATOR} -n {OPERATOR_NAMESPACE}")).unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }
}
