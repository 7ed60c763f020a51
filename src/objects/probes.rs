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
