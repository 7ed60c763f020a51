//! Generates the server's `application.yml`: the only source of its settings. `properties` defines
//! which of them only the operator sets.
//!
//! The file contains only real property names. The short variables that the image documents are
//! placeholders in its built-in file, so a setting here silently disables its variable: nothing is set
//! in both places.

use serde_json::{Map, Value, json};

use super::{
    defaults,
    model::{ConfigFile, ServerRole},
    properties::relaxed,
};
use crate::{
    api::{
        config::{Config, ServerRateLimit, SqlitePool},
        storage::Backend,
    },
    logpilot::names,
    workload::{
        api::exposure::Protocol,
        names::{NamePrefix, short_hash},
    },
};

/// Largest size of the overlay, in bytes of JSON.
pub const OVERLAY_BYTES: usize = 64 * 1024;

/// The file of one component, and the ConfigMap that contains it.
#[must_use]
pub fn file(prefix: &NamePrefix, role: &ServerRole, config: &Config, backend: Backend) -> ConfigFile {
    let text = render(&properties(role, config, backend));
    let hash = short_hash(text.as_bytes());
    ConfigFile { name: names::config(prefix, role.name, &hash), text, hash }
}

/// Returns the content of the file.
#[must_use]
pub fn properties(role: &ServerRole, config: &Config, backend: Backend) -> Value {
    let mut properties = generated(role, config, backend);
    merge(&mut properties, &config.overlay);
    Value::Object(properties)
}

/// Serialised and never concatenated from strings: a value cannot become a key.
#[must_use]
pub fn render(properties: &Value) -> String {
    // String keys and finite numbers always serialise.
    if has_old_word(properties) {
        quoted(&serde_json::to_string_pretty(properties).unwrap_or_default())
    } else {
        serde_yaml::to_string(properties).unwrap_or_default()
    }
}

/// Returns whether Spring would not read a text as a string: Spring reads YAML 1.1, in which `on` is a
/// boolean, `1:30` the number 90 and `<<` a merge. The serialiser writes YAML 1.2, which needs no
/// quotes for them.
fn has_old_word(value: &Value) -> bool {
    match value {
        Value::String(text) => is_old_word(text),
        Value::Array(list) => list.iter().any(has_old_word),
        Value::Object(map) => map.iter().any(|(key, value)| is_old_word(key) || has_old_word(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_old_word(text: &str) -> bool {
    let word = ["on", "off", "yes", "no", "<<", "="].iter().any(|word| text.eq_ignore_ascii_case(word));
    let number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.contains([':', '_'])
        && text.chars().all(|char| char.is_ascii_hexdigit() || "_:.+-x".contains(char));
    word || number
}

/// JSON is YAML with every string in quotes, after the characters that YAML does not allow unescaped
/// are escaped.
fn quoted(json: &str) -> String {
    let escape = |char: char| match u32::from(char) {
        code @ 0x7f..=0xffff => format!("\\u{code:04x}"),
        code @ 0x1_0000.. => format!("\\U{code:08x}"),
        _ => char.to_string(),
    };
    json.chars().map(escape).collect()
}

fn generated(role: &ServerRole, config: &Config, backend: Backend) -> Map<String, Value> {
    let rate = config.server_rate_limit.clone().unwrap_or_default();
    let mut all = Map::new();
    let mut set = |key: &str, value: Value| all.insert(key.to_owned(), value);
    set("server", json!({ "port": port(role, Protocol::Http) }));
    set("grpc", json!({ "server": { "port": port(role, Protocol::Grpc) } }));
    set(
        "management",
        json!({
            "server": { "port": defaults::MANAGEMENT.number },
            "endpoints": { "web": { "exposure": { "include": "health,info,metrics,prometheus" } } },
        }),
    );
    set(
        "logpilot",
        json!({
            "server": { "protocol": role.name, "rate-limit": rate_limit(&rate) },
            "storage": storage(backend, &config.sqlite_pool.clone().unwrap_or_default()),
        }),
    );
    if !config.log_levels.is_empty() {
        set("logging", json!({ "level": config.log_levels }));
    }
    all
}

/// -1 closes a listener. Without it the server also opens gRPC in `rest`.
fn port(role: &ServerRole, protocol: Protocol) -> i32 {
    role.port(protocol).map_or(-1, |port| port.number)
}

fn rate_limit(given: &ServerRateLimit) -> Value {
    json!({
        "capacity": given.capacity.unwrap_or(defaults::RATE_CAPACITY),
        "refill-tokens": given.refill_tokens.unwrap_or(defaults::RATE_REFILL_TOKENS),
        "refill-duration-seconds": given.refill_seconds.unwrap_or(defaults::RATE_REFILL_SECONDS),
    })
}

fn storage(backend: Backend, pool: &SqlitePool) -> Value {
    let maximum = pool.maximum_size.unwrap_or(defaults::POOL_MAXIMUM);
    match backend {
        Backend::Sqlite => json!({
            "type": "sqlite",
            "directory": "/data/logs",
            "sqlite": {
                "path": "/data/logpilot.db",
                "pooling": {
                    "maximum-pool-size": maximum,
                    "minimum-idle": pool.minimum_idle.unwrap_or(defaults::POOL_MINIMUM_IDLE.min(maximum)),
                },
            },
        }),
        Backend::File => json!({ "type": "file", "directory": "/data/logs" }),
    }
}

/// Merges objects and replaces everything else. A key in another spelling of Spring's, or a dotted one,
/// refers to the same property: with two spellings in one file, the result would be arbitrary.
fn merge(base: &mut Map<String, Value>, overlay: &Map<String, Value>) {
    for (key, value) in overlay {
        let name = same_property(base, key).unwrap_or_else(|| key.clone());
        if let (Some(Value::Object(below)), Value::Object(over)) = (base.get_mut(&name), value) {
            merge(below, over);
        } else if let Some((below, rest)) = descend(base, key) {
            merge(below, &Map::from_iter([(rest, value.clone())]));
        } else {
            base.insert(name, value.clone());
        }
    }
}

/// A key in another script, or one of marks only, is never the other spelling of a key: Spring ignores
/// those characters, so two such keys would be equal and the first would be lost.
fn same_property(base: &Map<String, Value>, key: &str) -> Option<String> {
    let name = Some(relaxed(key)).filter(|name| key.is_ascii() && !name.is_empty());
    let spelled = |known: &str| known.is_ascii() && name.as_deref() == Some(&relaxed(known));
    base.keys().find(|known| *known == key || spelled(known)).cloned()
}

/// Returns the object that the first part of a dotted key refers to, and the rest of the key.
fn descend<'a>(base: &'a mut Map<String, Value>, key: &str) -> Option<(&'a mut Map<String, Value>, String)> {
    let (head, rest) = key.split_once('.')?;
    let name = same_property(base, head)?;
    Some((base.get_mut(&name)?.as_object_mut()?, rest.to_owned()))
}
