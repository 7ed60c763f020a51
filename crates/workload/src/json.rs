//! Readers for JSON of any shape.

use serde_json::Value;

/// Returns the items of a list; none if the field does not exist or is no list.
pub fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the path of a field below another one. Keys that need it are in brackets.
#[must_use]
pub fn child(path: &str, key: &str) -> String {
    let word = key.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char)) && !key.is_empty();
    match (path, word) {
        ("", _) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key}]"),
    }
}

/// Returns the path of an item of a list.
#[must_use]
pub fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The text at a pointer.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    field_at(value, pointer)?.as_str()
}

/// Returns the value at a pointer. It is called for many resources: no name here needs the copies that
/// `Value::pointer` makes for each of them.
#[must_use]
pub fn field_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, field| value.get(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_which_part_is_a_key() {
        assert_eq!(child("metadata.labels", "a.b/c"), "metadata.labels[a.b/c]");
        assert_eq!(child("spec", "image"), "spec.image");
        assert_eq!(child("", "spec"), "spec");
    }
}
