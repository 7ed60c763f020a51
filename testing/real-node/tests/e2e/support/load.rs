//! Clients that write from pods, and the outcome of every record.

use serde_json::Value;

use super::{CLIENT_IMAGE, Case, ROLLOUT, SOON};

/// A slower record counts as failed.
const TIMEOUT_SECONDS: &str = "5";

/// The default retries of client libraries. Over gRPC they cover what no server has processed. Over
/// REST they also cover requests that crossed the server's close of a kept connection: no
/// duplicates show that no server has stored them.
pub const AS_LIBRARIES: &[&str] = &["--retry-unsent", "--retry-unanswered"];

/// On own nodes a writer continues for as long as needed, and at most for this long.
const LONGEST: u64 = 300;
/// A file in a client's file system that ends its writing.
const STOP: &str = "stop";

/// A running `log-client`.
pub struct Writer<'a> {
    case: &'a Case<'a>,
    pod: String,
}

impl Case<'_> {
    /// Starts a client that writes until it is stopped, and returns when it runs. On a given
    /// cluster it writes for these seconds.
    pub async fn write(&self, pod: &str, to: &str, seconds: u64, more: &[&str]) -> Writer<'_> {
        let ours = self.world.nodes("a client that writes until it is stopped").is_some();
        self.write_for(pod, to, if ours { LONGEST } else { seconds }, more).await
    }

    async fn write_for(&self, pod: &str, to: &str, seconds: u64, more: &[&str]) -> Writer<'_> {
        let (key, seconds, until) = (self.api_key(), seconds.to_string(), format!("/{STOP}"));
        let own = ["--to", to, "--api-key", &key, "--rate", "20", "--seconds", &seconds, "--until", &until];
        let arguments = [&own, &["--timeout-seconds", TIMEOUT_SECONDS][..], more].concat();
        let kubectl = &self.world.kubectl;
        kubectl.start(&self.namespace, pod, CLIENT_IMAGE, &arguments).unwrap();
        let started = |seen: &Value| seen["status"]["phase"].as_str().is_some_and(|phase| phase != "Pending");
        kubectl.until(&format!("pod/{pod} -n {}", self.namespace), "runs", SOON, started).await;
        Writer { case: self, pod: pod.to_owned() }
    }

    /// Writes for a moment, and asserts that no record is affected.
    pub async fn takes_logs(&self, to: &str) {
        let report = self.write_for("log-client", to, 2, &[]).await.report().await;
        assert_unharmed(&format!("{}, {to}", self.name), &report);
    }
}

impl Writer<'_> {
    /// Ends its writing. Fails if the client ended before the change, because it would then show
    /// nothing about it.
    pub fn stop(&self) {
        let pod = format!("pod/{} -n {}", self.pod, self.case.namespace);
        let pod = self.case.world.kubectl.get(&pod).unwrap();
        assert_eq!(pod["status"]["phase"], "Running", "{} ended before: nothing is shown", self.pod);
        if let Some(nodes) = self.case.world.nodes("a client that writes until it is stopped") {
            std::fs::write(nodes.pid(&pod).root().join(STOP), "").unwrap();
        }
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

/// The guarantees of a rollout: nothing failed, nothing lost, nothing duplicated.
pub fn assert_unharmed(what: &str, report: &Value) {
    println!(
        "FIGURE {what}: {} acknowledged, {} retried, {} failed, {} lost, {} duplicated, longest gap {} ms",
        report["acked"],
        report["retried"],
        report["failed"],
        report["lost"],
        report["duplicated"],
        report["longestGapMillis"]
    );
    assert!(report["unread"].is_null(), "{what}: {report}");
    for harm in ["failed", "lost", "duplicated", "storedUnacked"] {
        assert_eq!(report[harm], 0, "{what}: {report}");
    }
    assert!(report["acked"].as_u64() > Some(0), "{what}: {report}");
}
