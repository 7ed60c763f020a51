//! Validation of health checks: the handler of each probe, after its mode is known.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::{
    api::component::{self as given, ProbeMode, ProbePort, ProbeTimings},
    logpilot::{defaults, model::ServerRole},
    workload::{
        model::{Probe, ProbeTiming, ProbeType, Probes},
        resolve::Violations,
    },
};

const HEALTH: &str = "/actuator/health";
/// The startup probe uses the liveness endpoint: it delays restarts, not traffic.
const LIVENESS: &str = "/actuator/health/liveness";
const READINESS: &str = "/actuator/health/readiness";

pub(super) fn resolve(
    role: &ServerRole,
    given: Option<&given::Probes>,
    path: &str,
    violations: &mut Violations,
) -> Probes {
    let given = given.cloned().unwrap_or_default();
    let mode = given.mode.unwrap_or_default();
    violations.require(
        mode != ProbeMode::Grpc || role.grpc.is_some(),
        format!("{path}.mode"),
        "'Grpc' needs a gRPC port, which this component does not open; use 'ActuatorGroups'",
    );
    let probes = [&given.liveness, &given.readiness, &given.startup];
    let modes = probes.map(|probe| probe.as_ref().and_then(|probe| probe.mode).unwrap_or(mode));
    let command = given.command.as_deref().unwrap_or_default();
    violations.require(
        mode != ProbeMode::Exec || !command.is_empty(),
        format!("{path}.command"),
        "must be given with mode 'Exec'",
    );
    violations.require(
        given.command.is_none() || modes.contains(&ProbeMode::Exec),
        format!("{path}.command"),
        "is only used with mode 'Exec'; set `mode: Exec` or remove it",
    );
    let mut one = |name: &str, of: &Option<ProbeTimings>, timing: Option<ProbeTiming>, group| {
        let of = of.clone().unwrap_or_default();
        let asked = Asked { role, mode: of.mode.unwrap_or(mode), group, command };
        let check =
            asked.check(&of, (of.mode.is_none(), timing.is_none()), &format!("{path}.{name}"), violations);
        timing.map(|timing| Probe { mode: format!("{:?}", asked.mode), check, timing })
    };
    Probes {
        liveness: one("liveness", &given.liveness, defaults::liveness(given.liveness.as_ref()), LIVENESS),
        readiness: one(
            "readiness",
            &given.readiness,
            defaults::readiness(given.readiness.as_ref()),
            READINESS,
        ),
        startup: one("startup", &given.startup, defaults::startup(given.startup.as_ref()), LIVENESS),
    }
}

/// The settings that apply to one probe before its own fields.
struct Asked<'a> {
    role: &'a ServerRole,
    mode: ProbeMode,
    /// The health group of the probe.
    group: &'static str,
    /// The command for all probes.
    command: &'a [String],
}

impl Asked<'_> {
    /// Violations of the mode of all probes have already been reported there.
    fn check(
        &self,
        given: &ProbeTimings,
        (of_all, off): (bool, bool),
        path: &str,
        violations: &mut Violations,
    ) -> ProbeType {
        let mode = self.mode;
        let http = matches!(mode, ProbeMode::ActuatorGroups | ProbeMode::Actuator | ProbeMode::Http);
        violations.require(
            http || given.path.is_none(),
            format!("{path}.path"),
            "is only used by an HTTP probe; set `mode: Http` or remove it",
        );
        violations.require(
            mode != ProbeMode::Http || given.path.is_some() || off,
            format!("{path}.path"),
            "must be given with mode 'Http', such as '/actuator/health'",
        );
        violations.require(
            mode == ProbeMode::Exec || given.command.is_none(),
            format!("{path}.command"),
            "is only used with mode 'Exec'; set `mode: Exec` or remove it",
        );
        violations.require(
            mode != ProbeMode::Exec || given.port.is_none(),
            format!("{path}.port"),
            "is not used with mode 'Exec'; remove it",
        );
        let port = given.port.as_ref().and_then(|port| self.port(port, path, violations));
        let management = || ProbePort::Name(defaults::MANAGEMENT.name.to_owned());
        let serving = || ProbePort::Name(self.role.serving.name.to_owned());
        let asks = |default: &str, port: Option<ProbePort>| ProbeType::Http {
            path: given.path.clone().unwrap_or_else(|| default.to_owned()),
            port: number_or_name(port.unwrap_or_else(management)),
        };
        match mode {
            ProbeMode::ActuatorGroups => asks(self.group, port),
            ProbeMode::Actuator | ProbeMode::Http => asks(HEALTH, port),
            ProbeMode::Tcp => ProbeType::Tcp { port: number_or_name(port.unwrap_or_else(serving)) },
            ProbeMode::Grpc => {
                violations.require(
                    of_all || self.role.grpc.is_some(),
                    format!("{path}.mode"),
                    "'Grpc' needs a gRPC port, which this component does not open; use 'ActuatorGroups'",
                );
                // The kubelet accepts only a number.
                ProbeType::Grpc { port: port.map_or(defaults::GRPC.number, |port| self.number(&port)) }
            }
            ProbeMode::Exec => {
                let command = given.command.clone().unwrap_or_else(|| self.command.to_vec());
                violations.require(
                    of_all || off || !command.is_empty(),
                    format!("{path}.command"),
                    "must be given with mode 'Exec', here or for all probes",
                );
                ProbeType::Exec { command }
            }
        }
    }

    /// Returns `None` after a violation.
    fn port(&self, given: &ProbePort, path: &str, violations: &mut Violations) -> Option<ProbePort> {
        let good = match given {
            ProbePort::Number(number) => (1..=65535).contains(number),
            ProbePort::Name(name) => self.role.ports.iter().any(|port| port.name == name),
        };
        let names: Vec<_> = self.role.ports.iter().map(|port| port.name).collect();
        violations.require(
            good,
            format!("{path}.port"),
            format!("must be a port of this component ({}) or a number from 1 to 65535", names.join(", ")),
        );
        good.then(|| given.clone())
    }

    fn number(&self, port: &ProbePort) -> i32 {
        match port {
            ProbePort::Number(number) => *number,
            ProbePort::Name(name) => {
                let named = self.role.ports.iter().find(|port| port.name == name);
                named.map_or(defaults::GRPC.number, |port| port.number)
            }
        }
    }
}

fn number_or_name(port: ProbePort) -> IntOrString {
    match port {
        ProbePort::Number(number) => IntOrString::Int(number),
        ProbePort::Name(name) => IntOrString::String(name),
    }
}
