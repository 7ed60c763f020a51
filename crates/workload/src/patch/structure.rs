//! Structural validation as in the API server: it drops `null`, then checks types, bounds, values,
//! fields and keys of lists. It implements as much of the schema language as the definition and the
//! built-in kinds use.

use regex::Regex;
use serde_json::{Map, Value};

use crate::json::{child, item};

/// The check that rejects the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Strict field validation: an unknown or duplicate field.
    Strict,
    /// Schema: types, bounds, values, keys of lists, `metadata`.
    Schema,
    /// A CEL rule of the definition.
    Rule,
    /// A check of the operator, for objects that the API server accepts.
    Operator,
}

/// One reason why an object is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub layer: Layer,
    /// The path of the field, such as `spec.components.all.env[0].value`.
    pub path: String,
    pub message: String,
    /// The text of the rule, for CEL rules.
    pub rule: Option<String>,
    /// Rules are not evaluated for an object with such a violation, because the evaluation would
    /// fail.
    pub blocking: bool,
}

impl Refusal {
    #[must_use]
    pub fn new(layer: Layer, path: &str, message: impl Into<String>) -> Self {
        Self { layer, path: path.to_owned(), message: message.into(), rule: None, blocking: false }
    }

    #[must_use]
    pub fn blocking(self) -> Self {
        Self { blocking: true, ..self }
    }
}

/// The maximum distance of a suggestion: a third of the letters may differ.
const NEAR: usize = 3;

/// Returns `true` if the API server drops a field before validation.
fn is_dropped(value: &Value, schema: &Value, name: &str) -> bool {
    value.is_null() && field(schema, name).is_some_and(|schema| schema["nullable"] != true)
}

/// Returns the paths of the values that `prune_null` drops.
pub fn nulls(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                if is_dropped(value, schema, name) {
                    found.push(path);
                } else if let Some(schema) = field(schema, name) {
                    nulls(value, schema, &path, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                nulls(value, &schema["items"], &item(path, index), found);
            }
        }
        _ => {}
    }
}

/// Drops `null` values that are not allowed, as the API server does before validation: they mean
/// "absent".
pub fn prune_null(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !is_dropped(value, schema, name));
            for (name, value) in fields {
                if let Some(schema) = field(schema, name) {
                    prune_null(value, schema);
                }
            }
        }
        Value::Array(items) => {
            let schema = &schema["items"];
            items.iter_mut().filter(|_| schema.is_object()).for_each(|it| prune_null(it, schema));
        }
        _ => {}
    }
}

/// Returns unknown fields. As in the API server, the fields of a mapping in place of another type
/// count too.
pub fn unknown_fields(value: &Value, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                if let Some(schema) = field(schema, name) {
                    unknown_fields(value, schema, &path, found);
                } else if schema["x-kubernetes-preserve-unknown-fields"] != true {
                    let known = schema["properties"].as_object().into_iter().flatten();
                    let hint = nearest(name, known.map(|(name, _)| name.as_str()));
                    let hint = hint
                        .map(|it| format!("; did you mean `{it}`?"))
                        .or_else(|| elsewhere(name, schema))
                        .unwrap_or_default();
                    found.push(Refusal::new(Layer::Strict, &path, format!("unknown field \"{path}\"{hint}")));
                }
            }
        }
        Value::Array(items) if schema["x-kubernetes-preserve-unknown-fields"] != true => {
            for (index, value) in items.iter().enumerate() {
                unknown_fields(value, &schema["items"], &item(path, index), found);
            }
        }
        _ => {}
    }
}

/// Finds a field that is one level too high: the entries of a map next to it have it.
fn elsewhere(name: &str, schema: &Value) -> Option<String> {
    let maps = schema["properties"].as_object()?.iter();
    let (map, _) = maps
        .filter(|(_, schema)| {
            schema.pointer("/additionalProperties/properties").is_some_and(|it| it.get(name).is_some())
        })
        .min_by_key(|(map, _)| map.as_str())?;
    Some(format!("; it is a field of each entry of `{map}`"))
}

/// Returns all violations of types and values in `value`. Its fields are known.
pub fn check(value: &Value, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    let at = found.len();
    type_of(value, schema, path, found);
    if found.len() > at {
        return;
    }
    one_of(value, schema, path, found);
    match value {
        Value::String(text) => of_text(text, schema, path, found),
        Value::Number(number) => of_number(number.as_f64().unwrap_or_default(), schema, path, found),
        Value::Array(items) => {
            bounds(items.len(), ["minItems", "maxItems"], "items", schema, path, found);
            unique(items, schema, path, found);
            for (index, value) in items.iter().enumerate() {
                check(value, &schema["items"], &item(path, index), found);
            }
        }
        Value::Object(fields) => of_object(fields, schema, path, found),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Returns the schema of a field, if it has one.
fn field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let properties = schema["properties"].get(name);
    properties.or_else(|| Some(&schema["additionalProperties"]).filter(|it| it.is_object()))
}

fn type_of(value: &Value, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    let given = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() && !number.as_f64().is_some_and(is_whole) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let int_or_string = schema["x-kubernetes-int-or-string"] == true;
    let wanted = schema["type"].as_str();
    let right = match wanted {
        _ if int_or_string => ["integer", "string"].contains(&given),
        _ if value.is_null() && schema["nullable"] == true => true,
        Some("number") => ["integer", "number"].contains(&given),
        Some(wanted) => wanted == given,
        None => true,
    };
    if !right {
        let wanted = if int_or_string { "an integer or text" } else { words(wanted.unwrap_or_default()) };
        let hint = match given {
            "number" if int_or_string => "; quote it, as in '0.5'",
            "boolean" if wanted == "text" || int_or_string => {
                "; quote it: words such as yes, no, on and off are booleans without quotes"
            }
            "integer" | "number" if wanted == "text" => "; quote it",
            _ => "",
        };
        let message = format!("must be {wanted}, not {}{hint}", shown(value, given));
        found.push(Refusal::new(Layer::Schema, path, message).blocking());
    }
}

/// Returns `true` if the API server accepts a float as an integer. Beyond 53 bits it cannot tell
/// the difference.
fn is_whole(number: f64) -> bool {
    const MOST: f64 = 9_007_199_254_740_991.0;
    number.fract() == 0.0 && number.abs() <= MOST
}

fn words(type_: &str) -> &'static str {
    match type_ {
        "string" => "text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        _ => "a mapping",
    }
}

