//! The table of inputs that must or must not be refused, with their objects.
//!
//! It is used twice: by `bad_input.rs` against the generated schema without a server, and by
//! `online.rs` against a real API server.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops where its table is broken")]

use serde::Deserialize;
use serde_json::{Value, json};

/// The layer that refuses an input.
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
    /// No layer: the input is good.
    Valid,
}

/// The kind of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Of {
    #[default]
    Cluster,
    Stack,
}

/// One input.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    #[serde(skip)]
    pub of: Of,
    /// `B..` from the catalogue of bad inputs, `N..` a rule of the design beyond it, `V..` a good input.
    pub id: String,
    /// The description of the input.
    pub what: String,
    #[serde(default = "valid")]
    pub layer: Layer,
    /// The path in the message, as the API server writes it.
    #[serde(default)]
    pub path: String,
    /// Words that must all occur in the message.
    #[serde(default)]
    pub words: Vec<String>,
    /// Merged over the base.
    input: Value,
    /// Merged over the base: the existing object, for rules about changes.
    before: Option<Value>,
}

fn valid() -> Layer {
    Layer::Valid
}

impl Row {
    /// The name in every row that does not set one; against a server each row has its own.
    #[allow(dead_code, reason = "only one of the two suites needs it")]
    pub const NAME: &str = "logpilot";

    /// Returns the object to apply; `name` is used if the row does not set one.
    pub fn object(&self, name: &str) -> Value {
        over_base(self.of, &self.input, name)
    }

    /// Returns the existing object.
    pub fn existing(&self, name: &str) -> Option<Value> {
        self.before.as_ref().map(|patch| over_base(self.of, patch, name))
    }

    pub fn label(&self) -> String {
        format!("{} ({})", self.id, self.what)
    }
}

/// Returns every bad input.
pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        serde_yaml::from_str(include_str!("rows.yaml")).expect("rows.yaml is a list of rows");
    rows.extend(large());
    rows.extend(payloads());
    rows
}

/// Returns inputs that must not be refused, including the examples.
pub fn valid_rows() -> Vec<Row> {
    let mut rows: Vec<Row> =
        serde_yaml::from_str(include_str!("valid.yaml")).expect("valid.yaml is a list of rows");
    rows.extend(examples());
    rows
}

/// Every bad ServiceStack.
pub fn stack_rows() -> Vec<Row> {
    let rows: Vec<Row> =
        serde_yaml::from_str(include_str!("stack_rows.yaml")).expect("stack_rows.yaml is a list of rows");
    rows.into_iter().map(|row| Row { of: Of::Stack, ..row }).collect()
}

/// ServiceStacks that must not be refused: the examples, and one at its bounds, which is what rules cost
/// most for.
pub fn valid_stacks() -> Vec<Row> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/stacks");
    let example = |name: &str| {
        let text =
            std::fs::read_to_string(format!("{directory}/{name}.yaml")).expect("an example can be read");
        let mut input: Value = serde_yaml::from_str(&text).expect("an example is YAML");
        // Each row's object is made in a namespace that is there, and the base has a component that no
        // example has.
        input["metadata"] = json!({ "name": input["metadata"]["name"] });
        input["spec"]["components"]["web"] = Value::Null;
        Row { of: Of::Stack, ..row("EX", name, Layer::Valid, "", &[], input) }
    };
    let mut rows: Vec<Row> = ["erp", "codebeaker", "restaurant"].map(example).into();
    let names: Vec<String> = (0..32).map(|number| format!("{}{number:02}", "a".repeat(38))).collect();
    let component = |(number, name): (usize, &String)| {
        let env: serde_json::Map<String, Value> =
            (0..100).map(|at| (format!("VARIABLE_WITH_A_LONG_NAME_{at}"), json!("value"))).collect();
        let volumes: serde_json::Map<String, Value> = (0..8)
            .map(|at| (format!("v{at}"), json!({ "path": format!("/v{at}"), "scratch": "1Gi" })))
            .collect();
        let files: serde_json::Map<String, Value> =
            (0..16).map(|at| (format!("/etc/app/{at}.conf"), json!("text"))).collect();
        let depends_on: Vec<&String> = names.iter().take(number.min(16)).collect();
        let component = json!({
            "image": "registry.example.com/group/image:1.2.3", "env": env, "volumes": volumes, "files": files,
            "dependsOn": depends_on, "ports": [{ "name": "http", "port": 80 }],
        });
        (name.clone(), component)
    };
    let mut components: serde_json::Map<String, Value> = names.iter().enumerate().map(component).collect();
    components.insert("web".to_owned(), Value::Null);
    let input = json!({ "spec": { "components": components } });
    rows.push(Row { of: Of::Stack, ..row("K20", "a stack at its bounds", Layer::Valid, "", &[], input) });
    rows
}

/// The files under examples/, one row for each cluster in them.
fn examples() -> Vec<Row> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
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

/// Returns inputs that are too long to write down.
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

/// Texts that escape from the context they are put into.
#[derive(Deserialize)]
struct Payloads {
    nginx: Vec<String>,
    shell: Vec<String>,
}

