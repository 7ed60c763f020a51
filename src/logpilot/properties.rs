//! The properties of the server that only the operator sets, and their spellings in Spring. This one
//! table applies to every way in which a value reaches the server: `config.overlay`, variables, Java
//! options and arguments. Pure.

use std::{net::IpAddr, sync::LazyLock};

use serde_json::{Map, Value};

use crate::api::{OWNED_VARIABLES, config::Config};

/// A property that only the operator sets.
#[derive(Clone, Debug)]
pub struct Owned {
    /// The name of the property; it covers everything below it.
    pub name: &'static str,
    keeps: Keeps,
    /// The alternative, or the reason why there is none.
    pub instead: &'static str,
}

/// The values that change nothing the operator relies on.
#[derive(Clone, Copy, Debug)]
enum Keeps {
    Nothing,
    /// One of these, in the spelling of [`relaxed`].
    Values(&'static [&'static str]),
    /// An address that means all addresses of a pod, or one of these words for them.
    EveryAddress(&'static [&'static str]),
    /// A list with all of these endpoints, or with `*`.
    Endpoints(&'static [&'static str]),
    /// A list without any of these endpoints, and without `*`.
    NotEndpoints(&'static [&'static str]),
    /// A text that does not contain this.
    Without(&'static str),
    /// A duration of at least one second.
    Seconds,
}

/// The knowledge about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    Text(&'a str),
    /// Read from an object later, and evaluated then.
    Later,
    Never,
}

const HTTP_PORT: &str = "the HTTP port is fixed; set the port of a Service or Ingress instead";
const GRPC_PORT: &str = "the gRPC port is fixed; set the port of a Service or Ingress instead";
const MANAGEMENT_PORT: &str = "the management port is fixed: probes and metrics use it";
const ADDRESS: &str = "the server listens on every address of its pod: Services, probes and metrics use it";
const TLS: &str = "clients speak TLS to an Ingress or Gateway; use `tls` of `spec.exposure`";
const MANAGEMENT_PATH: &str = "probes and metrics use the paths below `/actuator` of the management port";
const ENDPOINT: &str = "probes need the endpoint `health`, and metrics need `prometheus`";
const METRICS: &str =
    "metrics are read from the endpoint `prometheus`; choose what is read in `spec.monitoring`";
const MEASURED: &str =
    "alerts, objectives and dashboards read these metrics; choose what is read in `spec.monitoring`";
const COMPONENT: &str = "choose the component instead: `spec.components.rest`, `.grpc` or `.all`";
const OVERLAY: &str = "`spec.config.overlay` is the only source of configuration: write the settings there";
const SHUTDOWN: &str =
    "a server that stops immediately loses responses; use `terminationGracePeriodSeconds` of the component";

const TRUE: Keeps = Keeps::Values(&["true"]);
/// Health and metrics only need read access.
const READABLE: Keeps = Keeps::Values(&["unrestricted", "readonly"]);
const NEEDED: &[&str] = &["health", "prometheus"];

const fn owned(name: &'static str, keeps: Keeps, instead: &'static str) -> Owned {
    Owned { name, keeps, instead }
}

