//! What the API server does with an object, done here: drop `null`, check the structure, then the
//! rules. Only as much of it as the schema of this repository uses.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "JSON that is not there reads as null")]

use jsonschema::error::ValidationErrorKind;
use kube::core::cel::{CompiledSchema, ErrorKind, Validator, compile_schema};
use serde_json::{Value, json};

use super::table::{Layer, Row};

/// Why an object is refused.
#[derive(Debug)]
pub struct Refusal {
    pub layer: Layer,
    pub path: String,
    pub message: String,
    /// The rule's text, for rules.
    pub rule: Option<String>,
}

/// The schema of the definition to install.
fn schema() -> Value {
    let crd = serde_json::to_value(logpilot_operator::api::crd()).expect("the definition is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The schema, ready to judge objects.
pub struct Judge {
    schema: Value,
    structure: jsonschema::Validator,
    rules: CompiledSchema,
}

impl Judge {
    pub fn new() -> Self {
        let schema = schema();
        Self {
            structure: jsonschema::draft4::new(&strict(&schema, true)).expect("the schema is a JSON schema"),
            rules: compile_schema(&schema),
            schema,
        }
    }

    /// Everything that speaks against `object`. As on the server, rules are only asked about
    /// objects whose structure is right.
    pub fn refusals(&self, object: &Value, existing: Option<&Value>) -> Vec<Refusal> {
        let object = without_null(object);
        let mut found = self.structure(&object);
        duplicates(&self.schema, &object, "", &mut found);
        if found.is_empty() {
            let existing = existing.map(without_null);
            found = self.rules(&object, existing.as_ref());
        }
        found
    }

    fn structure(&self, object: &Value) -> Vec<Refusal> {
        let mut found = Vec::new();
        for error in self.structure.iter_errors(object) {
            let at = error.instance_path().to_string();
            let at = at.trim_start_matches('/').replace('/', ".");
            let mut refuse = |layer, path| {
                found.push(Refusal { layer, path, message: error.to_string(), rule: None });
            };
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    for name in unexpected {
                        refuse(Layer::Strict, format!("{at}.{name}"));
                    }
                }
                ValidationErrorKind::Required { property } => {
                    let name = property.as_str().unwrap_or_default();
                    refuse(Layer::Schema, format!("{at}.{name}"));
                }
                _ => refuse(Layer::Schema, at),
            }
        }
        found
    }

    fn rules(&self, object: &Value, existing: Option<&Value>) -> Vec<Refusal> {
        let Err(errors) = Validator::new().validate_compiled(&self.rules, object, existing) else {
            return Vec::new();
        };
        errors
            .into_vec()
            .into_iter()
            .map(|error| Refusal {
                layer: Layer::Cel,
                path: Row::plain_path(error.field_path.trim_start_matches('.')).replace('\'', ""),
                // A rule that cannot be evaluated here must not pass for one that refuses.
                message: if error.kind == ErrorKind::ValidationFailure {
                    error.message.clone()
                } else {
                    format!("cannot be evaluated: {error}: {}", error.rule)
                },
                rule: (error.kind == ErrorKind::ValidationFailure).then(|| error.rule.clone()),
            })
            .collect()
    }
}

/// The schema as plain JSON Schema: int-or-string spelled out, unknown fields refused. Metadata is
/// the server's own business.
fn strict(schema: &Value, root: bool) -> Value {
    let Value::Object(fields) = schema else {
        return schema.clone();
    };
    let mut out = fields.clone();
    if fields.contains_key("x-kubernetes-int-or-string") {
        out.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if let Some(Value::Object(properties)) = fields.get("properties") {
        let properties: serde_json::Map<_, _> = properties
            .iter()
            .filter(|(name, _)| !(root && *name == "metadata"))
            .map(|(name, property)| (name.clone(), strict(property, false)))
            .collect();
        out.insert("properties".to_owned(), Value::Object(properties));
        if !root {
            out.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    if let Some(values @ Value::Object(_)) = fields.get("additionalProperties") {
        out.insert("additionalProperties".to_owned(), strict(values, false));
    }
    if let Some(items) = fields.get("items") {
        out.insert("items".to_owned(), strict(items, false));
    }
    Value::Object(out)
}

/// List-maps and sets: each key once.
fn duplicates(schema: &Value, value: &Value, path: &str, found: &mut Vec<Refusal>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let property = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                duplicates(property, value, &below(name), found);
            }
        }
        Value::Array(items) => {
            let key = |item: &Value| match schema["x-kubernetes-list-map-keys"][0].as_str() {
                Some(key) => item[key].clone(),
                None => item.clone(),
            };
            let unique = schema["x-kubernetes-list-type"].is_string();
            for (index, item) in items.iter().enumerate() {
                if unique && items.iter().take(index).any(|other| key(other) == key(item)) {
                    found.push(Refusal {
                        layer: Layer::Schema,
                        path: below(&index.to_string()),
                        message: "Duplicate value".to_owned(),
                        rule: None,
                    });
                }
                duplicates(&schema["items"], item, &below(&index.to_string()), found);
            }
        }
        _ => {}
    }
}

/// A field that may not be `null` and is, is dropped before anything looks at it.
pub fn without_null(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_null(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_null).collect(),
        other => other.clone(),
    }
}

/// A rule, and where its refusals point; `*` stands for any key or index.
#[derive(Debug)]
pub struct Place {
    pub path: String,
    pub rule: String,
}

impl Place {
    pub fn explains(&self, refusal: &Refusal) -> bool {
        let mut given = refusal.path.split('.');
        refusal.rule.as_ref() == Some(&self.rule)
            && self.path.split('.').all(|part| given.next().is_some_and(|name| part == "*" || part == name))
            && given.next().is_none()
    }
}

/// Every rule at every place where it stands.
pub fn places() -> Vec<Place> {
    let mut found = Vec::new();
    collect(&schema(), "", &mut found);
    found
}

fn collect(schema: &Value, path: &str, found: &mut Vec<Place>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = rule["fieldPath"].as_str().unwrap_or_default().replace("['", ".").replace("']", "");
        let path = format!("{path}{field}");
        found.push(Place {
            path: path.trim_start_matches('.').to_owned(),
            rule: rule["rule"].as_str().unwrap_or_default().to_owned(),
        });
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &format!("{path}.{name}"), found);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            collect(&schema[below], &format!("{path}.*"), found);
        }
    }
}
