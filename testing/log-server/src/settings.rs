//! The relevant properties with their types. A value that cannot be converted ends the startup, as
//! in Spring.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use crate::{failure::Failure, properties::Properties};

#[expect(clippy::struct_excessive_bools, reason = "each is a property of Spring that is true or false")]
#[derive(Clone, Debug)]
pub struct Settings {
    pub http: Listener,
    pub management: Listener,
    pub grpc: Listener,
    /// Unchecked, as in LogPilot: an unknown value disables both REST and gRPC.
    pub protocol: String,
    pub api_key: String,
    pub rate: Rate,
    pub storage: Storage,
    pub graceful: bool,
    /// The time for requests in progress at the end.
    pub drain: Duration,
    pub probes: bool,
    pub probes_on_main_port: bool,
    pub exposed: Vec<String>,
    pub show_values: bool,
    pub info_env: bool,
    pub prometheus: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub address: IpAddr,
    /// None: -1, closed. 0: any free port.
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub capacity: u32,
    pub refill_tokens: u32,
    pub refill: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    Sqlite(PathBuf),
    File(PathBuf),
}

impl Settings {
    /// # Errors
    /// The first value that cannot be bound.
    pub fn bind(properties: &Properties) -> Result<Self, Failure> {
        let from = Reader(properties);
        // Properties that have no effect but must be numbers: the ones that service links set by
        // accident.
        for name in ["logpilot.server.port", "logpilot.grpc.port"] {
            from.optional::<i32>(name, "int", |_| number_format())?;
        }
        let seconds = from.number("logpilot.server.rate-limit.refill-duration-seconds", 60)?;
        Ok(Self {
            http: from.listener("server", 8080)?,
            management: from.listener("management.server", 8081)?,
            grpc: from.listener("grpc.server", 50051)?,
            protocol: from.text("logpilot.server.protocol", "all"),
            api_key: from.text("logpilot.server.api-key", "logpilot-secret-key-123"),
            rate: Rate {
                capacity: from.number("logpilot.server.rate-limit.capacity", 100)?,
                refill_tokens: from.number("logpilot.server.rate-limit.refill-tokens", 100)?,
                refill: Duration::from_secs(u64::from(seconds)),
            },
            storage: from.storage()?,
            graceful: from.shutdown()?,
            drain: from.duration("spring.lifecycle.timeout-per-shutdown-phase", Duration::from_secs(30))?,
            probes: from.flag("management.endpoint.health.probes.enabled", in_a_pod(properties))?,
            probes_on_main_port: from
                .flag("management.endpoint.health.probes.add-additional-paths", false)?,
            exposed: from
                .text("management.endpoints.web.exposure.include", "health")
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            show_values: from
                .text("management.endpoint.env.show-values", "never")
                .eq_ignore_ascii_case("always"),
            info_env: from.flag("management.info.env.enabled", false)?,
            prometheus: from.flag("management.prometheus.metrics.export.enabled", true)?,
        })
    }

    #[must_use]
    pub fn has_rest(&self) -> bool {
        matches!(self.protocol.as_str(), "all" | "rest")
    }

    #[must_use]
    pub fn has_grpc(&self) -> bool {
        matches!(self.protocol.as_str(), "all" | "grpc")
    }

    #[must_use]
    pub fn exposes(&self, endpoint: &str) -> bool {
        self.exposed.iter().any(|name| name == "*" || name == endpoint)
    }
}

/// Returns whether the health groups exist by default.
fn in_a_pod(properties: &Properties) -> bool {
    ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]
        .iter()
        .all(|name| properties.env.contains_key(*name))
}

fn number_format() -> String {
    "failed to convert java.lang.String to int (caused by java.lang.NumberFormatException)".into()
}

struct Reader<'a>(&'a Properties);

impl Reader<'_> {
    fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or_else(|| default.to_owned(), |found| found.value)
    }

    fn optional<T: FromStr>(
        &self,
        name: &str,
        target: &'static str,
        reason: impl Fn(&str) -> String,
    ) -> Result<Option<T>, Failure> {
        let Some(found) = self.0.get(name) else { return Ok(None) };
        found.value.trim().parse().map(Some).map_err(|_| Failure::Bind {
            property: name.to_owned(),
            reason: reason(&found.value),
            value: found.value,
            origin: found.origin,
            target,
        })
    }

    fn number(&self, name: &str, default: u32) -> Result<u32, Failure> {
        Ok(self.optional(name, "int", |_| number_format())?.unwrap_or(default))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        let reason = |value: &str| {
            format!("failed to convert java.lang.String to boolean (Invalid boolean value '{value}')")
        };
        Ok(self.optional(name, "boolean", reason)?.unwrap_or(default))
    }

    fn listener(&self, server: &str, default: u16) -> Result<Listener, Failure> {
        let any = IpAddr::from([0, 0, 0, 0]);
        let address =
            self.optional(&format!("{server}.address"), "java.net.InetAddress", |_| "unknown host".into())?;
        let name = format!("{server}.port");
        let failed = |value: &str| {
            format!(
                "org.springframework.core.convert.ConversionFailedException: Failed to convert from type [java.lang.String] to type [java.lang.Integer] for value [{value}]"
            )
        };
        let port: i32 = self.optional(&name, "java.lang.Integer", failed)?.unwrap_or(i32::from(default));
        Ok(Listener { address: address.unwrap_or(any), port: u16::try_from(port).ok() })
    }

    fn storage(&self) -> Result<Storage, Failure> {
        let name = "logpilot.storage.type";
        let kind = self.text(name, "sqlite");
        if kind.eq_ignore_ascii_case("sqlite") {
            Ok(Storage::Sqlite(self.text("logpilot.storage.sqlite.path", "./data/logpilot.db").into()))
        } else if kind.eq_ignore_ascii_case("file") {
            Ok(Storage::File(self.text("logpilot.storage.directory", "./data/logs").into()))
        } else {
            let target = "com.logpilot.core.config.LogPilotProperties$StorageType";
            Err(self.no_constant(name, kind, target))
        }
    }

    fn shutdown(&self) -> Result<bool, Failure> {
        let name = "server.shutdown";
        match self.text(name, "immediate") {
            value if value.eq_ignore_ascii_case("graceful") => Ok(true),
            value if value.eq_ignore_ascii_case("immediate") => Ok(false),
            value => Err(self.no_constant(name, value, "org.springframework.boot.web.server.Shutdown")),
        }
    }

    fn no_constant(&self, name: &str, value: String, target: &'static str) -> Failure {
        Failure::Bind {
            property: name.to_owned(),
            reason: format!(
                "failed to convert java.lang.String to {target} (caused by java.lang.IllegalArgumentException: \
                 No enum constant {}.{value})",
                target.replace('$', ".")
            ),
            value,
            origin: self.0.get(name).map(|found| found.origin).unwrap_or_default(),
            target,
        }
    }

    /// `30s`, `500ms`, `2m`; a number alone is milliseconds.
    fn duration(&self, name: &str, default: Duration) -> Result<Duration, Failure> {
        let reason = |value: &str| format!("'{value}' is not a valid duration");
        Ok(self.optional::<Span>(name, "java.time.Duration", reason)?.map_or(default, |span| span.0))
    }
}

struct Span(Duration);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(drop)?;
        let millis = match unit {
            "" | "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(()),
        };
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or(())
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
