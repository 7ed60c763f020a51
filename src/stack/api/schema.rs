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

/// Environment variables. CEL rules of the field check their names.
pub fn env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 100,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// Files. CEL rules of the field check their paths.
pub fn files(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 65_536 },
    })
}
