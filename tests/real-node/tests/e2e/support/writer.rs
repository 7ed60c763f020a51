//! Clients that write from pods while their servers are replaced, and small resources to write to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CLIENT_IMAGE, Case, ROLLOUT, SERVER_IMAGE, SOON};

/// What is slower counts as failed.
const TIMEOUT_SECONDS: &str = "5";

/// One `log-client` at work.
pub struct Writer<'a> {
    case: &'a Case,
    pod: String,
}

impl Case {
    /// Starts a client under the name of a pod, and returns when it runs.
    pub async fn write(&self, pod: &str, to: &str, seconds: u64, more: &[&str]) -> Writer<'_> {
        let (key, seconds) = (self.api_key(), seconds.to_string());
        let own = ["--to", to, "--api-key", &key, "--rate", "20", "--seconds", &seconds];
        let arguments = [&own, &["--timeout-seconds", TIMEOUT_SECONDS][..], more].concat();
        let kubectl = &self.world.kubectl;
        kubectl.start(&self.namespace, pod, CLIENT_IMAGE, &arguments).unwrap();
        let running = |seen: &Value| seen["status"]["phase"] == "Running";
        kubectl.until(&format!("pod/{pod} -n {}", self.namespace), "runs", SOON, running).await;
        Writer { case: self, pod: pod.to_owned() }
    }
}

impl Writer<'_> {
    /// Whether it still writes. A client that ended earlier than a change shows nothing about it.
    pub fn is_writing(&self) -> bool {
        let pod = format!("pod/{} -n {}", self.pod, self.case.namespace);
        self.case.world.kubectl.get(&pod).unwrap()["status"]["phase"] == "Running"
    }

    /// Waits for its end, and returns its report.
    pub async fn report(self) -> Value {
        let (kubectl, namespace) = (&self.case.world.kubectl, &self.case.namespace);
        let ended = |seen: &Value| matches!(seen["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let pod = format!("pod/{} -n {namespace}", self.pod);
        kubectl.until(&pod, "ends", ROLLOUT, ended).await;
        let said = kubectl.must(&format!("logs {} -n {namespace}", self.pod));
        kubectl.must(&format!("delete {pod} --timeout=60s"));
        serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

/// What is promised of a rollout: nothing failed, nothing lost, nothing doubled.
pub fn assert_unharmed(what: &str, report: &Value) {
    println!(
        "FIGURE {what}: {} acknowledged, {} failed, {} lost, {} doubled, longest gap {} ms",
        report["acked"], report["failed"], report["lost"], report["duplicated"], report["longestGapMillis"]
    );
    assert!(report["unread"].is_null(), "{what}: {report}");
    for harm in ["failed", "lost", "duplicated", "storedUnacked"] {
        assert_eq!(report[harm], 0, "{what}: {report}");
    }
    assert!(report["acked"].as_u64() > Some(0), "{what}: {report}");
}

/// A component of one pod that is ready as soon as its server is, on a machine that may be busy.
pub fn quick(more: &Value) -> Value {
    let mut component = json!({
        "replicas": 1,
        "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
        "probes": {
            "startup": { "initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": 100 },
            "readiness": { "initialDelaySeconds": 0, "periodSeconds": 1 },
            "liveness": { "initialDelaySeconds": 0, "periodSeconds": 1 },
        },
    });
    merge(&mut component, more);
    component
}

/// A resource with these components, whose servers take what the clients here send.
pub fn spec(components: &Value) -> Value {
    json!({
        "image": SERVER_IMAGE,
        "components": components,
        "config": { "serverRateLimit": { "capacity": 1_000_000 } },
    })
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// Looks again and again whether something stays as it is.
pub async fn stays(what: &str, during: Duration, holds: impl Fn() -> Result<(), String>) {
    let end = tokio::time::Instant::now() + during;
    let mut look = tokio::time::interval(Duration::from_millis(500));
    while tokio::time::Instant::now() < end {
        look.tick().await;
        holds().unwrap_or_else(|seen| panic!("{what}: {seen}"));
    }
}
