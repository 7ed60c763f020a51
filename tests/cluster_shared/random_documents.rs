//! Documents that are almost valid: good resources with one to three changes that the schema
//! suggests or that users make.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounds of the schema are small whole numbers"
)]

use logpilot_operator::api;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

pub struct Documents {
    sources: Vec<Value>,
    schema: Value,
}

impl Documents {
    /// `sources` are good resources.
    pub fn new(sources: Vec<Value>) -> Self {
        let crd = serde_json::to_value(api::crd()).unwrap();
        let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
        Self { sources, schema }
    }

    /// Returns a document as text: the writer leaves words of YAML 1.1 unquoted, as users do.
    pub fn next(&self, random: &mut StdRng) -> String {
        let mut object = self.sources.choose(random).unwrap().clone();
        for _ in 0..random.random_range(1..=3) {
            match random.random_range(0..10) {
                0..5 => self.set_by_schema(&mut object, random),
                5 => replace_somewhere(&mut object, random, |value, random| *value = any(random)),
                6 => replace_somewhere(&mut object, random, misspell),
                7 => replace_somewhere(&mut object, random, drop_one),
                8 => replace_somewhere(&mut object, random, repeat),
                _ => metadata(&mut object, random),
            }
        }
        let text = serde_yaml::to_string(&object).unwrap();
        if random.random_bool(0.05) {
            text.replacen("\nspec:\n", "\nspec:\n  image: twice:1\n", 1)
        } else {
            text
        }
    }

    /// Sets a value for any field of the schema, near its bounds, with the required parents.
    fn set_by_schema(&self, object: &mut Value, random: &mut StdRng) {
        let mut schema = &self.schema;
        let mut at = &mut object["spec"];
        loop {
            if let Some(properties) = schema["properties"].as_object() {
                let names: Vec<&String> = properties.keys().collect();
                let name = *names.choose(random).unwrap();
                if !at.is_object() {
                    *at = json!({});
                }
                schema = &properties[name];
                at = &mut at[name.as_str()];
            } else if schema["additionalProperties"].is_object() {
                if !at.is_object() {
                    *at = json!({});
                }
                let keys = ["all", "rest", "grpc", "team", "a.b/c", "a b", "Logger.name", "INFO", ""];
                schema = &schema["additionalProperties"];
                at = &mut at[*keys.choose(random).unwrap()];
            } else if schema["items"].is_object() {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().unwrap();
                if items.is_empty() || random.random_bool(0.3) {
                    items.push(Value::Null);
                }
                schema = &schema["items"];
                at = items.choose_mut(random);
            } else {
                break;
            }
            if random.random_bool(0.1) {
                break;
            }
        }
        *at = if random.random_bool(0.7) { fitting(schema, random, 0) } else { any(random) };
    }
}

/// Like `choose` of a slice, for the one place that changes an item.
trait ChooseMut {
    fn choose_mut(&mut self, random: &mut StdRng) -> &mut Value;
}

impl ChooseMut for Vec<Value> {
    fn choose_mut(&mut self, random: &mut StdRng) -> &mut Value {
        let at = random.random_range(0..self.len());
        &mut self[at]
    }
}

/// A value of the correct type, at or just beyond a bound.
fn fitting(schema: &Value, random: &mut StdRng, depth: usize) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values.choose(random).unwrap().clone();
    }
    if schema["x-kubernetes-int-or-string"] == true {
        return quantity(random);
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => {
            let least = schema["minimum"].as_f64().unwrap_or(0.0) as i64;
            let most = schema["maximum"].as_f64().unwrap_or(1000.0) as i64;
            json!(
                *[least - 1, least, least + 1, i64::midpoint(least, most), most, most + 1]
                    .choose(random)
                    .unwrap()
            )
        }
        Some("boolean") => json!(random.random_bool(0.5)),
        Some("array") => {
            let count = random.random_range(0..3);
            (0..count).map(|_| fitting(&schema["items"], random, depth + 1)).collect()
        }
        Some("object") => {
            let mut fields = Map::new();
            let required: Vec<&str> =
                schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                let wanted = if required.contains(&name.as_str()) { 0.95 } else { 0.15 };
                if depth < 4 && random.random_bool(wanted) {
                    fields.insert(name.clone(), fitting(schema, random, depth + 1));
                }
            }
            Value::Object(fields)
        }
        _ => {
            let longest = schema["maxLength"].as_u64().unwrap_or(63).min(40_000) as usize;
            match random.random_range(0..8) {
                0 => json!("a".repeat(longest)),
                1 => json!("a".repeat(longest + 1)),
                2 => quantity(random),
                _ => text(random),
            }
        }
    }
}

