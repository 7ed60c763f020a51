//! Schema fragments that only this kind has, in addition to those of any product.

use schemars::{Schema, SchemaGenerator, json_schema};
pub use workload::api::schema::{annotations, cidrs, conditions, free_form, labels, memory};
use workload::api::schema::{explained, rule};

use super::{component::ComponentSpec, config::LogLevel};

/// A port of the server container.
pub fn probe_port() -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 10,
        "x-kubernetes-validations": [rule(
            "self == string(self) ? self in ['management', 'http', 'grpc'] : self >= 1 && self <= 65535",
            "must be 'management', 'http', 'grpc' or a number from 1 to 65535",
        )],
    })
}

/// Texts that users add to alerts.
pub fn alert_texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 256 },
    })
}

/// The map of components: one schema for all of them. CEL checks the keys.
pub fn components(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 3,
        "additionalProperties": generator.subschema_for::<ComponentSpec>(),
    })
}

/// Logger names to levels.
pub fn log_levels(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": generator.subschema_for::<LogLevel>(),
        "x-kubernetes-validations": [explained(
            "self.all(k, k.matches('^[A-Za-z_][A-Za-z0-9_.$-]{0,252}$'))",
            "'key ' + strings.quote(self.filter(k, !k.matches('^[A-Za-z_][A-Za-z0-9_.$-]{0,252}$'))[0]) + \" must be a logger's name such as 'com.logpilot': letters, digits, '_', '.', '$' and '-'\"",
        )],
    })
}
