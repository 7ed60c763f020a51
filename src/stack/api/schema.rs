//! Schema fragments of the maps of a stack, which the derive cannot bound.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::{
    MAX_COMPONENTS,
    component::ComponentSpec,
    spec::SecretEntry,
    volume::{ComponentVolume, SharedVolume},
};

/// The components. The keys are checked by CEL.
pub fn components(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_COMPONENTS,
        "additionalProperties": generator.subschema_for::<ComponentSpec>(),
    })
}

/// Entries of `spec.secrets`.
pub fn secrets(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": generator.subschema_for::<SecretEntry>(),
    })
}

/// Entries of `spec.volumes`.
pub fn shared_volumes(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": generator.subschema_for::<SharedVolume>(),
    })
}

/// Volumes of a component.
pub fn component_volumes(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 8,
        "additionalProperties": generator.subschema_for::<ComponentVolume>(),
    })
}

/// Environment variables. The operator checks their names: a CEL rule over 100 keys in 32 components would exceed the API
/// server's cost limit.
pub fn env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 100,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// Files. The operator checks their paths, for the reason of [`env`].
pub fn files(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 65_536 },
    })
}
