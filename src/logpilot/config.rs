//! The server's `application.yml`: the one source of its settings, and who owns which of them.
//!
//! Real property names only. The short variables that the image documents are placeholders in its built-in
//! file, so a setting that stands here silently disables its variable: nothing is set in both places.

use serde_json::{Map, Value, json};

use super::{
    defaults,
    model::{ConfigFile, Role},
};
use crate::{
    api::{
        OWNED_VARIABLES,
        config::{Config, ServerRateLimit, SqlitePool},
        exposure::Protocol,
        storage::Backend,
    },
    objects::names::{ClusterName, short_hash},
};

/// Properties that only the operator sets, and what to use instead. A name covers everything below it.
pub const OWNED_PROPERTIES: &[(&str, &str)] = &[
    ("server.port", "the HTTP port is fixed; set the port of a Service or Ingress instead"),
    ("management.server.port", "the management port is fixed: probes and metrics use it"),
    ("grpc.server.port", "the gRPC port is fixed; set the port of a Service or Ingress instead"),
    ("logpilot.server.protocol", "choose the component instead: `spec.components.rest`, `.grpc` or `.all`"),
    ("logpilot.server.api-key", "use `spec.auth.apiKeySecret`: a key in a ConfigMap can be read by many"),
    ("logpilot.storage", "use `spec.storage` and `spec.config.sqlitePool`"),
    // What is imported, and a profile's part, would win over everything here.
    ("spring.config", "this file is the configuration: write it here"),
    ("spring.profiles", "choose the component instead: `spec.components.rest`, `.grpc` or `.all`"),
];

/// Variables with options of Java, of which `-D` sets a property that beats variables and the file.
pub const JAVA_OPTIONS: &[&str] = &["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];

/// The largest overlay, as JSON.
pub const OVERLAY_BYTES: usize = 64 * 1024;

/// The file of one component, and the ConfigMap it is in.
#[must_use]
pub fn file(prefix: &ClusterName, role: &Role, config: &Config, backend: Backend) -> ConfigFile {
    let text = render(&properties(role, config, backend));
    let hash = short_hash(text.as_bytes());
    ConfigFile { name: prefix.config(role.name, &hash), text, hash }
}

/// Everything the file says.
#[must_use]
pub fn properties(role: &Role, config: &Config, backend: Backend) -> Value {
    let mut properties = generated(role, config, backend);
    merge(&mut properties, &config.overlay);
    Value::Object(properties)
}

/// Serialised, never put together from strings: a value cannot become a key.
#[must_use]
pub fn render(properties: &Value) -> String {
    // String keys and finite numbers always serialise.
    if has_old_word(properties) {
        quoted(&serde_json::to_string_pretty(properties).unwrap_or_default())
    } else {
        serde_yaml::to_string(properties).unwrap_or_default()
    }
}

/// Whether a text would be no text to Spring, which reads YAML 1.1: there `on` is a boolean, `1:30` the number
/// 90 and `<<` a merge. The serialiser writes YAML 1.2, where they need no quotes.
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

/// JSON is YAML with every text in quotes, once the characters that YAML does not take bare are escaped.
fn quoted(json: &str) -> String {
    let escape = |char: char| match u32::from(char) {
        code @ 0x7f..=0xffff => format!("\\u{code:04x}"),
        code @ 0x1_0000.. => format!("\\U{code:08x}"),
        _ => char.to_string(),
    };
    json.chars().map(escape).collect()
}

fn generated(role: &Role, config: &Config, backend: Backend) -> Map<String, Value> {
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

/// -1 closes a listener. Without it the server opens gRPC in `rest` too.
fn port(role: &Role, protocol: Protocol) -> i32 {
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

/// Objects are merged, everything else is replaced. A key in another spelling of Spring's, or a dotted one,
/// finds the property it means: two spellings in one file would leave the choice to chance.
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

/// A key in another script is no spelling of another one, nor is one of marks: without what Spring passes over, two of them
/// would be one, and the first would be lost.
fn same_property(base: &Map<String, Value>, key: &str) -> Option<String> {
    let name = Some(relaxed(key)).filter(|name| key.is_ascii() && !name.is_empty());
    let spelled = |known: &str| known.is_ascii() && name.as_deref() == Some(&relaxed(known));
    base.keys().find(|known| *known == key || spelled(known)).cloned()
}

/// The object that the first part of a dotted key means, and the rest of the key.
fn descend<'a>(base: &'a mut Map<String, Value>, key: &str) -> Option<(&'a mut Map<String, Value>, String)> {
    let (head, rest) = key.split_once('.')?;
    let name = same_property(base, head)?;
    Some((base.get_mut(&name)?.as_object_mut()?, rest.to_owned()))
}

/// A property in the overlay that is not its to set: the path as it was written, why, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub path: String,
    pub why: String,
}

/// Why this property may not be set: the operator owns it, as `instead` says, or nobody could say which one it is, as Spring takes
/// what follows a bracket without its other half for part of one name or of another.
fn objection(name: &str, instead: Option<&str>) -> Option<String> {
    match instead {
        Some(instead) => Some(format!("is set by the operator and may not be set here; {instead}")),
        None if !brackets_match(name) => {
            Some("has a bracket without its other half; write the name without brackets".to_owned())
        }
        None => None,
    }
}

/// What to use instead of a variable that the operator owns, in any spelling.
#[must_use]
pub fn owned_variable(name: &str) -> Option<&'static str> {
    // Spring reads a variable's underscores as dots, in a row and at its ends too.
    let property = |name: &str| relaxed(&name.replace('_', "."));
    let name = property(name);
    let owner = |(owned, _): &&(&str, &str)| within(&name, &property(owned));
    OWNED_VARIABLES.iter().find(owner).map(|(_, instead)| *instead)
}

