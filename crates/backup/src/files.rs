//! Names, locks and durable writes.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    Error,
    origin::{Selection, TAG},
};

/// Length of the time in a name.
const STAMP: usize = "20260102T030405.678Z".len();
const PREFIX: &str = "logpilot-";
const SUFFIX: &str = ".db";
/// Suffix of a file that is still being written. Such a file is hidden, so that it is not mistaken for
/// a backup.
pub const PART: &str = ".part";
const LOCK: &str = ".logpilot-backup.lock";

/// Returns the name of a backup. Names sort by age. They contain milliseconds, so that a manual backup
/// never has the name of a scheduled one, and a tag, so that it never has the name of another
/// resource's backup.
pub fn name(now: Timestamp, tag: Option<&str>) -> String {
    let tag = tag.map(|tag| format!("-{tag}")).unwrap_or_default();
    format!("{PREFIX}{}{tag}{SUFFIX}", stamp(now))
}

pub fn stamp(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Returns whether a text is a name that [`name`] returns. Only such names can be restored, and they
/// cannot refer to another directory.
#[must_use]
pub fn is_backup_name(text: &str) -> bool {
    let middle = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    let Some((time, tag)) = middle.and_then(|middle| middle.split_at_checked(STAMP)) else { return false };
    let is_time = time.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'T',
        15 => byte == b'.',
        19 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    let is_tag =
        |tag: &str| tag.len() == TAG && tag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_time && (tag.is_empty() || tag.strip_prefix('-').is_some_and(is_tag))
}

/// Returns the tag in the name of a backup, or of a leftover of one.
pub fn tag_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(PREFIX)?.split_at_checked(STAMP)?.1;
    rest.strip_prefix('-')?.split_at_checked(TAG).map(|(tag, _)| tag)
}

/// Returns the temporary path of a file before it gets its name.
pub fn part(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{PART}"))
}

/// Returns a path with a suffix after its file name, such as `-wal`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Locks a directory: one backup runs at a time, others wait. The lock is released when dropped, or
/// when the process ends.
pub fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::file("write into", directory))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => file.lock().map(|()| file).map_err(Error::file("lock", path)),
        // The filesystem does not support locks. The CronJob's concurrency policy has to suffice.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
    }
}

/// Removes the leftovers of an earlier run. It removes only hidden names of this program, and only
/// under the lock. On a filesystem without locks another resource may be writing, so its names are left
/// alone.
pub fn sweep(directory: &Path, of: &Selection) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(Error::file("list", directory))? {
        let path = entry.map_err(Error::file("list", directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ours = |rest: &str| rest.starts_with(PREFIX) && rest.contains(PART) && of.may_clean(tag_of(rest));
        if name.strip_prefix('.').is_some_and(ours) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file. A missing file is not an error.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Gives a finished file its final name, in one step that survives a power failure.
pub fn commit(part: &Path, path: &Path) -> Result<(), Error> {
    sync(part)?;
    fs::rename(part, path).map_err(Error::file("rename to", path))?;
    sync_directory(path)
}

pub fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::file("write", path))
}

/// Syncs the directory of a path. A rename is durable once its directory is synced.
pub fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // Some network filesystems do not support this. Their operations are durable when they return.
        Err(error)
            if error.kind() == io::ErrorKind::InvalidInput || error.kind() == io::ErrorKind::Unsupported =>
        {
            Ok(())
        }
        other => other.map_err(Error::file("write", directory)),
    }
}

/// Writes a small file completely, under a temporary name first.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let part = part(path);
    File::create(&part).and_then(|mut file| file.write_all(content)).map_err(Error::file("write", &part))?;
    commit(&part, path)
}

/// Returns size and SHA-256 of the data from a reader, which is written to `into`.
pub fn digest(mut from: impl Read, mut into: impl Write) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        into.write_all(chunk)?;
        size += u64::try_from(read).unwrap_or(u64::MAX);
    }
    Ok((size, format!("{:x}", hash.finalize())))
}
