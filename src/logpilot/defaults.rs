//! Every default and its source. Applied when objects are rendered, never written to `spec`.
//!
//! "Seed" is the hand-written manifests that the operator replaces; values of the server were measured on
//! version 1.2.0.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::model::{Port, ServerRole};
use crate::{
    api::{cluster::Environment, component::ProbeTimings, exposure::ComponentKey},
    workload::{
        model::ProbeTiming,
        resolve::{exposure, resources, rollout, scaling},
    },
};

pub const HTTP: Port = Port { name: "http", number: 8080, app_protocol: None };
/// The name of Kubernetes for HTTP/2 without TLS.
pub const GRPC: Port = Port { name: "grpc", number: 50051, app_protocol: Some("kubernetes.io/h2c") };
pub const MANAGEMENT: Port = Port { name: "management", number: 8081, app_protocol: None };

/// The image that messages suggest.
pub const EXAMPLE_IMAGE: &str = "danpung2/logpilot:1.2.0";

/// Night in most time zones in which users keep the default.
pub const BACKUP_SCHEDULE: &str = "0 3 * * *";
/// Without a time zone, a CronJob uses the clock of its controller, which is not known.
pub const BACKUP_TIME_ZONE: &str = "Etc/UTC";
pub const BACKUPS_KEPT: i32 = 7;
/// Space for seven copies plus one of a data volume that is a quarter full.
pub const BACKUP_CLAIM_SIZE: &str = "20Gi";

pub static ALL: ServerRole = ServerRole {
    key: ComponentKey::All,
    name: "all",
    container: "logpilot",
    ports: &[HTTP, GRPC, MANAGEMENT],
    http: Some(&HTTP),
    grpc: Some(&GRPC),
    serving: &HTTP,
    cpu_request: "100m",
    cpu_limit: "500m",
    claim_size: "10Gi",
};
pub static REST: ServerRole = ServerRole {
    key: ComponentKey::Rest,
    name: "rest",
    container: "logpilot-rest",
    ports: &[HTTP, MANAGEMENT],
    http: Some(&HTTP),
    grpc: None,
    serving: &HTTP,
    cpu_request: "50m",
    cpu_limit: "300m",
    claim_size: "5Gi",
};
/// The seed does not contain the name of its container; it follows the other two.
pub static GRPC_ONLY: ServerRole = ServerRole {
    key: ComponentKey::Grpc,
    name: "grpc",
    container: "logpilot-grpc",
    ports: &[GRPC, MANAGEMENT],
    http: None,
    grpc: Some(&GRPC),
    serving: &GRPC,
    cpu_request: "50m",
    cpu_limit: "300m",
    claim_size: "5Gi",
};

#[must_use]
pub fn role(key: ComponentKey) -> &'static ServerRole {
    match key {
        ComponentKey::All => &ALL,
        ComponentKey::Rest => &REST,
        ComponentKey::Grpc => &GRPC_ONLY,
    }
}

/// Everything that a preset decides. No size and no storage class: a change of preset must not shrink a
/// volume.
#[must_use]
pub fn replicas(environment: Environment, key: ComponentKey) -> i32 {
    match (environment, key) {
        (Environment::Development, _) => 1,
        (Environment::Production, ComponentKey::Rest) => 3,
        (Environment::Staging | Environment::Production, _) => 2,
    }
}

/// Size of the PVC that all components share (seed).
pub const SHARED_CLAIM_SIZE: &str = "10Gi";

/// The server uses 206 to 381 MiB under load, so 256Mi is the request and 512Mi the limit.
pub const MEMORY_REQUEST: &str = "256Mi";
pub const MEMORY_LIMIT: &str = "512Mi";

/// Those of the processor differ by role.
#[must_use]
pub fn resources(role: &ServerRole) -> resources::Defaults<'static> {
    resources::Defaults {
        cpu_request: role.cpu_request,
        cpu_limit: role.cpu_limit,
        memory_request: MEMORY_REQUEST,
        memory_limit: MEMORY_LIMIT,
    }
}

