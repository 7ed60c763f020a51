//! Health checks of a container.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Health checks. A probe that was turned off is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    pub liveness: Option<Probe>,
    pub readiness: Option<Probe>,
    pub startup: Option<Probe>,
}

impl Probes {
    /// Returns the probes that are not turned off.
    pub fn all(&self) -> impl Iterator<Item = &Probe> {
        [&self.liveness, &self.readiness, &self.startup].into_iter().flatten()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The check as the user's configuration names it.
    pub mode: String,
    pub check: ProbeType,
    pub timing: ProbeTiming,
}

/// The check that a probe runs. Ports are names of the container's ports, or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeType {
    Http { path: String, port: IntOrString },
    Tcp { port: IntOrString },
    Grpc { port: i32 },
    Exec { command: Vec<String> },
}

/// Timing in seconds, and thresholds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    pub initial_delay: i32,
    pub period: i32,
    pub timeout: i32,
    pub failures: i32,
    pub successes: Option<i32>,
}