fn text(random: &mut StdRng) -> Value {
    let texts = [
        "",
        "a",
        "logs",
        "kube-system",
        "a.b",
        "A",
        "a-",
        "1abc",
        "1.2.0",
        "danpung2/logpilot:1.2.0",
        "logpilot",
        "nginx",
        "/api",
        "/",
        "a.example.com",
        "*.example.com",
        "host:8080",
        "https://a.b",
        "0 3 * * *",
        "61 * * * *",
        "Europe/Berlin",
        "yes",
        "off",
        "y",
        "0777",
        "0100",
        "1_000",
        "~",
        "null",
        "1e3",
        ".5",
        "2001-01-01",
        "a b",
        "a\nb",
        "\u{200b}",
        "é",
        "$(x)",
        "system-node-critical",
        "high",
        "10s",
        "5m",
        "key",
        "data",
        "UTC",
        "copies",
        "30s",
        "ClusterIP",
        "X_Y",
    ];
    json!(texts.choose(random).unwrap())
}

fn quantity(random: &mut StdRng) -> Value {
    [
        json!("512Mi"),
        json!("1Gi"),
        json!("10Gi"),
        json!("250m"),
        json!("500m"),
        json!("1"),
        json!(1),
        json!(2),
        json!("1.5"),
        json!(0.5),
        json!("0"),
        json!(0),
        json!(-1),
        json!("-1"),
        json!("400m"),
        json!("1 Gi"),
        json!("1GB"),
        json!("25%"),
        json!("100%"),
        json!("101%"),
        json!("1e3"),
        json!(""),
        json!("16Mi"),
        json!("15Mi"),
        json!("9999999999Gi"),
    ]
    .choose(random)
    .unwrap()
    .clone()
}

fn any(random: &mut StdRng) -> Value {
    match random.random_range(0..10) {
        0..3 => text(random),
        3..5 => quantity(random),
        5 => json!([null]),
        _ => [
            Value::Null,
            json!(true),
            json!(false),
            json!([]),
            json!({}),
            json!({ "a": null }),
            json!([{}]),
            json!(1.5),
            json!(9_007_199_254_740_993_i64),
            json!(1e30),
            json!({ "unknown": 1 }),
            json!("x".repeat(300)),
            json!([[]]),
        ]
        .choose(random)
        .unwrap()
        .clone(),
    }
}

/// Changes some value below `spec`, at any depth.
fn replace_somewhere(object: &mut Value, random: &mut StdRng, change: fn(&mut Value, &mut StdRng)) {
    let mut at = &mut object["spec"];
    loop {
        let deeper = match &*at {
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        if !deeper || random.random_bool(0.25) {
            break;
        }
        at = match at {
            Value::Object(fields) => {
                let names: Vec<String> = fields.keys().cloned().collect();
                &mut fields[names.choose(random).unwrap()]
            }
            Value::Array(items) => items.choose_mut(random),
            _ => unreachable!("only those are deeper"),
        };
    }
    change(at, random);
}

fn misspell(value: &mut Value, random: &mut StdRng) {
    let Value::Object(fields) = value else { return };
    let names: Vec<String> = fields.keys().cloned().collect();
    if let Some(name) = names.choose(random) {
        let kept = fields.remove(name).unwrap();
        fields.insert(format!("{name}{}", ["s", "e", "X"].choose(random).unwrap()), kept);
    }
}

fn drop_one(value: &mut Value, random: &mut StdRng) {
    match value {
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            if let Some(name) = names.choose(random) {
                fields.remove(name);
            }
        }
        Value::Array(items) => drop(items.pop()),
        other => *other = Value::Null,
    }
}

fn repeat(value: &mut Value, random: &mut StdRng) {
    if let Value::Array(items) = value
        && let Some(item) = items.choose(random).cloned()
    {
        items.push(item);
    }
}

fn metadata(object: &mut Value, random: &mut StdRng) {
    let metadata = &mut object["metadata"];
    match random.random_range(0..9) {
        0 => metadata["name"] = text(random),
        1 => metadata["labels"] = json!({ "team": text(random) }),
        2 => metadata["labels"] = json!({ text(random).as_str().unwrap(): "x" }),
        3 => metadata["annotations"] = json!({ text(random).as_str().unwrap(): "x" }),
        4 => metadata["annotations"] = json!({ "a/b": any(random) }),
        5 => metadata["finalizers"] = json!([text(random)]),
        6 => metadata["nam"] = text(random),
        7 => metadata["namespace"] = json!("logs"),
        _ => metadata["labels"] = any(random),
    }
}
