//! Evaluation of the CEL rules of the definition without a server.

use kube::core::cel::{CompiledSchema, ErrorKind, Validator};
use serde_json::Value;

use super::{Layer, Refusal};

/// Returns the violations of an object. Rules about changes are evaluated only if there is an
/// `existing` object.
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
            // A rule that cannot be evaluated here must not count as passed.
            Refusal::new(Layer::Rule, path, format!("a rule cannot be evaluated: {error}: {}", error.rule))
        })
        .collect()
}
