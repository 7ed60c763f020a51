//! Reading JSON of any shape.

use serde_json::Value;

/// The items of a list; none where there is no such field, or it is no list.
pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}
