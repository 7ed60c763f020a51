//! The changes tried on a leaf, derived from its schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::leaves::{Leaf, SCHEMA, pointer, with, without};

/// The expected result of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The API server accepts it.
    Accepted,
    /// It depends on other fields: a refusal names a field.
    Judged,
    /// The API server refuses it, and names the field or one below it.
    Refused,
}

#[derive(Clone, Debug)]
pub struct Operation {
    /// The leaf's path in the schema.
    pub leaf: String,
    pub what: String,
    /// The changed position: the leaf, or a parent of it.
    pub at: Vec<String>,
    pub spec: Value,
    pub expected: Expected,
}

impl Operation {
    pub fn label(&self) -> String {
        format!("{}: {}", self.leaf, self.what)
    }
}

/// A replacement value for a leaf.
type Variant = (String, Value, Expected);

/// Returns every operation on these leaves and their parents; each resulting spec once.
pub fn operations(leaves: &[Leaf]) -> Vec<Operation> {
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for leaf in leaves {
        let mut add = |at: &[String], what: String, spec: Value, expected| {
            if known.insert(spec.to_string()) || expected == Expected::Accepted {
                all.push(Operation { leaf: leaf.path.clone(), what, at: at.to_vec(), spec, expected });
            }
        };
        let at = &leaf.at;
        let now = leaf.other.pointer(&pointer(at)).unwrap();
        add(at, "change".to_owned(), leaf.other.clone(), Expected::Accepted);
        add(at, "delete".to_owned(), without(&leaf.other, at), Expected::Judged);
        for (what, value, expected) in variants(&leaf.schema, now) {
            add(at, what, with(&leaf.other, at, value), expected);
        }
        for count in 1..at.len() {
            let at = &at[..count];
            add(at, format!("no {}", at.join(".")), without(&leaf.other, at), Expected::Judged);
            for (what, value, expected) in around(at, leaf.other.pointer(&pointer(at)).unwrap()) {
                add(at, format!("{} {what}", at.join(".")), with(&leaf.other, at, value), expected);
            }
        }
    }
    all
}

/// Returns the changes of an object, a map or a list that contains leaves.
fn around(at: &[String], now: &Value) -> Vec<Variant> {
    let Some(items) = now.as_array() else {
        return vec![
            ("empty".to_owned(), json!({}), Expected::Judged),
            ("a list".to_owned(), json!([]), Expected::Refused),
        ];
    };
    let last = items.last().unwrap();
    let twice = [items.clone(), vec![last.clone()]].concat();
    let mut all = vec![
        ("empty".to_owned(), json!([]), Expected::Judged),
        ("twice".to_owned(), json!(twice), Expected::Judged),
    ];
    if let Some(most) = schema_at(at)["maxItems"].as_u64() {
        let many = vec![last.clone(); usize::try_from(most).unwrap() + 1];
        all.push(("too many".to_owned(), json!(many), Expected::Refused));
    }
    all
}

/// The schema of a position in a spec.
fn schema_at(at: &[String]) -> &Value {
    at.iter().fold(&*SCHEMA, |schema, part| {
        let below = schema["properties"].get(part).or_else(|| schema.get("additionalProperties"));
        below.or_else(|| schema.get("items")).unwrap()
    })
}

fn variants(schema: &Value, now: &Value) -> Vec<Variant> {
    let values = schema["enum"].as_array();
    let mut all: Vec<Variant> = values
        .into_iter()
        .flatten()
        .map(|value| (format!("is {value}"), value.clone(), Expected::Judged))
        .collect();
    all.extend(match schema["type"].as_str() {
        Some("boolean") => vec![
            ("on".to_owned(), json!(true), Expected::Judged),
            ("off".to_owned(), json!(false), Expected::Judged),
            ("a text".to_owned(), json!("yes"), Expected::Refused),
        ],
        Some("integer" | "number") => number(schema),
        Some("string") => text(schema, now),
        Some("array") => list(schema, now),
        Some("object") => map(schema, now),
        _ if schema["x-kubernetes-preserve-unknown-fields"] == true => anything(),
        _ => int_or_string(schema),
    });
    all
}

/// A value of any type.
fn anything() -> Vec<Variant> {
    let values = [json!(1), json!(true), json!("a text"), json!([]), json!({ "a": { "b": 1 } })];
    values.into_iter().map(|value| (format!("is {value}"), value, Expected::Judged)).collect()
}

fn number(schema: &Value) -> Vec<Variant> {
    let mut all = vec![("a text".to_owned(), json!("many"), Expected::Refused)];
    let exact = |value: f64| serde_json::from_str(&value.to_string()).unwrap();
    if schema["type"] == "integer" {
        all.push(("a fraction".to_owned(), json!(1.5), Expected::Refused));
    }
    if schema["enum"].is_array() {
        all.push(("none of them".to_owned(), json!(7), Expected::Refused));
    }
    if let Some(least) = schema["minimum"].as_f64() {
        all.push(("least".to_owned(), exact(least), Expected::Judged));
        all.push(("less than least".to_owned(), exact(least - 1.0), Expected::Refused));
    }
    if let Some(most) = schema["maximum"].as_f64() {
        all.push(("most".to_owned(), exact(most), Expected::Judged));
        all.push(("more than most".to_owned(), exact(most + 1.0), Expected::Refused));
    }
    all
}

