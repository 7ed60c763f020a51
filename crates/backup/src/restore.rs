//! Puts a backup in the place of the database. Either all of it happens or nothing.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{Error, copy, files, history::History, manifest::Manifest};

/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What came of a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    pub file: String,
    pub taken_at: String,
    /// Rows of all tables.
    pub rows: u64,
    /// Name of the file that the replaced database has now, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub duration_millis: u64,
    /// It was done before under the same name, and not now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

/// Verifies a backup and puts it in the database's place; the old one stays beside it. Under the name of a `request`
/// this happens once: asked again, also after a crash at any point, it answers what came of it.
///
/// # Errors
/// The backup is not what was written, the database is in use, or a file cannot be written. The database is
/// then what it was.
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
            // Only what did not happen is taken back, and before the copy goes: its absence says that it did.
            if part.exists() && history.take_back().is_ok() {
                let _ = files::remove(&part);
            }
            Err(error)
        }
    }
}

/// What came of a request that was carried out before: its backup is not needed any more.
pub fn done(database: &Path, request: Option<&str>) -> Result<Option<Restored>, Error> {
    let Some(request) = request else { return Ok(None) };
    let _lock = files::lock(database.parent().unwrap_or(Path::new(".")))?;
    let history = History::of(database, &part_of(database))?;
    Ok(history.restored(request).map(|done| Restored { already: true, ..done.clone() }))
}

/// Where the copy is before it takes the database's place.
pub(super) fn part_of(database: &Path) -> PathBuf {
    files::beside(&files::part(database), "-restore")
}

/// Copies beside the database, so that taking its place is one rename, and checks the copy: what is checked is
/// then what will be used.
fn verified_copy(backup: &Path, part: &Path, manifest: &Manifest) -> Result<(), Error> {
    files::remove(part)?;
    let from = File::open(backup).map_err(Error::file("read", backup))?;
    let into = File::create(part).map_err(Error::file("write", part))?;
    manifest.fits(&files::digest(from, into).map_err(Error::file("copy", backup))?, backup)?;
    copy::verify(part, &manifest.tables)?;
    // As the server left it: a server that expects a log does not have to switch.
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

/// Answers where the old database is now. `note` is told before the one rename that counts.
fn exchange(
    part: &Path,
    database: &Path,
    now: Timestamp,
    note: impl FnOnce(Option<&Path>) -> Result<(), Error>,
) -> Result<Option<PathBuf>, Error> {
    if !database.exists() {
        for suffix in BESIDE {
            // A log without its database would be read into the new one.
            files::remove(&files::beside(database, suffix))?;
        }
        note(None)?;
        files::commit(part, database)?;
        return Ok(None);
    }
    // Held until the end, so that no server comes in between.
    let alone = alone(database)?;
    let before = files::beside(database, &format!(".before-restore-{}", files::stamp(now)));
    for suffix in BESIDE {
        let log = files::beside(database, suffix);
        // Only a damaged database still has them, see `alone`; they go with it.
        if log.exists() {
            fs::rename(&log, files::beside(&before, suffix)).map_err(Error::file("rename", log))?;
        }
    }
    // Two names for the old file, then one rename: there is no moment without a database.
    let linked = fs::hard_link(database, &before);
    if linked.is_err() {
        // A filesystem without links.
        fs::rename(database, &before).map_err(Error::file("rename", database))?;
    }
    if let Err(error) = note(Some(&before)).and_then(|()| files::commit(part, database)) {
        // With the new one in its place, this is the old one's only name.
        if part.exists() {
            let _ = if linked.is_ok() { fs::remove_file(&before) } else { fs::rename(&before, database) };
        }
        return Err(error);
    }
    drop(alone);
    Ok(Some(before))
}

/// Proves that nobody else has the database open, and keeps it so. Leaving WAL mode needs every other connection
/// gone, and merges the log, so that the old database is one whole file. `None` for a file that SQLite cannot read:
/// it is what the restore is for, and no server can be running on it.
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
