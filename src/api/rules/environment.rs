//! Environment variables: the ones that the operator sets itself.

use kube::core::Rule;
pub use workload::api::rules::environment::variable_name;

use super::explained;

/// Name to what to use instead. The operator's own value would lose against `env`, and the cluster
/// would run other than its status says. Spring passes over a dash in a property, and takes an underscore for it too.
pub const OWNED_VARIABLES: &[(&str, &str)] = &[
    ("SPRING_CONFIG_LOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_ADDITIONAL_LOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_ADDITIONALLOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_IMPORT", "`config.overlay`"),
    ("SPRING_CONFIG_NAME", "`config.overlay`"),
    // It beats every other variable, the API key's too.
    ("SPRING_APPLICATION_JSON", "`config.overlay`"),
    ("SPRING_PROFILES_ACTIVE", "`components`"),
    ("LOGPILOT_PROTOCOL", "`components`"),
    ("LOGPILOT_SERVER_PROTOCOL", "`components`"),
    ("SERVER_SHUTDOWN", "`terminationGracePeriodSeconds`"),
    ("LOGPILOT_API_KEY", "`auth.apiKeySecret`"),
    ("LOGPILOT_SERVER_API_KEY", "`auth.apiKeySecret`"),
    ("LOGPILOT_SERVER_APIKEY", "`auth.apiKeySecret`"),
    ("SERVER_PORT", PORTS),
    ("MANAGEMENT_SERVER_PORT", PORTS),
    ("GRPC_SERVER_PORT", PORTS),
    ("LOGPILOT_SERVER_PORT", PORTS),
    ("LOGPILOT_HTTP_PORT", PORTS),
    ("LOGPILOT_MANAGEMENT_PORT", PORTS),
    ("LOGPILOT_GRPC_PORT", PORTS),
    ("LOGPILOT_STORAGE_TYPE", "`storage.backend`"),
    ("LOGPILOT_STORAGE_DIR", "`storage`"),
    ("LOGPILOT_STORAGE_DIRECTORY", "`storage`"),
    ("LOGPILOT_SQLITE_PATH", "`storage`"),
    ("LOGPILOT_STORAGE_SQLITE_PATH", "`storage`"),
];

/// Containers listen on fixed ports; Services map them.
const PORTS: &str = "`loadBalancer`, `nodePort` or `exposure`";

/// Spring reads them in small letters too. Other spellings, with two underscores in a row for one, are refused by the operator.
pub fn not_owned() -> Rule {
    let names: Vec<String> = OWNED_VARIABLES.iter().map(|(name, _)| format!("'{name}'")).collect();
    let advice: Vec<String> =
        OWNED_VARIABLES.iter().map(|(name, instead)| format!("'{name}': '{instead}'")).collect();
    explained(
        format!("!(self.upperAscii() in [{}])", names.join(", ")),
        format!("\"may not override '\" + self + \"'; use \" + {{{}}}[self.upperAscii()]", advice.join(", ")),
    )
}
