//! Records and the read position of each consumer, in SQLite or in files.

mod file;
mod sqlite;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{failure::Failure, log, settings, switches::Fault};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// A record to store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub channel: String,
    pub level: Level,
    pub message: String,
    pub meta: Map<String, Value>,
    pub timestamp: String,
}

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    #[serde(flatten)]
    pub entry: Entry,
    pub id: i64,
}

/// Where a consumer continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Earliest,
    Latest,
    Specific(i64),
}

/// The reason of a failed call, which the client does not see.
#[derive(Debug)]
pub struct Broken(pub String);

/// The operations of both kinds of storage. Positions may move backwards.
trait Storage: Send + Sync {
    fn append(&self, entries: &[Entry]) -> Result<(), Broken>;
    /// Oldest first, after the id.
    fn after(&self, channel: &str, id: i64, limit: usize) -> Result<Vec<Stored>, Broken>;
    /// Newest first.
    fn newest(&self, channel: &str, limit: usize) -> Result<Vec<Stored>, Broken>;
    /// 0 if it never read.
    fn offset(&self, consumer: &str, channel: &str) -> Result<i64, Broken>;
    fn set_offset(&self, consumer: &str, channel: &str, id: i64) -> Result<(), Broken>;
}

pub struct Store {
    storage: Box<dyn Storage>,
    fault: Option<Fault>,
}

impl Store {
    /// # Errors
    /// The location is not writable, or contains something else.
    pub fn open(settings: &settings::Storage, fault: Option<Fault>) -> Result<Self, Failure> {
        let storage: Box<dyn Storage> = match settings {
            settings::Storage::Sqlite(path) => Box::new(sqlite::Sqlite::open(path)?),
            settings::Storage::File(directory) => Box::new(file::Files::open(directory)?),
        };
        Ok(Self { storage, fault })
    }

    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.fault.as_ref().is_some_and(Fault::is_there)
    }

    /// # Errors
    /// The storage rejects the records.
    pub fn append(&self, entries: &[Entry]) -> Result<(), Broken> {
        self.with(|storage| storage.append(entries))
    }

    /// Returns the next records for the consumer. An offset that cannot be saved is only logged.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn read(
        &self,
        channel: &str,
        consumer: Option<&str>,
        limit: usize,
        commit: bool,
    ) -> Result<Vec<Stored>, Broken> {
        let Some(consumer) = consumer else { return self.with(|storage| storage.newest(channel, limit)) };
        let read = self.with(|storage| {
            let offset = storage.offset(consumer, channel)?;
            storage.after(channel, offset, limit)
        })?;
        if let Some(last) = read.last().filter(|_| commit) {
            self.commit(channel, consumer, last.id);
        }
        Ok(read)
    }

    /// Returns nothing, as LogPilot does: an offset that could not be saved is only logged.
    pub fn commit(&self, channel: &str, consumer: &str, id: i64) {
        if let Err(Broken(why)) = self.with(|storage| storage.set_offset(consumer, channel, id)) {
            log::error("c.l.core.storage", &format!("Failed to update consumer offset: {why}"));
        }
    }

    /// # Errors
    /// The storage cannot be read.
    pub fn seek(&self, channel: &str, consumer: &str, to: Position) -> Result<(), Broken> {
        let id = match to {
            Position::Earliest => 0,
            Position::Latest => {
                self.with(|storage| storage.newest(channel, 1))?.first().map_or(0, |newest| newest.id)
            }
            Position::Specific(id) => id,
        };
        self.commit(channel, consumer, id);
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&dyn Storage) -> Result<T, Broken>) -> Result<T, Broken> {
        if self.is_faulty() {
            return Err(Broken("LOG_SERVER_STORAGE_FAULT".into()));
        }
        work(self.storage.as_ref())
    }
}
