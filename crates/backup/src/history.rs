//! The history of restores on a database: a file next to it that records completed requests, so that no
//! restore runs twice, whatever state is lost elsewhere. Kubernetes restarts a pod that was killed in
//! the middle of a restore.
//!
//! Replacing the database is one rename, and writing this file another. The entry is therefore written
//! first, marked as pending: while the copy still exists under its temporary name, the rename has not
//! happened.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, files, restore::Restored};

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    request_id: String,
    /// True if the entry was written before the rename and was not settled since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pending: bool,
    restored: Restored,
}

/// The restores of one database.
pub struct History {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl History {
    /// Reads the history, and settles an entry that a crash left pending. `part` is the path of the
    /// copy before it replaces the database.
    pub fn of(database: &Path, part: &Path) -> Result<Self, Error> {
        let path = files::beside(database, ".restored");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(Error::file("read", &path))?,
        };
        let entries = text.lines().map(serde_json::from_str).collect::<Result<Vec<Entry>, _>>();
        let entries =
            entries.map_err(|error| Error::History { path: path.clone(), why: error.to_string() })?;
        let mut history = Self { path, entries };
        if part.exists() {
            history.take_back()?;
        } else {
            history.done()?;
        }
        Ok(history)
    }

    /// Returns the result of a completed request.
    pub fn restored(&self, request: &str) -> Option<&Restored> {
        self.entries.iter().find(|entry| entry.request_id == request).map(|entry| &entry.restored)
    }

    /// Records a request, immediately before the rename.
    pub fn begin(&mut self, request: &str, restored: &Restored) -> Result<(), Error> {
        let (request_id, restored) = (request.to_owned(), restored.clone());
        self.entries.push(Entry { request_id, pending: true, restored });
        self.write()
    }

    /// Removes pending entries: the rename did not happen.
    pub fn take_back(&mut self) -> Result<(), Error> {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.pending);
        // On a full disk the file cannot be written, and without a pending entry there is nothing to
        // write.
        if self.entries.len() < before { self.write() } else { Ok(()) }
    }

    /// Marks pending entries as completed: the rename happened. If this write is lost, the next run
    /// settles the entry.
    pub fn done(&mut self) -> Result<(), Error> {
        if self.entries.iter().all(|entry| !entry.pending) {
            return Ok(());
        }
        self.entries.iter_mut().for_each(|entry| entry.pending = false);
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        let lines = self.entries.iter().map(|entry| serde_json::to_string(entry).unwrap_or_default() + "\n");
        files::write(&self.path, lines.collect::<String>().as_bytes())
    }
}