/// The property that an option of Java sets though the operator owns it, why it may not, and what to do instead.
#[must_use]
pub fn owned_option(options: &str) -> Option<(&str, String)> {
    options.split_whitespace().find_map(|option| {
        let set = option.trim_matches(['"', '\'']).strip_prefix("-D")?;
        let property = set.split_once('=').map_or(set, |(property, _)| property);
        let name = relaxed(property);
        let owner = |(owned, _): &&(&str, &str)| within(&name, &relaxed(owned));
        let instead = OWNED_PROPERTIES.iter().find(owner).map(|(_, instead)| *instead);
        objection(property, instead).map(|why| (property, why))
    })
}

/// Properties of the overlay that the operator or a typed field owns.
#[must_use]
pub fn overlaps(config: &Config) -> Vec<Overlap> {
    let owned: Vec<_> = OWNED_PROPERTIES
        .iter()
        .map(|(name, instead)| (relaxed(name), (*instead).to_owned()))
        .chain(config.log_levels.keys().map(|logger| {
            let instead = format!("`spec.config.logLevels` already sets `{logger}`");
            (relaxed(&format!("logging.level.{logger}")), instead)
        }))
        .collect();
    let mut found = Vec::new();
    walk(&config.overlay, "", &mut |path, value| {
        let name = relaxed(path);
        // At or below an owned property; or above one, where a scalar would wipe it out.
        let hit =
            owned.iter().find(|(owned, _)| within(&name, owned) || !value.is_object() && below(owned, &name));
        let Some(why) = objection(path, hit.map(|(_, instead)| instead.as_str())) else { return false };
        found.push(Overlap { path: path.to_owned(), why });
        true
    });
    found
}

/// It is the property, or one below it.
fn within(name: &str, property: &str) -> bool {
    name == property || below(name, property)
}

fn below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}

/// Visits every property with its path; goes no deeper where the visitor returns true.
fn walk(map: &Map<String, Value>, parent: &str, visit: &mut impl FnMut(&str, &Value) -> bool) {
    for (key, value) in map {
        let path = if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") };
        if !visit(&path, value)
            && let Value::Object(below) = value
        {
            walk(below, &path, visit);
        }
    }
}

/// A property's name as Spring compares it: case means nothing, nor does what is neither a letter of ASCII nor a digit, and
/// `a[b]` is `a.b`. Source: `adapt` and `equals` of
/// org.springframework.boot.context.properties.source.ConfigurationPropertyName
fn relaxed(name: &str) -> String {
    let parts = name.split(['.', '[', ']']).map(|part| {
        part.chars().flat_map(char::to_lowercase).filter(char::is_ascii_alphanumeric).collect::<String>()
    });
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

fn brackets_match(name: &str) -> bool {
    let mut depth = 0;
    let opened = name.chars().all(|char| {
        depth += i32::from(char == '[') - i32::from(char == ']');
        depth >= 0
    });
    opened && depth == 0
}
