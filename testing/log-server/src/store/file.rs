//! One file of lines for each channel. Offsets are kept in memory: a second server does not see
//! them, and delivers everything again, as LogPilot does.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use super::{Broken, Entry, Storage, Stored};
use crate::failure::{Failure, Trace};

pub struct Files {
    directory: PathBuf,
    /// By consumer and channel, in one text.
    offsets: Mutex<BTreeMap<String, i64>>,
}

impl Files {
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        let file = directory.join(".offsets");
        fs::create_dir_all(directory).map_err(|error| failure(directory, &error))?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => "{}".into(),
            Err(error) => return Err(failure(&file, &error)),
        };
        fs::write(&file, &text).map_err(|error| failure(&file, &error))?;
        let offsets = serde_json::from_str(&text).map_err(|error| failure(&file, &io::Error::from(error)))?;
        Ok(Self { directory: directory.to_owned(), offsets: Mutex::new(offsets) })
    }

    fn offsets(&self) -> Result<MutexGuard<'_, BTreeMap<String, i64>>, Broken> {
        self.offsets.lock().map_err(|_| Broken("an earlier call ended in the middle".into()))
    }

    /// A client chooses the channel's name: no part of it may become a path.
    fn path(&self, channel: &str) -> PathBuf {
        let name: String =
            channel.chars().map(|char| if char.is_alphanumeric() { char } else { '_' }).collect();
        self.directory.join(format!("{name}.log"))
    }

    /// The number of a line is the record's id.
    fn all(&self, channel: &str) -> Result<Vec<Stored>, Broken> {
        let text = match fs::read_to_string(self.path(channel)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        (1..)
            .zip(text.lines())
            .map(|(id, line)| Ok(Stored { entry: serde_json::from_str(line)?, id }))
            .collect()
    }
}

/// In the words of Java's file API.
fn failure(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    let cause = match error.kind() {
        ErrorKind::PermissionDenied => format!("java.nio.file.AccessDeniedException: {path}"),
        ErrorKind::StorageFull => "java.io.IOException: No space left on device".to_owned(),
        ErrorKind::ReadOnlyFilesystem => {
            format!("java.nio.file.FileSystemException: {path}: Read-only file system")
        }
        _ => format!("java.io.IOException: {path}: {error}"),
    };
    Failure::Trace { trace: Trace::File, cause }
}

impl Storage for Files {
    fn append(&self, entries: &[Entry]) -> Result<(), Broken> {
        for entry in entries {
            let mut file = OpenOptions::new().create(true).append(true).open(self.path(&entry.channel))?;
            // A single write, so that lines of two servers do not mix.
            file.write_all(format!("{}\n", serde_json::to_string(entry)?).as_bytes())?;
        }
        Ok(())
    }

    fn after(&self, channel: &str, id: i64, limit: usize) -> Result<Vec<Stored>, Broken> {
        Ok(self.all(channel)?.into_iter().filter(|stored| stored.id > id).take(limit).collect())
    }

    fn newest(&self, channel: &str, limit: usize) -> Result<Vec<Stored>, Broken> {
        Ok(self.all(channel)?.into_iter().rev().take(limit).collect())
    }

    fn offset(&self, consumer: &str, channel: &str) -> Result<i64, Broken> {
        Ok(self.offsets()?.get(&format!("{consumer} {channel}")).copied().unwrap_or(0))
    }

    fn set_offset(&self, consumer: &str, channel: &str, id: i64) -> Result<(), Broken> {
        let mut offsets = self.offsets()?;
        offsets.insert(format!("{consumer} {channel}"), id);
        Ok(fs::write(self.directory.join(".offsets"), serde_json::to_string(&*offsets)?)?)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