fn shown(value: &Value, type_: &str) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => words(type_).to_owned(),
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("the text '{}'", start(text)),
        other => other.to_string(),
    }
}

/// Returns the beginning of a long text, which is enough to find it.
fn start(text: &str) -> String {
    const SHOWN: usize = 64;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

fn one_of(value: &Value, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) else { return };
    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    let given = value.as_str().map_or_else(|| value.to_string(), start);
    let hint = nearest(&given, texts.iter().copied())
        .map(|it| format!("; did you mean '{it}'?"))
        .unwrap_or_default();
    let message = format!("'{given}' is not supported; supported are {}{hint}", texts.join(", "));
    found.push(Refusal::new(Layer::Schema, path, message).blocking());
}

fn of_text(text: &str, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    bounds(text.chars().count(), ["minLength", "maxLength"], "characters", schema, path, found);
    let Some(pattern) = schema["pattern"].as_str() else { return };
    // A test of this file compiles all patterns of the definition.
    if Regex::new(pattern).is_ok_and(|it| !it.is_match(text)) {
        let message = format!("'{}' must match '{pattern}'", start(text));
        found.push(Refusal::new(Layer::Schema, path, message));
    }
}

fn of_number(number: f64, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        let message = format!("must be greater than or equal to {least}, not {number}");
        found.push(Refusal::new(Layer::Schema, path, message));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        let message = format!("must be less than or equal to {most}, not {number}");
        found.push(Refusal::new(Layer::Schema, path, message));
    }
}

fn bounds(
    size: usize,
    [least, most]: [&str; 2],
    of: &str,
    schema: &Value,
    path: &str,
    found: &mut Vec<Refusal>,
) {
    let size = size as u64;
    if let Some(least) = schema[least].as_u64().filter(|least| size < *least) {
        let message = format!("must have at least {least} {of}, not {size}");
        found.push(Refusal::new(Layer::Schema, path, message));
    }
    if let Some(most) = schema[most].as_u64().filter(|most| size > *most) {
        let message = format!("must have at most {most} {of}, not {size}");
        found.push(Refusal::new(Layer::Schema, path, message).blocking());
    }
}

/// Checks list-maps and sets: each key must occur once. As in the API server, the second occurrence
/// is reported.
fn unique(items: &[Value], schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    if !schema["x-kubernetes-list-type"].is_string() {
        return;
    }
    let key = schema["x-kubernetes-list-map-keys"].get(0).and_then(Value::as_str);
    let keys: Vec<&Value> = items.iter().map(|it| key.map_or(it, |key| &it[key])).collect();
    for (index, of) in keys.iter().enumerate() {
        if keys.iter().take(index).filter(|it| *it == of).count() == 1 {
            let which = key.map(|key| format!("`{key}` ")).unwrap_or_default();
            let message = format!("{which}{of} is already in the list; each may occur only once");
            found.push(Refusal::new(Layer::Schema, &item(path, index), message));
        }
    }
}

fn of_object(fields: &Map<String, Value>, schema: &Value, path: &str, found: &mut Vec<Refusal>) {
    bounds(fields.len(), ["minProperties", "maxProperties"], "keys", schema, path, found);
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            found.push(Refusal::new(Layer::Schema, &child(path, name), "is required").blocking());
        }
    }
    for (name, value) in fields {
        if let Some(schema) = field(schema, name) {
            check(value, schema, &child(path, name), found);
        }
    }
}

/// Returns the name that was probably meant.
#[must_use]
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let distance = |name: &str| strsim::osa_distance(&lower, &name.to_lowercase());
    let near = |(distance, name): &(usize, &str)| *distance <= given.chars().count().max(name.len()) / NEAR;
    let prefixed = |name: &&str| {
        let name = name.to_lowercase();
        lower.len() >= NEAR && (name.starts_with(&lower) || lower.starts_with(&name))
    };
    let names: Vec<&str> = names.collect();
    let by_letters = names.iter().map(|name| (distance(name), *name)).filter(near).min();
    by_letters.map(|(_, name)| name).or_else(|| names.into_iter().find(prefixed))
}
