//! What stands beside each backup: enough to tell later that it is still what was written.

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
    /// Tells our files from those of others: only ours are ever deleted.
    pub written_by: String,
    /// The resource that took it; unknown of earlier versions, and of backups by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub version: String,
    pub file: String,
    /// RFC 3339, UTC: the moment before the copied state.
    pub taken_at: String,
    /// Bytes.
    pub size: u64,
    pub sha256: String,
    /// The database's own; the copy is one file without a log, and gets it back when it is restored.
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
        // It may be anybody's: nothing bounds what it says.
        self.tables.values().fold(0, |sum: u64, rows| sum.saturating_add(*rows))
    }

    /// Where the manifest of a backup stands.
    pub fn path(backup: &Path) -> PathBuf {
        files::beside(backup, ".json")
    }

    /// Reads the manifest of a backup, and holds it against the file's name.
    pub fn of(backup: &Path) -> Result<Self, Error> {
        let path = Self::path(backup);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        Self::read(&text, &backup.file_name().unwrap_or_default().to_string_lossy(), &path)
    }

    /// Of a backup with this name; `at` is where the text was.
    pub fn read(text: &str, name: &str, at: &Path) -> Result<Self, Error> {
        let manifest: Self = serde_json::from_str(text)
            .map_err(|error| Error::damaged(at, format!("it is no manifest ({error})")))?;
        if manifest.written_by != WRITER || manifest.file != name {
            return Err(Error::damaged(at, format!("it speaks of '{}'", manifest.file)));
        }
        Ok(manifest)
    }

    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    pub fn write(&self, backup: &Path) -> Result<(), Error> {
        files::write(&Self::path(backup), &self.text())
    }

    /// Holds what was read against what was written.
    pub fn fits(&self, (size, sha256): &(u64, String), at: &Path) -> Result<(), Error> {
        if *size != self.size {
            return Err(Error::damaged(at, format!("it has {size} bytes, and had {}", self.size)));
        }
        if *sha256 != self.sha256 {
            return Err(Error::damaged(at, "its SHA-256 is another one"));
        }
        Ok(())
    }
}
