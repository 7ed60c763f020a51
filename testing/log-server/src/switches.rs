//! The switches that make the stand-in misbehave, from `LOG_SERVER_*`. LogPilot has none of these.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::failure::{Failure, Trace};

/// Every switch: its name and its effect. The help and the README show this list.
pub const ALL: &[(&str, &str)] = &[
    ("LOG_SERVER_SLOW_START_SECONDS", "opens no port for this many seconds"),
    ("LOG_SERVER_NEVER_READY", "true: readiness stays OUT_OF_SERVICE, liveness is UP"),
    ("LOG_SERVER_CRASH_ON", "PROPERTY or PROPERTY=VALUE: does not start with it, exit code 1"),
    (
        "LOG_SERVER_END_WITH",
        "open, pragma, statement, file, key-store, heap or frames: does not start, exits with that stack trace",
    ),
    ("LOG_SERVER_LEAK_MIB_PER_SECOND", "allocates memory and never frees it"),
    ("LOG_SERVER_EXIT_AT_ONCE", "true: exits on SIGTERM without answering requests in progress"),
    (
        "LOG_SERVER_STORAGE_FAULT",
        "true, or a path: storage fails (while the file exists), readiness DOWN, liveness UP",
    ),
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    pub slow_start: Duration,
    pub never_ready: bool,
    pub crash_on: Option<(String, Option<String>)>,
    pub end_with: Option<(Trace, &'static str)>,
    pub leak_mib: usize,
    pub exit_at_once: bool,
    pub storage_fault: Option<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Always,
    While(PathBuf),
}

impl Fault {
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Always => true,
            Self::While(path) => path.exists(),
        }
    }
}

impl Switches {
    /// # Errors
    /// An unknown switch, or an invalid value: a test with a misspelt one would show nothing.
    pub fn read(env: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut switches = Self::default();
        for (name, value) in env.iter().filter(|(name, _)| name.starts_with("LOG_SERVER_")) {
            let refused = || refused(name, value);
            match name.as_str() {
                "LOG_SERVER_SLOW_START_SECONDS" => {
                    switches.slow_start = value
                        .parse()
                        .ok()
                        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                        .ok_or_else(refused)?;
                }
                "LOG_SERVER_NEVER_READY" => {
                    switches.never_ready = value.parse().map_err(|_| refused())?;
                }
                "LOG_SERVER_CRASH_ON" => {
                    switches.crash_on = Some(match value.split_once('=') {
                        Some((property, value)) => (property.to_owned(), Some(value.to_owned())),
                        None => (value.clone(), None),
                    });
                }
                "LOG_SERVER_END_WITH" => {
                    let known = Trace::ALL.iter().find(|(_, name, _)| name == value).ok_or_else(refused)?;
                    switches.end_with = Some((known.0, known.2));
                }
                "LOG_SERVER_LEAK_MIB_PER_SECOND" => {
                    switches.leak_mib = value.parse().map_err(|_| refused())?;
                }
                "LOG_SERVER_EXIT_AT_ONCE" => {
                    switches.exit_at_once = value.parse().map_err(|_| refused())?;
                }
                "LOG_SERVER_STORAGE_FAULT" => {
                    switches.storage_fault = match value.as_str() {
                        "true" => Some(Fault::Always),
                        "false" => None,
                        path if path.starts_with('/') => Some(Fault::While(path.into())),
                        _ => return Err(refused()),
                    }
                }
                _ => return Err(refused()),
            }
        }
        Ok(switches)
    }
}

fn refused(name: &str, value: &str) -> Failure {
    let known: Vec<_> = ALL.iter().map(|(name, what)| format!("{name}: {what}")).collect();
    Failure::Banner {
        description: format!("{name}={value} is no switch of log-server"),
        action: format!("Use one of:\n{}", known.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Switches, Failure> {
        Switches::read(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn every_listed_switch_is_read() {
        for (name, _) in ALL {
            let value = match *name {
                "LOG_SERVER_END_WITH" => "heap",
                name if name.ends_with("SECONDS") || name.ends_with("SECOND") => "1",
                _ => "true",
            };
            assert_ne!(read(name, value), Ok(Switches::default()), "{name}");
        }
    }

    #[test]
    fn a_misspelt_switch_or_value_is_refused() {
        for (name, value) in [
            ("LOG_SERVER_NEVER_REDY", "true"),
            ("LOG_SERVER_NEVER_READY", "yes"),
            ("LOG_SERVER_SLOW_START_SECONDS", "-1"),
            ("LOG_SERVER_LEAK_MIB_PER_SECOND", "1Mi"),
            ("LOG_SERVER_STORAGE_FAULT", "data/broken"),
            ("LOG_SERVER_END_WITH", "true"),
        ] {
            assert!(read(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn the_readme_lists_every_switch() {
        let readme = include_str!("../README.md");
        for (name, what) in ALL {
            assert!(readme.contains(&format!("| `{name}` | {what} |")), "{name}");
        }
    }
}
