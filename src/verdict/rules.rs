//! The definition's CEL rules, evaluated without a server.

use kube::core::cel::{CompiledSchema, ErrorKind, Validator};
use serde_json::Value;

use super::{Layer, Refusal};

/// What the rules say of an object; those about a change are asked where there is an `existing` one.
pub fn check(rules: &CompiledSchema, object: &Value, existing: Option<&Value>) -> Vec<Refusal> {
    let Err(errors) = Validator::new().validate_compiled(rules, object, existing) else {
        return Vec::new();
    };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            let path = error.field_path.trim_start_matches('.');
            if error.kind == ErrorKind::ValidationFailure {
                let refusal = Refusal::new(Layer::Rule, path, &error.message);
                return Refusal { rule: Some(error.rule), ..refusal };
            }
            // A rule that cannot be evaluated here must not pass for one that was kept.
            Refusal::new(Layer::Rule, path, format!("a rule cannot be evaluated: {error}: {}", error.rule))
        })
        .collect()
}
