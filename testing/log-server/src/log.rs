//! Lines on standard output in the format of Spring Boot, counted as Logback counts them.

use std::{
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;

#[derive(Clone, Copy, Debug)]
pub enum Level {
    Info,
    Warn,
    Error,
}

static COUNTS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

impl Level {
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];

    /// Returns the label of `logback_events_total`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    fn counter(self) -> &'static AtomicU64 {
        let [info, warn, error] = &COUNTS;
        match self {
            Self::Info => info,
            Self::Warn => warn,
            Self::Error => error,
        }
    }

    /// Lines written so far.
    #[must_use]
    pub fn count(self) -> u64 {
        self.counter().load(Ordering::Relaxed)
    }
}

pub fn info(logger: &str, message: &str) {
    line(Level::Info, logger, message);
}

pub fn warn(logger: &str, message: &str) {
    line(Level::Warn, logger, message);
}

pub fn error(logger: &str, message: &str) {
    line(Level::Error, logger, message);
}

fn line(level: Level, logger: &str, message: &str) {
    level.counter().fetch_add(1, Ordering::Relaxed);
    let time = now();
    let name = level.label().to_uppercase();
    let pid = std::process::id();
    // A log without a reader is no reason to stop.
    _ = writeln!(
        std::io::stdout().lock(),
        "{time} {name:>5} {pid} --- [logpilot-server] [{:>15}] {logger:<40} : {message}",
        "main"
    );
}

/// The time in the format of log lines and stored records.
#[must_use]
pub fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
