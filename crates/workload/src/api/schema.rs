//! Schema fragments that the derive cannot express: int-or-string values, bounded maps, free-form objects.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A rule inside a schema, for fragments that have no struct to carry an attribute.
pub fn rule(expression: &str, message: &str) -> Value {
    json!({ "rule": expression, "message": message })
}

/// Like `rule`, with a message that quotes values.
pub fn explained(expression: &str, message: &str) -> Value {
    json!({ "rule": expression, "messageExpression": message })
}

/// The maximum length of a quantity. Kubernetes 1.33 ignores this bound when it estimates the cost
/// of a rule and assumes 3 MiB. Rules on quantities therefore convert and parse as rarely as
/// possible.
const QUANTITY_LENGTH: u32 = 32;

/// A quantity with a minimum. `hint` is an expression for the message about a value below it.
///
/// Values are text or a number, and `string` converts them to text. The client-side evaluator has
/// no `type` function, so `self == string(self)` distinguishes the two.
fn at_least(least: &str, example: &str, hint: &str) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": QUANTITY_LENGTH,
        "x-kubernetes-validations": [explained(
            &format!("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('{least}')) >= 0"),
            &format!("!isQuantity(string(self)) ? \"must be a quantity such as {example}, without spaces\" : {hint}"),
        )],
    })
}

/// Any quantity.
pub fn quantity() -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": QUANTITY_LENGTH,
        "x-kubernetes-validations": [rule(
            "isQuantity(string(self))",
            "must be a quantity such as '512Mi', '10Gi' or '250m', without spaces",
        )],
    })
}

/// The unit of a resource as a variable. A rule that knows the resource checks which units are
/// allowed.
pub fn divisor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "maxLength": 8 })
}

/// CPU. A whole number counts CPUs.
pub fn cpu(_: &mut SchemaGenerator) -> Schema {
    at_least("1m", "'500m' or '2'", "'must be at least 1m, which is a thousandth of a CPU'")
}

/// Bytes of memory or disk. The minimum is far above any mistake in the suffix: `400m` is 0.4 bytes
/// and `512` is 512 bytes.
pub fn memory(_: &mut SchemaGenerator) -> Schema {
    at_least(
        "16Mi",
        "'512Mi'",
        "string(self).matches('^[0-9]+$') ? \"must be at least 16Mi; a number without a suffix means bytes: did you mean '%sMi'?\".format([string(self)]) : string(self).endsWith('m') ? \"must be at least 16Mi; 'm' means thousandths of a byte: did you mean '%s'?\".format([string(self).replace('m', 'Mi')]) : 'must be at least 16Mi'",
    )
}

/// A count, or a percentage up to 100%.
pub fn int_or_percent() -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 8,
        "x-kubernetes-validations": [rule(
            "self == string(self) ? self.matches('^[0-9]+%$') && (self.size() <= 3 || self == '100%') : self >= 0 && self <= 1000",
            "must be an integer from 0 to 1000 or a percentage between '0%' and '100%'",
        )],
    })
}

/// Like `int_or_percent`, with percentages above 100%: an update may start more than twice as many
/// pods.
pub fn surge(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 8,
        "x-kubernetes-validations": [rule(
            "self == string(self) ? self.matches('^[0-9]+%$') && self.size() <= 4 : self >= 0 && self <= 1000",
            "must be an integer from 0 to 1000 or a percentage between '0%' and '999%'",
        )],
    })
}

/// Labels. CEL checks qualified keys where the map is used. A pattern checks the values.
pub fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        },
    })
}

/// Annotations: free text values with a maximum length.
pub fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
    })
}

/// CIDR blocks.
pub fn cidrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": {
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": [rule(
                "isCIDR(self)",
                "must be a CIDR block such as '10.0.0.0/8' or '2001:db8::/32'",
            )],
        },
        "x-kubernetes-list-type": "set",
    })
}

/// A free-form object. Only administrators can write this kind. The operator checks the size.
pub fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// A value of any type.
pub fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// Conditions as a list-map, so that two writers cannot duplicate a type.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>();
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
