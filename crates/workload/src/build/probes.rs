//! Health checks of a container.

use k8s_openapi::api::core::v1::{ExecAction, GRPCAction, HTTPGetAction, Probe as Built, TCPSocketAction};

use crate::model::{Probe, ProbeType};

/// Returns `None` if the user turned the probe off.
#[must_use]
pub fn build(probe: Option<&Probe>) -> Option<Built> {
    let Probe { check, timing, .. } = probe?;
    let mut built = Built {
        // The API server does not store 0, and a value that is not stored would be permanent drift.
        initial_delay_seconds: Some(timing.initial_delay).filter(|&seconds| seconds != 0),
        period_seconds: Some(timing.period),
        timeout_seconds: Some(timing.timeout),
        failure_threshold: Some(timing.failures),
        success_threshold: timing.successes,
        ..Built::default()
    };
    match check {
        ProbeType::Http { path, port } => {
            built.http_get = Some(HTTPGetAction {
                path: Some(path.clone()),
                port: port.clone(),
                ..HTTPGetAction::default()
            });
        }
        ProbeType::Tcp { port } => {
            built.tcp_socket = Some(TCPSocketAction { port: port.clone(), host: None });
        }
        ProbeType::Grpc { port } => built.grpc = Some(GRPCAction { port: *port, service: None }),
        ProbeType::Exec { command } => built.exec = Some(ExecAction { command: Some(command.clone()) }),
    }
    Some(built)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::ProbeTiming;

    /// Returns a probe with this initial delay, as it is written.
    fn written(initial_delay: i32) -> Value {
        let timing = ProbeTiming { initial_delay, period: 5, timeout: 3, failures: 3, successes: None };
        let check = ProbeType::Grpc { port: 1 };
        serde_json::to_value(build(Some(&Probe { mode: String::new(), check, timing }))).unwrap()
    }

    #[test]
    fn only_a_delay_above_zero_is_written() {
        let probe = written(0);
        assert!(probe.get("periodSeconds").is_some(), "{probe}");
        assert!(probe.get("initialDelaySeconds").is_none(), "{probe}");
        assert_eq!(written(7)["initialDelaySeconds"], 7);
    }
}
