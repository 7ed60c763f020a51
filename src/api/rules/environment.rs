//! Rules of environment variables: their names, and the variables that the operator sets itself.

use kube::core::Rule;

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

pub fn variable_name() -> Rule {
    Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must be a C identifier: letters, digits and '_', not starting with a digit")
}

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

/// As in a Pod, a divisor of CPU is not valid for memory.
pub fn divisor_fits() -> Rule {
    Rule::new("!has(self.divisor) || (self.resource.endsWith('.cpu') ? string(self.divisor) in ['1m', '1'] : string(self.divisor) in ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'])")
        .message("must be '1m' or '1' for CPU, and for memory and disk '1' or one of the units k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, such as '1Mi'")
        .field_path(".divisor")
}

/// The fields that the downward API offers as variables.
pub fn pod_field() -> Rule {
    Rule::new("self.matches('^(metadata[.](name|namespace|uid)|metadata[.](labels|annotations)\\\\[\\'[^\\']+\\'\\\\]|spec[.](nodeName|serviceAccountName)|status[.](hostIP|hostIPs|podIP|podIPs))$')")
        .message("must be one of metadata.name, metadata.namespace, metadata.uid, metadata.labels['<key>'], metadata.annotations['<key>'], spec.nodeName, spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP, status.podIPs")
}
