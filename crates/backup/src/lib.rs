//! Backup and restore of the server's SQLite database. Runs in the pods of backup and restore Jobs.
//! Works with files and buckets, and does not use Kubernetes.
//!
//! A copy of the database file alone lacks recent data: everything that was written since the last
//! checkpoint is in the write-ahead log next to it, and before the first checkpoint the file is empty.
//! SQLite itself therefore makes the copy, inside one read transaction, while servers continue to
//! write.

mod command;
mod copy;
mod failure;
mod files;
#[cfg(test)]
mod fuzz;
mod history;
mod identity;
mod location;
mod manifest;
mod origin;
mod restore;
mod retention;
mod s3_backup;
mod s3_bucket;
mod s3_client;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

pub use command::{BackupArgs, RestoreArgs, backup, restore};
pub use copy::{Taken, take};
pub use files::is_backup_name;
pub use origin::{Origin, Selection};
pub use restore::{Restored, put_back};

/// The reason why no backup was taken, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {doing} {}: {source}", .path.display())]
    Sqlite { doing: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error("the database {} does not exist; the server creates it when it first starts", .0.display())]
    NoDatabase(PathBuf),
    #[error(
        "{} has no tables: it is not the server's database, or a copy that was made without its write-ahead log",
        .0.display()
    )]
    NoTables(PathBuf),
    #[error("{} was locked by other processes for {seconds} s; try again", .path.display())]
    Busy { path: PathBuf, seconds: u64 },
    #[error("{} is in use; stop every server that uses it first", .0.display())]
    InUse(PathBuf),
    #[error("{} differs from what was backed up: {why}; nothing was changed", .path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("cannot {doing} {at}: {cause}; {help}")]
    Bucket { doing: &'static str, at: String, cause: String, help: &'static str },
    #[error(
        "{} cannot be read ({why}), although it records the completed restores; nothing was changed; inspect the \
         file, and delete it if no completed restore can be requested again",
        .path.display()
    )]
    History { path: PathBuf, why: String },
}

impl Error {
    fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    fn sqlite(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.into();
        move |source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy { path, seconds: copy::PATIENCE.as_secs() }
            }
            _ => Self::Sqlite { doing, path, source },
        }
    }

    fn damaged(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), why: why.into() }
    }
}