/// Source of the names from `management`: the application properties of Spring Boot 3.3 to 3.5.
pub const OWNED_PROPERTIES: &[Owned] = &[
    owned("server.port", Keeps::Nothing, HTTP_PORT),
    owned("server.address", Keeps::EveryAddress(&[]), ADDRESS),
    owned("server.ssl", Keeps::Nothing, TLS),
    owned("server.shutdown", Keeps::Values(&["graceful"]), SHUTDOWN),
    owned("grpc.server.port", Keeps::Nothing, GRPC_PORT),
    owned("grpc.server.address", Keeps::EveryAddress(&["*"]), ADDRESS),
    owned("grpc.server.security", Keeps::Nothing, TLS),
    owned("management.server.port", Keeps::Nothing, MANAGEMENT_PORT),
    owned("management.server.address", Keeps::EveryAddress(&[]), ADDRESS),
    owned("management.server.base-path", Keeps::Nothing, MANAGEMENT_PATH),
    owned("management.server.ssl", Keeps::Nothing, MANAGEMENT_PORT),
    owned("management.endpoints.web.base-path", Keeps::Nothing, MANAGEMENT_PATH),
    owned("management.endpoints.web.path-mapping.health", Keeps::Nothing, MANAGEMENT_PATH),
    owned("management.endpoints.web.path-mapping.prometheus", Keeps::Nothing, MANAGEMENT_PATH),
    owned("management.endpoints.web.exposure.include", Keeps::Endpoints(NEEDED), ENDPOINT),
    owned("management.endpoints.web.exposure.exclude", Keeps::NotEndpoints(NEEDED), ENDPOINT),
    owned("management.endpoints.enabled-by-default", TRUE, ENDPOINT),
    owned("management.endpoints.access.default", READABLE, ENDPOINT),
    owned("management.endpoints.access.max-permitted", READABLE, ENDPOINT),
    owned("management.endpoint.health.enabled", TRUE, ENDPOINT),
    owned("management.endpoint.health.access", READABLE, ENDPOINT),
    owned("management.endpoint.prometheus.enabled", TRUE, ENDPOINT),
    owned("management.endpoint.prometheus.access", READABLE, ENDPOINT),
    owned("management.endpoint.health.status.http-mapping", Keeps::Nothing, ENDPOINT),
    owned("management.endpoint.health.probes.enabled", TRUE, ENDPOINT),
    owned("management.health.probes.enabled", TRUE, ENDPOINT),
    owned("management.prometheus.metrics.export.enabled", TRUE, METRICS),
    owned("management.defaults.metrics.export.enabled", TRUE, METRICS),
    owned("spring.main.web-application-type", Keeps::Values(&["servlet"]), MANAGEMENT_PORT),
    // The probe groups exist only on this platform.
    owned("spring.main.cloud-platform", Keeps::Values(&["kubernetes"]), ENDPOINT),
    owned("spring.main.register-shutdown-hook", TRUE, SHUTDOWN),
    owned("spring.lifecycle.timeout-per-shutdown-phase", Keeps::Seconds, SHUTDOWN),
    // Names of metrics, each with everything below it.
    owned("management.metrics.enable.all", TRUE, MEASURED),
    owned("management.metrics.enable.http", TRUE, MEASURED),
    owned("management.metrics.enable.grpc", TRUE, MEASURED),
    owned("management.metrics.enable.jvm", TRUE, MEASURED),
    owned("management.metrics.enable.process", TRUE, MEASURED),
    owned("management.metrics.enable.logpilot", TRUE, MEASURED),
    owned("management.observations.enable.all", TRUE, MEASURED),
    owned("management.observations.enable.http", TRUE, MEASURED),
    owned("management.observations.enable.grpc", TRUE, MEASURED),
    owned("management.observations.http.server.requests.name", Keeps::Nothing, MEASURED),
    owned("spring.autoconfigure.exclude", Keeps::Without(".actuate."), ENDPOINT),
    owned("logpilot.server.protocol", Keeps::Nothing, COMPONENT),
    owned(
        "logpilot.server.api-key",
        Keeps::Nothing,
        "use `spec.auth.apiKeySecret`: a key in another place can be read by many",
    ),
    owned("logpilot.storage", Keeps::Nothing, "use `spec.storage` and `spec.config.sqlitePool`"),
    // An import, a profile's section and this JSON would take precedence over everything here.
    owned("spring.config", Keeps::Nothing, OVERLAY),
    owned("spring.profiles", Keeps::Nothing, COMPONENT),
    owned("spring.application.json", Keeps::Nothing, OVERLAY),
];

