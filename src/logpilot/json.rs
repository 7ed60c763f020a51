//! Readers for JSON of any shape.

use serde_json::Value;

/// Returns the items of a list; none if the field does not exist or is no list.
pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}
