//! Health checks of a container.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Health checks; `None` is a probe that was turned off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    pub liveness: Option<Probe>,
    pub readiness: Option<Probe>,
    pub startup: Option<Probe>,
}

impl Probes {
    /// Those that run.
    pub fn all(&self) -> impl Iterator<Item = &Probe> {
        [&self.liveness, &self.readiness, &self.startup].into_iter().flatten()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What the user calls the way of checking.
    pub mode: String,
    pub check: ProbeType,
    pub timing: ProbeTiming,
}

/// What a probe asks. Ports are names of the container's, or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeType {
    Http { path: String, port: IntOrString },
    Tcp { port: IntOrString },
    Grpc { port: i32 },
    Exec { command: Vec<String> },
}

/// In seconds and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    pub initial_delay: i32,
    pub period: i32,
    pub timeout: i32,
    pub failures: i32,
    pub successes: Option<i32>,
}
