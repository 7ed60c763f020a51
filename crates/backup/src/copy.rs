//! Makes a consistent copy of a database that other processes write to.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};
use serde::Serialize;

use super::{
    Error, files,
    manifest::Manifest,
    origin::{Origin, Selection},
    retention,
};

/// Maximum wait for a lock of another process.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum number of available backups that are reported: a termination message holds 4096 bytes.
const TOLD: usize = 20;

/// The result of a backup: one line for logs, and for the status to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    pub file: String,
    pub taken_at: String,
    /// In bytes.
    pub size: u64,
    pub sha256: String,
    /// Rows of all tables.
    pub rows: u64,
    pub duration_millis: u64,
    /// The newest backups that can be restored.
    pub available: Vec<String>,
    pub pruned: usize,
    /// Set if the backup is complete, but older ones could not be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_failed: Option<String>,
}

/// Copies, verifies, and only then removes all but the newest `keep` backups of the resource.
///
/// # Errors
/// No new backup was taken. Existing backups are unchanged.
pub fn take(
    database: &Path,
    directory: &Path,
    of: &Selection,
    keep: usize,
    now: Timestamp,
) -> Result<Taken, Error> {
    let _lock = files::lock(directory)?;
    files::sweep(directory, of)?;
    let name = files::name(now, of.tag().as_deref());
    let (path, part) = (directory.join(&name), files::part(&directory.join(&name)));
    // The manifest is written first: a file without a manifest does not count as a backup, and would
    // never be removed.
    let committed = verified(database, &part, (name, of.origin.clone()), now).and_then(|manifest| {
        manifest.write(&path)?;
        files::commit(&part, &path)?;
        Ok(manifest)
    });
    let manifest = match committed {
        Ok(manifest) => manifest,
        Err(error) => {
            for leftover in
                [part.clone(), files::beside(&part, "-journal"), files::part(&Manifest::path(&path))]
            {
                let _ = files::remove(&leftover);
            }
            if !path.exists() {
                let _ = files::remove(&Manifest::path(&path));
            }
            return Err(error);
        }
    };
    let pruned = retention::prune(directory, of, keep);
    Ok(Taken::of(manifest, pruned, retention::list(directory, of)?))
}

impl Taken {
    /// `pruned` is the result of removing older backups. A failure there must not discard the new
    /// backup.
    #[must_use]
    pub fn of(manifest: Manifest, pruned: Result<Vec<String>, Error>, mut available: Vec<String>) -> Self {
        let (pruned, prune_failed) = match pruned {
            Ok(gone) => (gone.len(), None),
            Err(error) => (0, Some(error.to_string())),
        };
        available.truncate(TOLD);
        Self {
            rows: manifest.rows(),
            file: manifest.file,
            taken_at: manifest.taken_at,
            size: manifest.size,
            sha256: manifest.sha256,
            duration_millis: manifest.duration_millis,
            available,
            pruned,
            prune_failed,
        }
    }
}

/// Copies into a separate file and verifies it. Returns the manifest for it.
pub fn verified(
    database: &Path,
    part: &Path,
    (name, origin): (String, Option<Origin>),
    now: Timestamp,
) -> Result<Manifest, Error> {
    let started = Instant::now();
    let (tables, journal_mode) = copy(database, part)?;
    verify(part, &tables)?;
    let (size, sha256) = digest(part)?;
    Ok(Manifest {
        written_by: Manifest::written_by(),
        origin,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        file: name,
        taken_at: now.to_string(),
        size,
        sha256,
        journal_mode,
        tables,
        duration_millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Copies everything that was committed before the call. Returns the number of rows of each table in
/// that same state, and the journal mode.
///
/// The connection is read-only, but the directory must be writable: in WAL mode a reader marks in the
/// `-shm` file what it still needs, and creates that file if a crashed server left none. Because the
/// connection is read-only, closing it never checkpoints: only the servers maintain the log.
fn copy(database: &Path, part: &Path) -> Result<(BTreeMap<String, u64>, String), Error> {
    if !database.is_file() {
        return Err(Error::NoDatabase(database.to_owned()));
    }
    let reading = |source| Error::sqlite("read", database)(source);
    let source = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(reading)?;
    source.busy_timeout(PATIENCE).map_err(reading)?;
    let journal_mode: String =
        source.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(reading)?;
    // Counting and copying share one transaction, so that both see the same state, whatever is written
    // meanwhile. In WAL mode, writers continue. The log cannot be reset until the copy is done, so it
    // grows by what they write.
    source.execute_batch("BEGIN").map_err(reading)?;
    let tables = rows(&source).map_err(reading)?;
    if tables.is_empty() {
        return Err(Error::NoTables(database.to_owned()));
    }
    let writing = |source| Error::sqlite("write", part)(source);
    let mut target = Connection::open_with_flags(
        part,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(writing)?;
    // No other process sees the file before it is complete, and it is synced as a whole.
    target.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;").map_err(writing)?;
    // All pages are copied in one step: between two steps, a write of another process would restart the
    // copy, under load for ever.
    let step = Backup::new(&source, &mut target).and_then(|backup| backup.step(-1)).map_err(writing)?;
    if step != StepResult::Done {
        return Err(Error::Busy { path: database.to_owned(), seconds: PATIENCE.as_secs() });
    }
    Ok((tables, journal_mode))
}

/// Reads back what was written, as a restore would. Converts it to one file that needs no log next to
/// it.
pub fn verify(copy: &Path, tables: &BTreeMap<String, u64>) -> Result<(), Error> {
    let reading = |source| Error::sqlite("verify", copy)(source);
    let connection = Connection::open_with_flags(
        copy,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(reading)?;
    connection
        .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))
        .map_err(reading)?;
    let complaints: Vec<String> = connection
        .prepare("PRAGMA integrity_check(10)")
        .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect())
        .map_err(reading)?;
    if complaints != ["ok"] {
        return Err(Error::damaged(copy, complaints.join("; ")));
    }
    let found = rows(&connection).map_err(reading)?;
    if found != *tables {
        return Err(Error::damaged(copy, format!("its row counts are {found:?} instead of {tables:?}")));
    }
    connection.close().map_err(|(_, source)| reading(source))
}

pub fn digest(path: &Path) -> Result<(u64, String), Error> {
    File::open(path).and_then(|file| files::digest(file, io::sink())).map_err(Error::file("read", path))
}

/// Returns the number of rows of every table, except for SQLite's own tables.
pub fn rows(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let names: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    names
        .into_iter()
        .map(|name| {
            let count = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows: i64 = connection.query_row(&count, [], |row| row.get(0))?;
            Ok((name, u64::try_from(rows).unwrap_or(0)))
        })
        .collect()
}