impl Owned {
    /// Returns whether a value changes nothing the operator relies on.
    #[must_use]
    pub fn is_kept(&self, value: Known<'_>) -> bool {
        let text = match (value, self.keeps) {
            (_, Keeps::Nothing) | (Known::Never, _) => return false,
            (Known::Later, _) => return true,
            // A placeholder could have any value.
            (Known::Text(text), _) if text.contains("${") => return false,
            (Known::Text(text), _) => text,
        };
        let mut items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let all = |item: &str| item == "*";
        match self.keeps {
            Keeps::Nothing => false,
            Keeps::Values(kept) => kept.contains(&relaxed(text).as_str()),
            Keeps::EveryAddress(words) => {
                let text = text.trim();
                words.contains(&text) || text.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
            }
            Keeps::Endpoints(needed) => {
                let items: Vec<&str> = items.collect();
                let has = |name: &&str| items.iter().any(|item| relaxed(item) == **name);
                items.iter().any(|item| all(item)) || needed.iter().all(has)
            }
            Keeps::NotEndpoints(needed) => {
                !items.any(|item| all(item) || needed.contains(&relaxed(item).as_str()))
            }
            Keeps::Without(part) => !text.contains(part),
            Keeps::Seconds => is_a_second(text),
        }
    }
}

/// The reason why something must not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The property that the operator owns, as the table spells it, if it is one.
    pub owned: Option<&'static str>,
    /// The text after the name of what is set: `is set by the operator and may not be set here; …`.
    pub why: String,
}

impl Refusal {
    #[must_use]
    pub fn other(why: &str) -> Self {
        Self { owned: None, why: why.to_owned() }
    }

    /// Rejects a value above properties that the operator owns: any value would replace them.
    fn above(owned: &Owned) -> Self {
        let why = format!(
            "is a parent of `{}`, which only the operator sets: a value here, even an empty one, would replace it; set what is \
             below it one by one, or remove it; {}",
            owned.name, owned.instead
        );
        Self { owned: Some(owned.name), why }
    }

    fn of(owned: Option<&'static str>, instead: &str) -> Self {
        Self { owned, why: format!("is set by the operator and may not be set here; {instead}") }
    }
}

type Spelled<T> = LazyLock<Vec<([String; 2], T)>>;

/// The table in the form in which names are compared. The second spelling is that of variables, which
/// may have an underscore for a dash.
static SPELLED: Spelled<&Owned> =
    LazyLock::new(|| OWNED_PROPERTIES.iter().map(|owned| (spellings(owned.name), owned)).collect());

/// The same for variables that are placeholders in the server's built-in file, and other names that the
/// operator owns.
static SPELLED_VARIABLES: Spelled<&(&str, &str)> = LazyLock::new(|| {
    OWNED_VARIABLES.iter().map(|variable| (spellings(&variable.0.replace('_', ".")), variable)).collect()
});

fn spellings(name: &str) -> [String; 2] {
    [relaxed(name), relaxed(&name.replace('-', "."))]
}

/// Returns why this property must not have this value: the operator owns it, or its name is ambiguous,
/// because Spring treats the text after an unbalanced bracket as part of one name or of another.
#[must_use]
pub fn refusal(name: &str, value: Known<'_>) -> Option<Refusal> {
    let name_of = relaxed(name);
    let owner = SPELLED.iter().find(|([owned, _], row)| within(&name_of, owned) && !row.is_kept(value));
    match owner {
        Some((_, row)) => Some(Refusal::of(Some(row.name), row.instead)),
        None => unclear(name),
    }
}

fn unclear(name: &str) -> Option<Refusal> {
    let why = "has an unbalanced bracket; write the name without brackets";
    (!brackets_match(name)).then(|| Refusal::other(why))
}

/// Returns why this variable must not have this value. Spring reads its underscores as dots, also
/// repeated and at both ends, and a dash of a property as an underscore or as nothing.
#[must_use]
pub fn refused_variable(name: &str, value: Known<'_>) -> Option<Refusal> {
    let given = spellings(&name.replace('_', "."));
    let is = |owned: &[String; 2]| given.iter().any(|given| owned.iter().any(|owned| within(given, owned)));
    if let Some((_, (owned, instead))) = SPELLED_VARIABLES.iter().find(|(spelled, _)| is(spelled)) {
        return Some(Refusal::of(Some(owned), &format!("use {instead}")));
    }
    let property = SPELLED.iter().find(|(spelled, owned)| is(spelled) && !owned.is_kept(value));
    property.map(|(_, owned)| Refusal::of(Some(owned.name), owned.instead))
}

