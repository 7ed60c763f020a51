//! Health checks of a component.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::{
    stack::api::component::{ComponentKind, ComponentSpec, Port, Probe as Given, Probes as Asked},
    workload::model::{Probe, ProbeTiming, ProbeType, Probes},
    workload::resolve::Violations,
};

/// Seconds between two checks, where none are given.
const PERIOD: i32 = 5;
const TIMEOUT: i32 = 3;
const FAILURES: i32 = 3;
/// Attempts of the startup probe: five minutes.
const STARTUP_FAILURES: i32 = 60;
/// A container is restarted only after this many times the failures that take it out of its Services.
const PATIENCE: i32 = 3;

/// The checks that a component asks for, with those of `spec.defaults` under them.
pub fn resolve(
    component: &ComponentSpec,
    defaults: Option<&Asked>,
    path: &str,
    violations: &mut Violations,
) -> Probes {
    let ports = component.ports.as_deref().unwrap_or_default();
    let kind = component.kind();
    if kind == ComponentKind::Job {
        return Probes::default();
    }
    let defaults = defaults.filter(|_| kind == ComponentKind::Deployment).cloned().unwrap_or_default();
    let own = component.probes.clone().unwrap_or_default();
    let asked = merged(own, defaults);
    let Some(port) = main_port(&asked, ports, path, violations) else {
        return match &asked.command {
            Some(command) => of_command(&asked, command),
            None => Probes::default(),
        };
    };
    if let Some(command) = &asked.command {
        return of_command(&asked, command);
    }
    let check = |given: Option<&Given>| {
        let path = given.and_then(|given| given.path.clone()).or_else(|| asked.path.clone());
        match path {
            Some(path) => ProbeType::Http { path, port: IntOrString::String(port.name.clone()) },
            None if asked.grpc == Some(true) => {
                ProbeType::Grpc { port: port.target_port.unwrap_or(port.port) }
            }
            None => ProbeType::Tcp { port: IntOrString::String(port.name.clone()) },
        }
    };
    let by_path = asked.path.is_some() || asked.liveness.as_ref().is_some_and(|it| it.path.is_some());
    Probes {
        liveness: probe(
            asked.liveness.as_ref(),
            by_path,
            check(asked.liveness.as_ref()),
            FAILURES * PATIENCE,
        ),
        readiness: probe(asked.readiness.as_ref(), true, check(asked.readiness.as_ref()), FAILURES),
        startup: probe(asked.startup.as_ref(), true, check(asked.startup.as_ref()), STARTUP_FAILURES),
    }
}

fn of_command(asked: &Asked, command: &[String]) -> Probes {
    let check = || ProbeType::Exec { command: command.to_vec() };
    Probes {
        liveness: probe(asked.liveness.as_ref(), false, check(), FAILURES * PATIENCE),
        readiness: probe(asked.readiness.as_ref(), true, check(), FAILURES),
        startup: probe(asked.startup.as_ref(), true, check(), STARTUP_FAILURES),
    }
}

/// `default` says whether the probe exists where nothing is said about it.
fn probe(given: Option<&Given>, default: bool, check: ProbeType, failures: i32) -> Option<Probe> {
    let enabled = given.map_or(default, |given| given.enabled.unwrap_or(true));
    let given = given.cloned().unwrap_or_default();
    let mode = match check {
        ProbeType::Http { .. } => "path",
        ProbeType::Tcp { .. } => "tcp",
        ProbeType::Grpc { .. } => "grpc",
        ProbeType::Exec { .. } => "command",
    };
    enabled.then(|| Probe {
        mode: mode.to_owned(),
        check,
        timing: ProbeTiming {
            initial_delay: given.initial_delay_seconds.unwrap_or(0),
            period: given.period_seconds.unwrap_or(PERIOD),
            timeout: given.timeout_seconds.unwrap_or(TIMEOUT),
            failures: given.failure_threshold.unwrap_or(failures),
            successes: None,
        },
    })
}

/// The way of checking is one choice: a component that makes its own takes none of the defaults'.
fn merged(own: Asked, defaults: Asked) -> Asked {
    let chosen =
        own.path.is_some() || own.command.is_some() || own.tcp == Some(true) || own.grpc == Some(true);
    let (path, command, tcp, grpc) = if chosen {
        (own.path, own.command, own.tcp, own.grpc)
    } else {
        (defaults.path, defaults.command, defaults.tcp, defaults.grpc)
    };
    let with_path = |given: Option<Given>| {
        // The path of a single probe belongs to the way of checking too.
        given.map(|given| if chosen { Given { path: None, ..given } } else { given })
    };
    Asked {
        path,
        command,
        tcp,
        grpc,
        port: own.port.or(defaults.port),
        liveness: timings(own.liveness, with_path(defaults.liveness)),
        readiness: timings(own.readiness, with_path(defaults.readiness)),
        startup: timings(own.startup, with_path(defaults.startup)),
    }
}

fn timings(own: Option<Given>, defaults: Option<Given>) -> Option<Given> {
    let (own, defaults) = match (own, defaults) {
        (Some(own), Some(defaults)) => (own, defaults),
        (own, defaults) => return own.or(defaults),
    };
    Some(Given {
        enabled: own.enabled.or(defaults.enabled),
        path: own.path.or(defaults.path),
        initial_delay_seconds: own.initial_delay_seconds.or(defaults.initial_delay_seconds),
        period_seconds: own.period_seconds.or(defaults.period_seconds),
        timeout_seconds: own.timeout_seconds.or(defaults.timeout_seconds),
        failure_threshold: own.failure_threshold.or(defaults.failure_threshold),
    })
}

fn main_port<'a>(
    asked: &Asked,
    ports: &'a [Port],
    path: &str,
    violations: &mut Violations,
) -> Option<&'a Port> {
    let Some(name) = &asked.port else { return ports.first() };
    let found = ports.iter().find(|port| port.name == *name);
    violations.require(
        found.is_some() || ports.is_empty(),
        format!("{path}.probes.port"),
        format!("the component has no port '{name}'"),
    );
    found
}
