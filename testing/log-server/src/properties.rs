//! The sources of a property in Spring's order: environment, then files, then built-in values.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use crate::failure::Failure;

/// The jar's own values. The short variables are placeholders only here, so a file with a literal
/// for a property disables its variable.
const BUILT_IN: &[(&str, &str)] = &[
    ("server.port", "${LOGPILOT_HTTP_PORT:8080}"),
    ("management.server.port", "${LOGPILOT_MANAGEMENT_PORT:8081}"),
    ("management.endpoints.web.exposure.include", "health,info,metrics,prometheus"),
    ("grpc.server.port", "${LOGPILOT_GRPC_PORT:50051}"),
    ("logpilot.server.protocol", "${LOGPILOT_PROTOCOL:all}"),
    ("logpilot.server.api-key", "${LOGPILOT_API_KEY:logpilot-secret-key-123}"),
    ("logpilot.server.rate-limit.capacity", "${LOGPILOT_RATE_LIMIT_CAPACITY:100}"),
    ("logpilot.server.rate-limit.refill-tokens", "${LOGPILOT_RATE_LIMIT_REFILL_TOKENS:100}"),
    ("logpilot.server.rate-limit.refill-duration-seconds", "${LOGPILOT_RATE_LIMIT_REFILL_DURATION:60}"),
    ("logpilot.storage.type", "${LOGPILOT_STORAGE_TYPE:sqlite}"),
    ("logpilot.storage.directory", "${LOGPILOT_STORAGE_DIR:./data/logs}"),
    ("logpilot.storage.sqlite.path", "${LOGPILOT_SQLITE_PATH:./data/logpilot.db}"),
];

/// The jar's values for a profile. An external file overrides them.
const PROFILES: &[(&str, &str, &str)] = &[
    ("all", "logpilot.server.protocol", "all"),
    ("rest", "logpilot.server.protocol", "rest"),
    ("grpc", "logpilot.server.protocol", "grpc"),
    ("grpc", "server.port", "-1"),
];

/// The maximum nesting of placeholders: deeper nesting is a loop.
const DEPTH: usize = 8;

#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    /// By relaxed name: the name as written, and the value with its placeholders.
    values: BTreeMap<String, (String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub value: String,
    pub origin: String,
}

#[derive(Clone, Debug)]
pub struct Properties {
    pub env: BTreeMap<String, String>,
    /// Strongest first. The environment is stronger than all of them.
    pub sources: Vec<Source>,
}