/// A property that the overlay must not set: the path as written, why, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub path: String,
    pub why: String,
}

/// Returns the properties of the overlay that the operator or a typed field owns.
#[must_use]
pub fn overlaps(config: &Config) -> Vec<Overlap> {
    let levels: Vec<(String, &String)> = config
        .log_levels
        .keys()
        .map(|logger| (relaxed(&format!("logging.level.{logger}")), logger))
        .collect();
    let mut found = Vec::new();
    walk(&config.overlay, "", &mut |path, key, value| {
        let name = relaxed(path);
        // At or below an owned property; or above one, where a scalar would erase it. A key without any
        // letter that Spring compares is a separate key.
        let wipes = !value.is_object() && key.is_ascii() && !relaxed(key).is_empty();
        let hit = |owned: &str| within(&name, owned) || wipes && below(owned, &name);
        let text = text(value);
        let known = text.as_deref().map_or(Known::Never, Known::Text);
        let kept = |spelled: &str, owned: &Owned| name == spelled && owned.is_kept(known);
        let owner = SPELLED.iter().find(|([spelled, _], owned)| hit(spelled) && !kept(spelled, owned));
        let level = || levels.iter().find(|(spelled, _)| hit(spelled));
        let refusal = match owner {
            Some(([spelled, _], row)) if !within(&name, spelled) => Some(Refusal::above(row)),
            Some((_, row)) => Some(Refusal::of(Some(row.name), row.instead)),
            None => level()
                .map(|(_, logger)| {
                    Refusal::of(None, &format!("`spec.config.logLevels` already sets `{logger}`"))
                })
                .or_else(|| unclear(path)),
        };
        let Some(Refusal { why, .. }) = refusal else { return false };
        found.push(Overlap { path: path.to_owned(), why });
        true
    });
    found
}

/// Returns a scalar as Spring reads it, and a list of scalars as Spring joins it; `None` for a value
/// that has properties below it.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().map(text).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Object(_) => None,
    }
}

/// Returns whether a duration, as Spring reads it, is at least one second: `10s`, `PT10S`, and
/// milliseconds without a unit.
fn is_a_second(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let (iso, number) = match lower.strip_prefix("pt") {
        Some(number) => (true, number),
        None => (false, lower.as_str()),
    };
    let unit = number.trim_start_matches(|char: char| char.is_ascii_digit());
    let amount = number.strip_suffix(unit).and_then(|digits| digits.parse::<u64>().ok()).unwrap_or_default();
    let milliseconds = match (iso, unit.chars().next()) {
        (false, None) => 1,
        (false, Some('m')) if unit == "ms" => 1,
        (_, Some('s')) => 1_000,
        (_, Some('m')) => 60_000,
        (_, Some('h')) => 3_600_000,
        (false, Some('d')) => 86_400_000,
        _ => 0,
    };
    amount.saturating_mul(milliseconds) >= 1_000
}

/// Returns whether the name is the property, or one below it.
fn within(name: &str, property: &str) -> bool {
    name == property || below(name, property)
}

fn below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}

/// Visits every property with its path and key; does not descend if the visitor returns true.
fn walk(map: &Map<String, Value>, parent: &str, visit: &mut impl FnMut(&str, &str, &Value) -> bool) {
    for (key, value) in map {
        let path = if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") };
        if !visit(&path, key, value)
            && let Value::Object(below) = value
        {
            walk(below, &path, visit);
        }
    }
}

/// Returns the name of a property as Spring compares it: case is ignored, and so is every character
/// that is neither an ASCII letter nor a digit, and `a[b]` is `a.b`. Source: `adapt` and `equals` of
/// org.springframework.boot.context.properties.source.ConfigurationPropertyName
#[must_use]
pub fn relaxed(name: &str) -> String {
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
