//! Replaces the database with a backup, completely or not at all.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{Error, copy, files, history::History, manifest::Manifest};

/// Suffixes of the files that SQLite keeps next to a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    pub file: String,
    pub taken_at: String,
    /// Rows of all tables.
    pub rows: u64,
    /// New name of the replaced database file, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub duration_millis: u64,
    /// True if the restore was completed earlier under the same request ID, and not now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

/// Verifies a backup and replaces the database with it. The old database is kept next to it. With a
/// `request`, the restore runs once: a repeated request returns the first result, also after a crash at
/// any point.
///
/// # Errors
/// The backup differs from what was written, the database is in use, or a file cannot be written. In
/// these cases the database is unchanged.
pub fn put_back(
    backup: &Path,
    database: &Path,
    request: Option<&str>,
    now: Timestamp,
) -> Result<Restored, Error> {
    let started = Instant::now();
    let _lock = files::lock(database.parent().unwrap_or(Path::new(".")))?;
    let part = part_of(database);
    let mut history = History::of(database, &part)?;
    if let Some(done) = request.and_then(|request| history.restored(request)) {
        return Ok(Restored { already: true, ..done.clone() });
    }
    let manifest = Manifest::of(backup)?;
    let restored = |before: Option<&Path>| Restored {
        before: before.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()),
        rows: manifest.rows(),
        file: manifest.file.clone(),
        taken_at: manifest.taken_at.clone(),
        duration_millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        already: false,
    };
    let exchanged = verified_copy(backup, &part, &manifest).and_then(|()| {
        let noted = |before: Option<&Path>| {
            request.map_or(Ok(()), |request| history.begin(request, &restored(before)))
        };
        exchange(&part, database, now, noted)
    });
    match exchanged {
        Ok(before) => {
            let _ = history.done();
            Ok(restored(before.as_deref()))
        }
        Err(error) => {
            // The entry is removed only if the rename did not happen, and before the copy is removed: a
            // missing copy means that the rename happened.
            if part.exists() && history.take_back().is_ok() {
                let _ = files::remove(&part);
            }
            Err(error)
        }
    }
}

/// Returns the result of a request that was completed earlier. Its backup is no longer needed.
pub fn done(database: &Path, request: Option<&str>) -> Result<Option<Restored>, Error> {
    let Some(request) = request else { return Ok(None) };
    let _lock = files::lock(database.parent().unwrap_or(Path::new(".")))?;
    let history = History::of(database, &part_of(database))?;
    Ok(history.restored(request).map(|done| Restored { already: true, ..done.clone() }))
}

/// Returns the path of the copy before it replaces the database.
pub(super) fn part_of(database: &Path) -> PathBuf {
    files::beside(&files::part(database), "-restore")
}

/// Copies the backup next to the database, so that the replacement is one rename, and verifies the
/// copy: the verified file is the one that will be used.
fn verified_copy(backup: &Path, part: &Path, manifest: &Manifest) -> Result<(), Error> {
    files::remove(part)?;
    let from = File::open(backup).map_err(Error::file("read", backup))?;
    let into = File::create(part).map_err(Error::file("write", part))?;
    manifest.fits(&files::digest(from, into).map_err(Error::file("copy", backup))?, backup)?;
    copy::verify(part, &manifest.tables)?;
    // Restores the journal mode that the server used: a server that expects a write-ahead log does not
    // have to switch.
    if manifest.journal_mode == "wal" {
        let failed = |source| Error::sqlite("write", part)(source);
        let connection = Connection::open(part).map_err(failed)?;
        connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
            .map_err(failed)?;
        connection.close().map_err(|(_, source)| failed(source))?;
    }
    files::sync(part)
}

/// Replaces the database and returns the path of the old one. `note` is called before the rename that
/// makes the restore effective.
fn exchange(
    part: &Path,
    database: &Path,
    now: Timestamp,
    note: impl FnOnce(Option<&Path>) -> Result<(), Error>,
) -> Result<Option<PathBuf>, Error> {
    if !database.exists() {
        for suffix in BESIDE {
            // SQLite would apply a log without its database to the new one.
            files::remove(&files::beside(database, suffix))?;
        }
        note(None)?;
        files::commit(part, database)?;
        return Ok(None);
    }
    // The lock is held until the end, so that no server can open the database in between.
    let alone = alone(database)?;
    let before = files::beside(database, &format!(".before-restore-{}", files::stamp(now)));
    for suffix in BESIDE {
        let log = files::beside(database, suffix);
        // Only a damaged database still has these files, see `alone`. They are renamed with it.
        if log.exists() {
            fs::rename(&log, files::beside(&before, suffix)).map_err(Error::file("rename", log))?;
        }
    }
    // The old file has two names before the rename, so that a database exists at any moment.
    let linked = fs::hard_link(database, &before);
    if linked.is_err() {
        // The filesystem does not support hard links.
        fs::rename(database, &before).map_err(Error::file("rename", database))?;
    }
    if let Err(error) = note(Some(&before)).and_then(|()| files::commit(part, database)) {
        // If the new database is already in place, this is the only name of the old one.
        if part.exists() {
            let _ = if linked.is_ok() { fs::remove_file(&before) } else { fs::rename(&before, database) };
        }
        return Err(error);
    }
    drop(alone);
    Ok(Some(before))
}

/// Proves that no other process has the database open, and keeps it locked. Leaving WAL mode requires
/// that every other connection is closed, and it merges the log, so that the old database is one
/// complete file. Returns `None` for a file that SQLite cannot read: such a file is a reason for the
/// restore, and no server can be running on it.
fn alone(database: &Path) -> Result<Option<Connection>, Error> {
    let locked = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            database,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(connection)
    };
    match locked() {
        Ok(connection) => Ok(Some(connection)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Err(Error::InUse(database.to_owned()))
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(None),
            _ => Err(Error::sqlite("lock", database)(error)),
        },
    }
}