impl Properties {
    /// # Errors
    /// A location does not exist and is not optional, or a file is not YAML.
    pub fn load(env: BTreeMap<String, String>, directory: &Path) -> Result<Self, Failure> {
        let mut properties = Self { env, sources: Vec::new() };
        let located = properties.variable("spring.config.location");
        let replaced = located.is_some();
        let mut locations = located.unwrap_or_else(|| "optional:file:./,optional:file:./config/".to_owned());
        if let Some(more) = properties.variable("spring.config.additional-location") {
            locations = format!("{locations},{more}");
        }
        for location in locations.split(',').map(str::trim).filter(|location| !location.is_empty()) {
            if let Some(source) = read(location, directory)? {
                properties.sources.insert(0, source);
            }
        }
        if !replaced {
            let active =
                properties.get("spring.profiles.active").map(|found| found.value).unwrap_or_default();
            for profile in active.split(',').map(str::trim) {
                properties.sources.push(of_profile(profile));
            }
            properties
                .sources
                .push(Source::new("class path resource [application.yml]", BUILT_IN.iter().copied()));
        }
        Ok(properties)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Found> {
        self.look_up(name, DEPTH)
    }

    /// Names and values of one source, resolved.
    pub fn of<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = (&'a str, String)> {
        source.values.values().map(|(name, value)| (name.as_str(), self.resolve(value, DEPTH)))
    }

    /// Everything below a prefix, by the rest of its name.
    #[must_use]
    pub fn below(&self, prefix: &str) -> BTreeMap<String, String> {
        let relaxed = relaxed(prefix);
        let names = self.sources.iter().rev().flat_map(|source| &source.values);
        names
            .filter_map(|(name, (_, value))| {
                let rest = name.strip_prefix(&relaxed)?.strip_prefix('.')?;
                Some((rest.to_owned(), self.resolve(value, DEPTH)))
            })
            .collect()
    }

    fn look_up(&self, name: &str, depth: usize) -> Option<Found> {
        if let Some(name) = self.variable_name(name) {
            let value = self.env.get(&name)?.clone();
            return Some(Found { value, origin: format!("System Environment Property \"{name}\"") });
        }
        let relaxed = relaxed(name);
        self.sources.iter().find_map(|source| {
            let (written, value) = source.values.get(&relaxed)?;
            Some(Found {
                value: self.resolve(value, depth),
                origin: format!("\"{written}\" from property source \"{}\"", source.name),
            })
        })
    }

    fn variable(&self, property: &str) -> Option<String> {
        self.env.get(&self.variable_name(property)?).cloned()
    }

    /// The variable that sets a property: dots become underscores; dashes are removed, or become
    /// underscores too.
    fn variable_name(&self, property: &str) -> Option<String> {
        let upper = property.replace('.', "_").to_uppercase();
        [upper.replace('-', ""), upper.replace('-', "_"), property.to_owned()]
            .into_iter()
            .find(|name| self.env.contains_key(name))
    }

    /// Resolves `${name:default}`, also within other text. A placeholder without value and default
    /// stays unchanged.
    fn resolve(&self, text: &str, depth: usize) -> String {
        let found = text.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        let (Some((before, (inside, after))), Some(depth)) = (found, depth.checked_sub(1)) else {
            return text.to_owned();
        };
        let (name, default) =
            inside.split_once(':').map_or((inside, None), |(name, value)| (name, Some(value)));
        let value = self
            .look_up(name, depth)
            .map(|found| found.value)
            .or_else(|| default.map(str::to_owned))
            .unwrap_or_else(|| format!("${{{inside}}}"));
        format!("{before}{value}{}", self.resolve(after, depth))
    }
}

impl Source {
    fn new<'a>(name: &str, values: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let values = values.map(|(name, value)| (relaxed(name), (name.to_owned(), value.to_owned())));
        Self { name: name.to_owned(), values: values.collect() }
    }
}

fn of_profile(profile: &str) -> Source {
    let values = PROFILES.iter().filter(|(of, ..)| *of == profile).map(|(_, name, value)| (*name, *value));
    Source::new(&format!("class path resource [application.yml] ({profile})"), values)
}

/// Returns `None` if an optional location is empty.
fn read(location: &str, directory: &Path) -> Result<Option<Source>, Failure> {
    let (optional, rest) = location.strip_prefix("optional:").map_or((false, location), |rest| (true, rest));
    let given = rest.strip_prefix("file:").unwrap_or(rest);
    let path = directory.join(given);
    if !optional && !path.exists() {
        return Err(Failure::Banner {
            description: format!("Config data location '{location}' does not exist"),
            action: format!("Check that the value '{location}' is correct, or prefix it with 'optional:'"),
        });
    }
    let file: PathBuf = if given.ends_with('/') { path.join("application.yml") } else { path };
    if !file.is_file() {
        return Ok(None);
    }
    let failed = |why: String| Failure::Run(format!("{}: {why}", file.display()));
    let text = fs::read_to_string(&file).map_err(|error| failed(error.to_string()))?;
    let yaml: Value = serde_yaml::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let mut flat = Vec::new();
    flatten("", &yaml, &mut flat);
    let name = format!("Config resource 'file [{}]' via location '{location}'", file.display());
    let values = flat.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Ok(Some(Source::new(&name, values)))
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let scalar = match value {
        Value::Mapping(map) => {
            for (key, below) in map {
                let Some(key) = scalar(key) else { continue };
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, below, into);
            }
            return;
        }
        Value::Sequence(list) => {
            for (index, below) in list.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), below, into);
            }
            // Spring binds a list and its joined text in the same way.
            list.iter().map(scalar).collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        other => scalar(other),
    };
    if let Some(text) = scalar {
        into.push((path.to_owned(), text));
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// A property's name as Spring compares it.
fn relaxed(name: &str) -> String {
    let compared = |char: &char| char.is_ascii_alphanumeric() || ".[]".contains(*char);
    name.chars().flat_map(char::to_lowercase).filter(compared).collect()
}
