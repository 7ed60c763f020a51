//! LogPilot's tables, opened as LogPilot opens them.

use std::{
    fs,
    mem::ManuallyDrop,
    path::Path,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::{Broken, Entry, Level, Storage, Stored};
use crate::failure::{Failure, Trace};

/// How long a call waits for another process that writes: a response after 3.1 s was observed.
const BUSY: Duration = Duration::from_secs(3);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        channel TEXT NOT NULL,
        level TEXT NOT NULL,
        message TEXT NOT NULL,
        meta TEXT,
        timestamp DATETIME NOT NULL,
        created_at DATETIME DEFAULT CURRENT_TIMESTAMP
    );
    CREATE TABLE IF NOT EXISTS consumer_offsets (
        consumer_id TEXT NOT NULL,
        channel TEXT NOT NULL,
        last_log_id INTEGER NOT NULL,
        PRIMARY KEY (consumer_id, channel)
    );";

const COLUMNS: &str = "SELECT channel, level, message, meta, timestamp, id FROM logs WHERE channel = ?1";

type Unclosed = Mutex<ManuallyDrop<Connection>>;

/// Dropping it closes nothing: LogPilot leaves its write-ahead log behind too, and a copy of the
/// file alone has no rows.
///
/// Two connections instead of a pool: a read does not wait for a write that waits for another process.
pub struct Sqlite {
    writer: Unclosed,
    reader: Unclosed,
}

impl Sqlite {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)
                .map_err(|_| Failure::Run(format!("Failed to create directory: {}", parent.display())))?;
        }
        let connect = || connect(path).map_err(|error| failure(path, &error));
        let writer = connect()?;
        writer.execute_batch(TABLES).map_err(|error| failure(path, &error))?;
        let unclosed = |connection| Mutex::new(ManuallyDrop::new(connection));
        Ok(Self { writer: unclosed(writer), reader: unclosed(connect()?) })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

fn lock(connection: &Unclosed) -> Result<MutexGuard<'_, ManuallyDrop<Connection>>, Broken> {
    connection.lock().map_err(|_| Broken("an earlier call ended in the middle".into()))
}

/// In the words of the driver, with the frames of the place where the error occurs.
fn failure(path: &Path, error: &rusqlite::Error) -> Failure {
    let sqlite = |words: &str| format!("org.sqlite.SQLiteException: {words}");
    let (trace, cause) = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) if path.is_dir() => (
            Trace::Pragma,
            sqlite("[SQLITE_CANTOPEN] Unable to open the database file (unable to open database file)"),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            let words = format!("opening db: '{}': Permission denied", path.display());
            (Trace::Open, format!("java.sql.SQLException: {words}"))
        }
        Some(ErrorCode::NotADatabase) => (
            Trace::Pragma,
            sqlite("[SQLITE_NOTADB] File opened that is not a database file (file is not a database)"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            Trace::Statement,
            sqlite(
                "[SQLITE_CORRUPT] The database disk image is malformed (database disk image is malformed)",
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            Trace::Statement,
            sqlite("[SQLITE_FULL] Insertion failed because database is full (database or disk is full)"),
        ),
        _ => (Trace::Statement, sqlite(&error.to_string())),
    };
    Failure::Trace { trace, cause }
}

impl Storage for Sqlite {
    fn append(&self, entries: &[Entry]) -> Result<(), Broken> {
        let mut connection = lock(&self.writer)?;
        let transaction = connection.transaction()?;
        for entry in entries {
            let meta = (!entry.meta.is_empty()).then(|| serde_json::to_string(&entry.meta)).transpose()?;
            transaction
                .prepare(
                    "INSERT INTO logs (channel, level, message, meta, timestamp) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![entry.channel, entry.level.name(), entry.message, meta, entry.timestamp])?;
        }
        Ok(transaction.commit()?)
    }

    fn after(&self, channel: &str, id: i64, limit: usize) -> Result<Vec<Stored>, Broken> {
        let connection = lock(&self.reader)?;
        let mut query = connection.prepare(&format!("{COLUMNS} AND id > ?2 ORDER BY id LIMIT ?3"))?;
        let rows = query.query_map(params![channel, id, rows(limit)], stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn newest(&self, channel: &str, limit: usize) -> Result<Vec<Stored>, Broken> {
        let connection = lock(&self.reader)?;
        let mut query = connection.prepare(&format!("{COLUMNS} ORDER BY id DESC LIMIT ?2"))?;
        let rows = query.query_map(params![channel, rows(limit)], stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn offset(&self, consumer: &str, channel: &str) -> Result<i64, Broken> {
        let sql = "SELECT last_log_id FROM consumer_offsets WHERE consumer_id = ?1 AND channel = ?2";
        let offset =
            lock(&self.reader)?.prepare(sql)?.query_row([consumer, channel], |row| row.get(0)).optional()?;
        Ok(offset.unwrap_or(0))
    }

    fn set_offset(&self, consumer: &str, channel: &str, id: i64) -> Result<(), Broken> {
        let sql = "REPLACE INTO consumer_offsets (consumer_id, channel, last_log_id) VALUES (?1, ?2, ?3)";
        lock(&self.writer)?.prepare(sql)?.execute(params![consumer, channel, id])?;
        Ok(())
    }
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let level: String = row.get(1)?;
    let meta: Option<String> = row.get(3)?;
    Ok(Stored {
        entry: Entry {
            channel: row.get(0)?,
            level: Level::of(&level).unwrap_or(Level::Info),
            message: row.get(2)?,
            meta: meta.and_then(|meta| serde_json::from_str(&meta).ok()).unwrap_or_default(),
            timestamp: row.get(4)?,
        },
        id: row.get(5)?,
    })
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
