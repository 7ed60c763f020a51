//! Environment variables: the ones that the operator sets itself.

use kube::core::Rule;
pub use workload::api::rules::environment::variable_name;

use super::explained;

/// Maps the name of each variable to the field to use instead. `env` would override the value of
/// the operator, and the servers would differ from what the status reports. Spring ignores a dash
/// in a property, and accepts an underscore for it too.
pub const OWNED_VARIABLES: &[(&str, &str)] = &[
    ("SPRING_CONFIG_LOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_ADDITIONAL_LOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_ADDITIONALLOCATION", "`config.overlay`"),
    ("SPRING_CONFIG_IMPORT", "`config.overlay`"),
    ("SPRING_CONFIG_NAME", "`config.overlay`"),
    // It overrides every other variable, including the API key.
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

/// Containers listen on fixed ports, and Services map them.
const PORTS: &str = "`loadBalancer`, `nodePort` or `exposure`";

/// Spring reads the names in lower case too. The operator rejects other spellings, such as those
/// with two underscores in a row for one.
pub fn not_owned() -> Rule {
    let names: Vec<String> = OWNED_VARIABLES.iter().map(|(name, _)| format!("'{name}'")).collect();
    let advice: Vec<String> =
        OWNED_VARIABLES.iter().map(|(name, instead)| format!("'{name}': '{instead}'")).collect();
    explained(
        format!("!(self.upperAscii() in [{}])", names.join(", ")),
        format!("\"may not override '\" + self + \"'; use \" + {{{}}}[self.upperAscii()]", advice.join(", ")),
    )
}