fn text(schema: &Value, now: &Value) -> Vec<Variant> {
    let mut all = vec![("a number".to_owned(), json!(42), Expected::Refused)];
    if schema["enum"].is_array() {
        all.push(("none of them".to_owned(), json!("Nonsense"), Expected::Refused));
        return all;
    }
    let empty = if schema["minLength"].as_u64() > Some(0) { Expected::Refused } else { Expected::Judged };
    all.push(("empty".to_owned(), json!(""), empty));
    all.push(("two lines".to_owned(), json!("a\nb: c"), Expected::Judged));
    all.push(("not ASCII".to_owned(), json!("größe"), Expected::Judged));
    if let Some(most) = schema["maxLength"].as_u64() {
        let most = usize::try_from(most).unwrap();
        let now = now.as_str().unwrap_or_default();
        let longest: String = now.chars().chain(std::iter::repeat('a')).take(most).collect();
        all.push(("too long".to_owned(), json!(format!("{longest}a")), Expected::Refused));
        all.push(("longest".to_owned(), json!(longest), Expected::Judged));
    }
    all
}

fn list(schema: &Value, now: &Value) -> Vec<Variant> {
    let items = now.as_array().cloned().unwrap_or_default();
    let last = items.last().cloned().unwrap_or_else(|| json!("x"));
    let empty = if schema["minItems"].as_u64() > Some(0) { Expected::Refused } else { Expected::Judged };
    let set = schema["x-kubernetes-list-type"] == "set";
    let twice = if set { Expected::Refused } else { Expected::Judged };
    let mut all = vec![
        ("empty".to_owned(), json!([]), empty),
        ("twice".to_owned(), json!([items.clone(), vec![last.clone()]].concat()), twice),
        ("a text".to_owned(), json!("x"), Expected::Refused),
        ("numbers".to_owned(), json!([1]), Expected::Refused),
    ];
    if let Some(most) = schema["maxItems"].as_u64() {
        let many = vec![last; usize::try_from(most).unwrap() + 1];
        all.push(("too many".to_owned(), json!(many), Expected::Refused));
    }
    for (what, item, expected) in variants(&schema["items"], &items.first().cloned().unwrap_or_default()) {
        all.push((format!("an item {what}"), json!([item]), expected));
    }
    all
}

fn map(schema: &Value, now: &Value) -> Vec<Variant> {
    let entries = now.as_object().cloned().unwrap_or_default();
    let value = entries.values().next().cloned().unwrap_or_else(|| json!("x"));
    let and = |key: &str, value: Value| {
        let mut entries = entries.clone();
        entries.insert(key.to_owned(), value);
        json!(entries)
    };
    let mut all = vec![
        ("empty".to_owned(), json!({}), Expected::Judged),
        ("one more".to_owned(), and("campaign.example.com/k", value.clone()), Expected::Judged),
        ("a bad key".to_owned(), and("not a key!", value.clone()), Expected::Judged),
        ("a list".to_owned(), json!([]), Expected::Refused),
    ];
    if let Some(most) = schema["maxProperties"].as_u64() {
        let many: serde_json::Map<_, _> = (0..=most).map(|n| (format!("k{n}"), value.clone())).collect();
        all.push(("too many".to_owned(), json!(many), Expected::Refused));
    }
    if schema["additionalProperties"].is_object() {
        let key = entries.keys().next().cloned().unwrap_or_else(|| "k".to_owned());
        for (what, value, expected) in variants(&schema["additionalProperties"], &value) {
            all.push((format!("a value {what}"), and(&key, value), expected));
        }
    }
    all
}

/// Quantities, and counts or percentages of pods.
fn int_or_string(schema: &Value) -> Vec<Variant> {
    let most = usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
    vec![
        ("none".to_owned(), json!(0), Expected::Judged),
        ("one".to_owned(), json!(1), Expected::Judged),
        ("a text of one".to_owned(), json!("1"), Expected::Judged),
        ("a share".to_owned(), json!("50%"), Expected::Judged),
        ("too large a share".to_owned(), json!("101%"), Expected::Judged),
        ("in thousandths".to_owned(), json!("1500m"), Expected::Judged),
        ("of a size".to_owned(), json!("30Gi"), Expected::Judged),
        ("with a fraction".to_owned(), json!("0.5"), Expected::Judged),
        ("negative".to_owned(), json!(-1), Expected::Refused),
        ("negative text".to_owned(), json!("-1"), Expected::Refused),
        ("words".to_owned(), json!("many"), Expected::Refused),
        ("empty".to_owned(), json!(""), Expected::Refused),
        ("on".to_owned(), json!(true), Expected::Refused),
        ("too long".to_owned(), json!("1".repeat(most + 1)), Expected::Refused),
    ]
}

mod tests {
    use super::{super::leaves::leaves, *};

    #[test]
    fn numbers_are_tried_at_and_beyond_bounds() {
        let tried = number(&json!({ "type": "integer", "minimum": 1.0, "maximum": 9.0 }));
        let of =
            |value: Value| tried.iter().find(|(_, it, _)| *it == value).map(|(_, _, expected)| *expected);
        assert_eq!([of(json!(1)), of(json!(9))], [Some(Expected::Judged); 2]);
        assert_eq!([of(json!(0)), of(json!(10)), of(json!(1.5))], [Some(Expected::Refused); 3]);
    }

    #[test]
    fn every_leaf_has_distinct_operations_of_both_kinds() {
        let (leaves, _) = leaves();
        let all = operations(&leaves);
        for leaf in &leaves {
            let of = |expected| all.iter().any(|it| it.leaf == leaf.path && it.expected == expected);
            assert!(of(Expected::Accepted) && of(Expected::Refused), "{}", leaf.path);
        }
        let judged = all.iter().filter(|it| it.expected != Expected::Accepted);
        let specs: Vec<String> = judged.map(|it| it.spec.to_string()).collect();
        assert_eq!(specs.iter().collect::<BTreeSet<_>>().len(), specs.len());
        println!("{} leaves, {} operations", leaves.len(), all.len());
    }
}
