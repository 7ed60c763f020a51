//! Every optional block, map and list of the spec, with a spec that contains it. `presence.rs` uses
//! them without a server, the cluster suite with one.

use serde_json::{Value, json};

use crate::leaves::{self, SCHEMA, pointer, with, without};

/// A block that may be omitted.
#[derive(Clone, Debug)]
pub struct Block {
    /// For example `components.*.loadBalancer.sourceRanges`.
    pub path: String,
    spec: Value,
    at: Vec<String>,
    list: bool,
}

impl Block {
    /// Returns the spec that contains the block.
    pub fn given(&self) -> &Value {
        &self.spec
    }

    /// Returns the spec without the block.
    pub fn absent(&self) -> Value {
        without(&self.spec, &self.at)
    }

    /// Returns the spec with an empty block: `{}` or `[]`.
    pub fn empty(&self) -> Value {
        with(&self.spec, &self.at, if self.list { json!([]) } else { json!({}) })
    }

    /// Returns the spec with `null` as the block.
    pub fn null(&self) -> Value {
        with(&self.spec, &self.at, Value::Null)
    }

    /// Returns the JSON pointer of the block.
    pub fn pointer(&self) -> String {
        pointer(&self.at)
    }
}

/// Returns all blocks, in the schema's order.
pub fn blocks() -> Vec<Block> {
    let (leaves, _) = leaves::leaves();
    let mut optional = Vec::new();
    collect(&SCHEMA, "", true, &mut optional);
    let found: Vec<_> = optional
        .into_iter()
        .map(|(path, list)| {
            let depth = path.split('.').map(|part| if part.ends_with("[]") { 2 } else { 1 }).sum::<usize>();
            let leaf = leaves.iter().find(|leaf| {
                leaf.path == path
                    || leaf.path.starts_with(&format!("{path}."))
                    || leaf.path.starts_with(&format!("{path}["))
            });
            let leaf = leaf.unwrap_or_else(|| panic!("{path} has no leaf in the table"));
            let at = leaf.at.iter().take(depth).cloned().collect();
            Block { path, spec: leaf.other.clone(), at, list }
        })
        .collect();
    assert!(found.len() > 100, "{}", found.len());
    found
}

fn collect(schema: &Value, path: &str, required: bool, found: &mut Vec<(String, bool)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let list = schema["type"] == "array";
    if !required && (list || schema["type"] == "object") {
        found.push((path.to_owned(), list));
    }
    let needed =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &below(name), needed(name), found);
    }
    if schema["items"]["type"] == "object" {
        collect(&schema["items"], &format!("{path}[]"), true, found);
    }
    if schema["additionalProperties"]["type"] == "object" {
        collect(&schema["additionalProperties"], &below("*"), true, found);
    }
}