/// Any user is suitable: the image is readable for all and writes only to mounted volumes. It must be a
/// number, because the image names its user and the kubelet cannot verify that a name is not root.
pub const USER: i64 = 10001;

/// Covers the preStop delay of 5 s and Spring's own 30 s for requests in flight.
pub const GRACE_PERIOD_SECONDS: i64 = 45;

/// Seed: a percentage, so that it fits any number of replicas.
#[must_use]
pub fn rollout() -> rollout::Defaults {
    let quarter = || IntOrString::String("25%".into());
    rollout::Defaults { max_surge: quarter(), max_unavailable: quarter() }
}

/// Seed.
#[must_use]
pub fn scaling(environment: Environment, key: ComponentKey) -> scaling::Defaults {
    scaling::Defaults { replicas: replicas(environment, key), min_replicas: 2, target_cpu: 70 }
}

/// Probe timings of the seed; the startup probe allows 10 + 10 × 10 s.
const LIVENESS: ProbeTiming =
    ProbeTiming { initial_delay: 30, period: 10, timeout: 5, failures: 3, successes: None };
const READINESS: ProbeTiming =
    ProbeTiming { initial_delay: 10, period: 5, timeout: 3, failures: 3, successes: None };
const STARTUP: ProbeTiming =
    ProbeTiming { initial_delay: 10, period: 10, timeout: 5, failures: 10, successes: None };

#[must_use]
pub fn liveness(given: Option<&ProbeTimings>) -> Option<ProbeTiming> {
    timing(given, LIVENESS)
}
#[must_use]
pub fn readiness(given: Option<&ProbeTimings>) -> Option<ProbeTiming> {
    timing(given, READINESS)
}
#[must_use]
pub fn startup(given: Option<&ProbeTimings>) -> Option<ProbeTiming> {
    timing(given, STARTUP)
}

/// `None` if the probe is disabled.
fn timing(given: Option<&ProbeTimings>, default: ProbeTiming) -> Option<ProbeTiming> {
    let Some(given) = given else { return Some(default) };
    (given.enabled != Some(false)).then(|| ProbeTiming {
        initial_delay: given.initial_delay_seconds.unwrap_or(default.initial_delay),
        period: given.period_seconds.unwrap_or(default.period),
        timeout: given.timeout_seconds.unwrap_or(default.timeout),
        failures: given.failure_threshold.unwrap_or(default.failures),
        successes: given.success_threshold,
    })
}

/// The server's own request limit and pool (its built-in values), written explicitly so that the
/// ConfigMap shows them.
pub const RATE_CAPACITY: i32 = 100;
pub const RATE_REFILL_TOKENS: i32 = 100;
pub const RATE_REFILL_SECONDS: i32 = 60;
pub const POOL_MAXIMUM: i32 = 10;
pub const POOL_MINIMUM_IDLE: i32 = 2;

/// Time limit of a configuration check: nearly three times the budget of the startup probe, plus the
/// pull of the image.
pub const CONFIG_CHECK_SECONDS: i32 = 300;

/// Key of the API key inside its Secret.
pub const API_KEY: &str = "api-key";

/// Seed.
pub const SCRAPE_INTERVAL: &str = "30s";
pub const SCRAPE_TIMEOUT: &str = "10s";
pub const LOAD_BALANCER_HTTP_PORT: i32 = 80;

/// CORS settings for browsers if `cors` does not set them: the controller's own lists, and the header
/// that carries the API key.
pub const CORS: exposure::CorsDefaults<'static> = exposure::CorsDefaults {
    origin: "*",
    methods: &["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"],
    headers: &[
        "DNT",
        "Keep-Alive",
        "User-Agent",
        "X-Requested-With",
        "If-Modified-Since",
        "Cache-Control",
        "Content-Type",
        "Range",
        "Authorization",
        "X-API-KEY",
    ],
};
