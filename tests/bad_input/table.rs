//! The table of inputs: what must be refused and what must not, with the objects they stand for.
//!
//! Used twice: by `bad_input.rs` against the generated schema without a server, and by `online.rs`
//! against a real API server.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops where its table is broken")]

use serde::Deserialize;
use serde_json::{Value, json};

/// Who refuses an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Layer {
    /// Types, bounds, enums, patterns and list keys.
    Schema,
    /// A CEL rule.
    Cel,
    /// Strict field validation: a field that does not exist.
    Strict,
    /// The API server accepts it; the operator reports it.
    Operator,
    /// Nobody: the input is good.
    Valid,
}

/// One input.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// `B..` from the catalogue of bad inputs, `N..` a rule of the design beyond it, `V..` a good input.
    pub id: String,
    /// The input in words.
    pub what: String,
    #[serde(default = "valid")]
    pub layer: Layer,
    /// Where the message must point, as the API server writes it.
    #[serde(default)]
    pub path: String,
    /// All of these must be in the message.
    #[serde(default)]
    pub words: Vec<String>,
    /// Laid over the base.
    input: Value,
    /// Laid over the base: the object that is there before, for rules about changes.
    before: Option<Value>,
}

fn valid() -> Layer {
    Layer::Valid
}

impl Row {
    /// Every row's object where the row does not name it; against a server each has its own.
    #[allow(dead_code, reason = "only one of the two suites needs it")]
    pub const NAME: &str = "logpilot";

    /// The object to apply; `name` is used where the row does not bring its own.
    pub fn object(&self, name: &str) -> Value {
        over_base(&self.input, name)
    }

    /// The object that is there already.
    pub fn existing(&self, name: &str) -> Option<Value> {
        self.before.as_ref().map(|patch| over_base(patch, name))
    }

    /// The API server writes `components.[rest]` where a rule points below a map, and
    /// `components[rest]` elsewhere; other validators write `components.rest`.
    pub fn plain_path(path: &str) -> String {
        path.replace(".[", ".").replace('[', ".").replace(']', "")
    }

    pub fn label(&self) -> String {
        format!("{} ({})", self.id, self.what)
    }
}

/// Every bad input.
pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        serde_yaml::from_str(include_str!("rows.yaml")).expect("rows.yaml is a list of rows");
    rows.extend(large());
    rows
}

/// Inputs that must not be refused, the examples included.
pub fn valid_rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        serde_yaml::from_str(include_str!("valid.yaml")).expect("valid.yaml is a list of rows");
    rows.extend(examples());
    rows
}

/// The files under examples/, one row for each cluster in them.
fn examples() -> Vec<Row> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(directory).expect("examples/ is there") {
        let path = entry.expect("examples/ can be listed").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("an example can be read");
        for document in serde_yaml::Deserializer::from_str(&text) {
            let input = Value::deserialize(document).expect("an example is YAML");
            if input["kind"] == "LogPilotCluster" {
                rows.push(row("EX", &name, Layer::Valid, "", &[], input));
            }
        }
    }
    assert!(rows.len() >= 13, "only {} examples", rows.len());
    rows
}

/// Inputs that are too long to be written down.
fn large() -> Vec<Row> {
    let env: Vec<Value> = (0..5000).map(|n| json!({ "name": format!("V{n}"), "value": "x" })).collect();
    let overlay: serde_json::Map<String, Value> = (0..65).map(|n| (format!("k{n}"), json!(n))).collect();
    let value = "x".repeat(32 * 1024 + 1);
    vec![
        row(
            "B08",
            "5,000 variables",
            Layer::Schema,
            "spec.components[all].env",
            &["at most 200"],
            json!({ "spec": { "components": { "all": { "env": env } } } }),
        ),
        row(
            "B07",
            "a variable of more than 32 KiB",
            Layer::Schema,
            "spec.components[all].env[0].value",
            &["may not be more than 32768"],
            json!({ "spec": { "components": { "all": { "env": [{ "name": "X", "value": value }] } } } }),
        ),
        row(
            "B07",
            "an overlay of 65 keys",
            Layer::Schema,
            "spec.config.overlay",
            &["at most 64"],
            json!({ "spec": { "config": { "overlay": overlay } } }),
        ),
        row(
            "B63",
            "a host of 254 characters",
            Layer::Schema,
            "spec.exposure.ingress.rules[0].host",
            &["may not be more than 253"],
            json!({ "spec": { "exposure": { "ingress": { "rules": [{ "host": "a".repeat(254) }] } } } }),
        ),
    ]
}

fn row(id: &str, what: &str, layer: Layer, path: &str, words: &[&str], input: Value) -> Row {
    Row {
        id: id.to_owned(),
        what: what.to_owned(),
        layer,
        path: path.to_owned(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        input,
        before: None,
    }
}

/// A good object, with the patch laid over it. `null` stays `null`: it is an input too.
fn over_base(patch: &Value, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": "logpilot.io/v1alpha1",
        "kind": "LogPilotCluster",
        "metadata": { "name": name },
        "spec": { "image": "danpung2/logpilot:1.2.0" },
    });
    lay_over(&mut object, patch);
    let name = object["metadata"]["name"].as_str().unwrap_or(name).to_owned();
    fill_in(&mut object, &name);
    object
}

fn lay_over(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(fields), Value::Object(patches)) => {
            for (key, patch) in patches {
                lay_over(fields.entry(key.clone()).or_insert(Value::Null), patch);
            }
        }
        (object, patch) => *object = patch.clone(),
    }
}

/// `$name` stands for the object's name.
fn fill_in(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if text == "$name" => name.clone_into(text),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill_in(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|value| fill_in(value, name)),
        _ => {}
    }
}