/// A field of the Ingress: its path, and the spec with a text in it.
type Field = (&'static str, Layer, fn(&str) -> Value);

const OF_THE_INGRESS: [Field; 10] = [
    ("rules[0].host", Layer::Cel, |text| json!({ "rules": [{ "host": text }] })),
    ("rules[0].path", Layer::Cel, |text| json!({ "rules": [{ "host": "a.b", "path": text }] })),
    (
        "annotations",
        Layer::Cel,
        |text| json!({ "rules": [{ "host": "a.b" }], "annotations": { "nginx.ingress.kubernetes.io/x-forwarded-prefix": text } }),
    ),
    (
        "rules[0].rewrite",
        Layer::Cel,
        |text| json!({ "rules": [{ "host": "a.b", "path": "/x", "rewrite": text }] }),
    ),
    ("annotations", Layer::Cel, |text| login("auth-url", &format!("https://a/{text}"))),
    ("annotations", Layer::Cel, |text| login("auth-signin", &format!("https://a/?rd={text}"))),
    ("annotations", Layer::Cel, |text| login("auth-response-headers", text)),
    ("className", Layer::Cel, |text| json!({ "rules": [{ "host": "a.b" }], "className": text })),
    (
        "tls.secretName",
        Layer::Cel,
        |text| json!({ "rules": [{ "host": "a.b" }], "tls": { "secretName": text } }),
    ),
    (
        "cors.allowOrigins[0]",
        Layer::Schema,
        |text| json!({ "rules": [{ "host": "a.b" }], "cors": { "allowOrigins": [text] } }),
    ),
];

fn login(name: &str, text: &str) -> Value {
    let key = format!("nginx.ingress.kubernetes.io/{name}");
    json!({ "rules": [{ "host": "a.b" }], "annotations": { key: text } })
}

const OF_BACKUPS: [Field; 7] = [
    ("backup.schedule", Layer::Cel, |text| json!({ "backup": { "schedule": text } })),
    ("backup.timeZone", Layer::Cel, |text| json!({ "backup": { "timeZone": text } })),
    ("backup.s3.bucket", Layer::Cel, |text| bucket("bucket", &format!("abc{text}"))),
    ("backup.s3.prefix", Layer::Cel, |text| bucket("prefix", text)),
    ("backup.s3.endpoint", Layer::Cel, |text| bucket("endpoint", &format!("https://a{text}"))),
    ("restore.requestId", Layer::Cel, |text| restore(text, "logpilot-20260102T030001.000Z.db")),
    ("restore.from", Layer::Cel, |text| restore("a", &format!("{text}/logpilot-20260102T030001.000Z.db"))),
];

fn bucket(field: &str, text: &str) -> Value {
    let mut s3 = json!({ "bucket": "copies", "credentialsSecret": { "name": "a" } });
    s3[field] = json!(text);
    json!({ "backup": { "s3": s3 } })
}

fn restore(request: &str, from: &str) -> Value {
    json!({ "backup": {}, "restore": { "requestId": request, "from": from } })
}

/// Each payload is tried in two of the fields that must refuse it, in rotation: all combinations
/// would take a minute.
fn payloads() -> Vec<Row> {
    let all: Payloads =
        serde_yaml::from_str(include_str!("payloads.yaml")).expect("payloads.yaml has two lists");
    let mut rows = Vec::new();
    let mut add = |id: &str, payload: &str, layer, at: String, spec: Value| {
        let what = format!("{payload:?} in {at}");
        rows.push(row(id, &what, layer, &format!("spec.{at}"), &[], json!({ "spec": spec })));
    };
    for (payload, (field, layer, ingress)) in by_turns(&all.nginx, &OF_THE_INGRESS) {
        let spec = json!({ "exposure": { "ingress": ingress(payload) } });
        add("S07", payload, layer, format!("exposure.ingress.{field}"), spec);
    }
    for (payload, (field, layer, spec)) in by_turns(&all.shell, &OF_BACKUPS) {
        // These characters have no meaning in the path of a URL.
        let path = field == "backup.s3.endpoint"
            && payload.chars().all(|char| char.is_ascii_alphanumeric() || "._~/-".contains(char));
        if !path {
            add("S14", payload, layer, field.to_owned(), spec(payload));
        }
    }
    rows
}

fn by_turns<'a>(payloads: &'a [String], fields: &'a [Field]) -> impl Iterator<Item = (&'a str, Field)> {
    let two = move |(number, payload): (usize, &'a String)| {
        [number, number + 1].map(|at| (payload.as_str(), fields[at % fields.len()]))
    };
    payloads.iter().enumerate().flat_map(two)
}

fn row(id: &str, what: &str, layer: Layer, path: &str, words: &[&str], input: Value) -> Row {
    Row {
        of: Of::Cluster,
        id: id.to_owned(),
        what: what.to_owned(),
        layer,
        path: path.to_owned(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        input,
        before: None,
    }
}

/// Returns a good object with the patch merged over it. `null` stays `null`, because it is an input
/// too.
fn over_base(of: Of, patch: &Value, name: &str) -> Value {
    let mut object = match of {
        Of::Cluster => json!({
            "apiVersion": "logpilot.io/v1alpha1",
            "kind": "LogPilotCluster",
            "metadata": { "name": name },
            "spec": { "image": "danpung2/logpilot:1.2.0" },
        }),
        Of::Stack => json!({
            "apiVersion": "logpilot.io/v1alpha1",
            "kind": "ServiceStack",
            "metadata": { "name": name },
            "spec": { "components": { "web": { "image": "web:1", "ports": [{ "name": "http", "port": 80 }] } } },
        }),
    };
    lay_over(&mut object, patch);
    if of == Of::Stack
        && let Some(components) = object["spec"]["components"].as_object_mut()
    {
        // A component that is `null` is one without any field.
        components.retain(|_, component| !component.is_null());
    }
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

/// Replaces `$name` with the object's name.
fn fill_in(value: &mut Value, name: &str) {
    match value {
        Value::String(text) if text == "$name" => name.clone_into(text),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill_in(value, name)),
        Value::Array(items) => items.iter_mut().for_each(|value| fill_in(value, name)),
        _ => {}
    }
}
