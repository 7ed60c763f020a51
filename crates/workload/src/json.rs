//! Reading JSON of any shape.

use serde_json::Value;

/// The items of a list; none where there is no such field, or it is no list.
pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// The text at a pointer.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    field_at(value, pointer)?.as_str()
}

/// The value at a pointer. It is asked of many resources: no name here needs what `Value::pointer` copies each of them for.
#[must_use]
pub fn field_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, field| value.get(field))
}
