//! Health checks of the server container.

use k8s_openapi::{
    api::core::v1::{ExecAction, GRPCAction, HTTPGetAction, Probe, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::logpilot::model::{Check, Component, Probes, Timing};

/// None where the user turned it off.
#[must_use]
pub fn liveness(component: &Component, probes: &Probes) -> Option<Probe> {
    let timing = probes.liveness.as_ref()?;
    Some(probe(component, &probes.check, timing, "/actuator/health/liveness"))
}

/// None where the user turned it off.
#[must_use]
pub fn readiness(component: &Component, probes: &Probes) -> Option<Probe> {
    let timing = probes.readiness.as_ref()?;
    Some(probe(component, &probes.check, timing, "/actuator/health/readiness"))
}

/// None where the user turned it off. Asks what liveness asks: it guards against restarts, not against traffic.
#[must_use]
pub fn startup(component: &Component, probes: &Probes) -> Option<Probe> {
    let timing = probes.startup.as_ref()?;
    Some(probe(component, &probes.check, timing, "/actuator/health/liveness"))
}

fn probe(component: &Component, check: &Check, timing: &Timing, group: &str) -> Probe {
    let mut probe = Probe {
        // The API server does not store 0, and what it does not store would look changed for ever.
        initial_delay_seconds: Some(timing.initial_delay).filter(|&seconds| seconds != 0),
        period_seconds: Some(timing.period),
        timeout_seconds: Some(timing.timeout),
        failure_threshold: Some(timing.failures),
        success_threshold: timing.successes,
        ..Probe::default()
    };
    match check {
        Check::ActuatorGroups => probe.http_get = Some(actuator(group)),
        Check::Actuator => probe.http_get = Some(actuator("/actuator/health")),
        Check::Tcp => {
            probe.tcp_socket = Some(TCPSocketAction {
                port: IntOrString::String(component.role.serving.name.into()),
                host: None,
            });
        }
        // The kubelet takes a number only.
        Check::Grpc { port } => probe.grpc = Some(GRPCAction { port: *port, service: None }),
        Check::Exec { command } => {
            probe.exec = Some(ExecAction { command: Some(command.clone()) });
        }
    }
    probe
}

fn actuator(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.into()),
        port: IntOrString::String("management".into()),
        ..HTTPGetAction::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::logpilot::validate::validate;

    /// The readiness probe of a server with this initial delay, as it is written.
    fn written(initial_delay: i32) -> Value {
        let probes = json!({ "readiness": { "initialDelaySeconds": initial_delay } });
        let resource = json!({
            "metadata": { "name": "logs", "uid": "u" },
            "spec": { "image": "i:1", "components": { "all": { "probes": probes } } },
        });
        let cluster = validate(&serde_json::from_value(resource).unwrap()).unwrap();
        let component = &cluster.components[0];
        serde_json::to_value(readiness(component, &component.probes)).unwrap()
    }

    #[test]
    fn a_delay_of_nothing_is_not_written_and_any_other_is() {
        let probe = written(0);
        assert!(probe.get("periodSeconds").is_some(), "{probe}");
        assert!(probe.get("initialDelaySeconds").is_none(), "{probe}");
        assert_eq!(written(7)["initialDelaySeconds"], 7);
    }
}
