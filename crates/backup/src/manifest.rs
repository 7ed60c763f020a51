//! The manifest next to each backup. It contains enough to verify later that the backup is unchanged.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, files, origin::Origin};

const WRITER: &str = "logpilot-operator";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Distinguishes the files of this program from those of others. Only files with this value are
    /// ever deleted.
    pub written_by: String,
    /// The resource that took the backup. Absent in backups of earlier versions, and in manual backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub version: String,
    pub file: String,
    /// RFC 3339, UTC: the time immediately before the copied state.
    pub taken_at: String,
    /// In bytes.
    pub size: u64,
    pub sha256: String,
    /// The journal mode of the database. The copy is one file without a log, and a restore sets this
    /// mode again.
    pub journal_mode: String,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    pub duration_millis: u64,
}

impl Manifest {
    pub fn written_by() -> String {
        WRITER.to_owned()
    }

    pub fn rows(&self) -> u64 {
        // The manifest may come from anyone, so its numbers are unbounded.
        self.tables.values().fold(0, |sum: u64, rows| sum.saturating_add(*rows))
    }

    /// Returns the path of a backup's manifest.
    pub fn path(backup: &Path) -> PathBuf {
        files::beside(backup, ".json")
    }

    /// Reads the manifest of a backup, and checks it against the file's name.
    pub fn of(backup: &Path) -> Result<Self, Error> {
        let path = Self::path(backup);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        Self::read(&text, &backup.file_name().unwrap_or_default().to_string_lossy(), &path)
    }

    /// Parses the manifest of a backup with this name. `at` is the source of the text.
    pub fn read(text: &str, name: &str, at: &Path) -> Result<Self, Error> {
        let manifest: Self = serde_json::from_str(text)
            .map_err(|error| Error::damaged(at, format!("it is not a manifest ({error})")))?;
        if manifest.written_by != WRITER || manifest.file != name {
            return Err(Error::damaged(at, format!("it describes '{}'", manifest.file)));
        }
        Ok(manifest)
    }

    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub fn write(&self, backup: &Path) -> Result<(), Error> {
        files::write(&Self::path(backup), &self.text())
    }

    /// Compares the data that was read with the data that was written.
    pub fn fits(&self, (size, sha256): &(u64, String), at: &Path) -> Result<(), Error> {
        if *size != self.size {
            return Err(Error::damaged(at, format!("it has {size} bytes instead of {}", self.size)));
        }
        if *sha256 != self.sha256 {
            return Err(Error::damaged(at, "its SHA-256 differs"));
        }
        Ok(())
    }
}
