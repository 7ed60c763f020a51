//! Determines which probe caused a container to be killed. A pod's status does not contain this. The
//! kubelet's events do, but the operator has no permission to read events: that would be a permission
//! for all namespaces, for a text that the status would keep long after it was true. The time that the
//! container ran is therefore compared with the time that its probes allow for a start. A liveness
//! probe that fails later cannot be distinguished from a termination by the node or by a user.

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{integer, string, timestamp};

/// Maximum delay of a kubelet on a node that is short of CPU, in seconds.
const LATE: i64 = 10;
/// Kubernetes' own defaults.
const PERIOD: i64 = 10;
const TIMEOUT: i64 = 1;
const FAILURES: i64 = 3;
const GRACE: i64 = 30;

/// A container that was killed when the time of one of its probes was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeKill {
    pub probe: Probe,
    /// Seconds from the container's start to its end.
    pub ran: i64,
    /// Consecutive failures that the probe allows.
    pub failures: i64,
    /// Minimum time that these failures take, in seconds; for a startup probe, from the container's
    /// start.
    pub budget: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Startup,
    Liveness,
}

/// Timing of one probe of a container, in seconds.
struct Timing {
    initial_delay: i64,
    period: i64,
    timeout: i64,
    failures: i64,
}

impl Timing {
    fn read(container: &Value, probe: &str) -> Option<Self> {
        let probe = container.get(probe).filter(|probe| probe.is_object())?;
        let number = |field: &str, default: i64| probe.get(field).and_then(Value::as_i64).unwrap_or(default);
        Some(Self {
            initial_delay: number("initialDelaySeconds", 0),
            period: number("periodSeconds", PERIOD),
            timeout: number("timeoutSeconds", TIMEOUT),
            failures: number("failureThreshold", FAILURES),
        })
    }

    /// Earliest time after the container's start at which the last allowed failure can occur.
    fn soonest(&self) -> i64 {
        self.initial_delay + (self.failures - 1) * self.period
    }

    /// Latest time at which it can occur if all attempts fail.
    fn latest(&self) -> i64 {
        self.initial_delay + self.failures * self.period.max(self.timeout) + self.timeout
    }
}

impl ProbeKill {
    /// `end` is the container's last termination, and `restarts` the number of its restarts. Returns
    /// `None` if the container was not killed, or at a time that no probe explains: before any of them
    /// allows it, or long after the start.
    pub(super) fn read(pod: &Value, container: &str, end: &Value, restarts: i64) -> Option<Self> {
        let signal = matches!(integer(end, "/exitCode"), 137 | 143) && string(end, "/reason") != "OOMKilled";
        if !signal || restarts == 0 {
            return None;
        }
        let moment = |field: &str| timestamp(end, field).map(Timestamp::as_second);
        let ran = moment("/finishedAt")? - moment("/startedAt")?;
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array)?;
        let container = containers.iter().find(|it| string(it, "/name") == container)?;
        let grace =
            pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(GRACE);
        let startup = Timing::read(container, "startupProbe");
        let begins = startup.as_ref().map_or(0, Timing::latest);
        let liveness = Timing::read(container, "livenessProbe");
        // A startup probe that failed until then. Later it has long succeeded, and the liveness probe
        // is evaluated.
        if let Some(probe) =
            startup.filter(|probe| (probe.soonest()..=probe.latest() + grace + LATE).contains(&ran))
        {
            let budget = probe.initial_delay + probe.failures * probe.period;
            return Some(Self { probe: Probe::Startup, ran, failures: probe.failures, budget });
        }
        // The liveness probe begins when the startup probe succeeds, at the latest at the end of the
        // startup probe's time.
        let probe = liveness
            .filter(|probe| (probe.soonest()..=begins + probe.latest() + grace + LATE).contains(&ran))?;
        let budget = probe.failures * probe.period;
        Some(Self { probe: Probe::Liveness, ran, failures: probe.failures, budget })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Reads a server with the default probes that ran for this many seconds.
    fn read(ran: i64, exit_code: i64, reason: &str, restarts: i64, probes: &Value) -> Option<(Probe, i64)> {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap().to_string();
        let mut container = probes.clone();
        container["name"] = json!("server");
        let pod = json!({ "spec": { "terminationGracePeriodSeconds": 30, "containers": [{ "name": "mesh" }, container] } });
        let end =
            json!({ "exitCode": exit_code, "reason": reason, "startedAt": at(0), "finishedAt": at(ran) });
        ProbeKill::read(&pod, "server", &end, restarts).map(|kill| (kill.probe, kill.budget))
    }

    fn both() -> Value {
        json!({
            "startupProbe": { "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 10, "timeoutSeconds": 3 },
            "livenessProbe": { "periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 5 },
        })
    }

    #[test]
    fn the_time_a_container_ran_names_its_probe() {
        for (ran, expected) in [
            (19, None),
            (20, Some((Probe::Liveness, 30))),
            (99, Some((Probe::Liveness, 30))),
            (100, Some((Probe::Startup, 110))),
            (111, Some((Probe::Startup, 110))),
            // The container did not terminate within its grace period, and the kubelet was late.
            (150, Some((Probe::Startup, 110))),
            (154, Some((Probe::Liveness, 30))),
            (188, Some((Probe::Liveness, 30))),
            // The cause is unknown so long after the start.
            (189, None),
            (3_600, None),
            (86_400, None),
        ] {
            assert_eq!(read(ran, 137, "Error", 1, &both()), expected, "{ran} s");
            assert_eq!(read(ran, 143, "Error", 1, &both()), expected, "{ran} s");
        }
        let mut startup = both();
        startup["livenessProbe"] = Value::Null;
        assert_eq!(read(111, 137, "Error", 1, &startup), Some((Probe::Startup, 110)));
        assert_eq!(read(500, 137, "Error", 1, &startup), None, "no probe looks at it any more");
        let late =
            |ran| read(ran, 143, "Error", 1, &json!({ "livenessProbe": { "initialDelaySeconds": 3_600 } }));
        assert_eq!([3_619, 3_620].map(late), [None, Some((Probe::Liveness, 30))], "a probe that begins late");
        let defaults = json!({ "livenessProbe": {} });
        assert_eq!(read(20, 137, "Error", 1, &defaults), Some((Probe::Liveness, 30)));
    }

    #[test]
    fn other_terminations_are_not_attributed_to_probes() {
        for (exit_code, reason, restarts) in [
            (1, "Error", 1),
            (0, "Completed", 1),
            (137, "OOMKilled", 1),
            (143, "Error", 0),
            (255, "Unknown", 1),
        ] {
            assert_eq!(
                read(111, exit_code, reason, restarts, &both()),
                None,
                "{exit_code} {reason} {restarts}"
            );
        }
        assert_eq!(read(111, 137, "Error", 1, &json!({})), None);
        let end = json!({ "exitCode": 137, "reason": "Error" });
        assert_eq!(ProbeKill::read(&json!({}), "c", &end, 1), None, "its times are unknown");
    }
}
