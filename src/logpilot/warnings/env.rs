//! Warnings about variables that the server ignores: short names are placeholders in its built-in file,
//! and the file of the operator sets the real property.

use super::{object, warning};
use crate::{
    api::status::Problem,
    logpilot::model::{Cluster, Component},
};

pub use crate::reasons::ENV_IGNORED;

/// Variables and their replacements, including those that `kubectl apply` rejects: an object may be
/// older than a rule.
const IGNORED: &[(&str, &str)] = &[
    ("LOGPILOT_API_KEY", "`auth.apiKeySecret`"),
    ("LOGPILOT_PROTOCOL", "`components`"),
    ("LOGPILOT_HTTP_PORT", "the port of a Service, Ingress or load balancer"),
    ("LOGPILOT_GRPC_PORT", "the port of a Service, Ingress or load balancer"),
    ("LOGPILOT_MANAGEMENT_PORT", "nothing: probes and metrics use the fixed port"),
    ("LOGPILOT_STORAGE_DIR", "`storage`; the volume is mounted at a fixed path"),
    ("LOGPILOT_SQLITE_PATH", "`storage`; the volume is mounted at a fixed path"),
    ("LOGPILOT_SQLITE_POOL_SIZE", "`config.sqlitePool.maximumSize`"),
    ("LOGPILOT_RATE_LIMIT_CAPACITY", "`config.serverRateLimit.capacity`"),
    ("LOGPILOT_RATE_LIMIT_REFILL_TOKENS", "`config.serverRateLimit.refillTokens`"),
    ("LOGPILOT_RATE_LIMIT_REFILL_DURATION_SECONDS", "`config.serverRateLimit.refillSeconds`"),
];

/// Returns the replacement of a variable that the server ignores.
#[must_use]
pub fn instead(variable: &str) -> Option<&'static str> {
    IGNORED.iter().find(|(name, _)| *name == variable).map(|(_, instead)| *instead)
}

pub fn warnings(cluster: &Cluster, component: &Component) -> Vec<Problem> {
    let ignored = component.env.iter().filter_map(|variable| {
        let (name, instead) = (&variable.name, instead(&variable.name)?);
        Some(warning(
            ENV_IGNORED,
            &object(cluster, "Deployment", &component.name),
            format!(
                "env entry '{name}' of component {} has no effect: the generated application.yml sets the property",
                component.role.name
            ),
            &format!("Remove it and use {instead}."),
        ))
    });
    ignored.collect()
}
