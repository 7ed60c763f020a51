//! The commands `backup` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::{
    Error, copy,
    location::{Access, Location},
    origin::OriginArgs,
    restore as putting, s3_backup,
    s3_bucket::Bucket,
};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The server's database. Servers may continue to write to it.
    #[arg(long)]
    database: PathBuf,
    /// Directory for the backups, or `s3://bucket/prefix`.
    #[arg(long)]
    to: Location,
    /// Number of backups to keep, including this one. Older ones are removed after this one was
    /// verified.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup: a file or `s3://bucket/prefix/name`. Its manifest must be next to it.
    #[arg(long)]
    from: Location,
    /// The database to replace. No server may be using it.
    #[arg(long)]
    database: PathBuf,
    /// Identifies the restore. A restore that was completed under this ID is not repeated, and the
    /// output is the same.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    request_id: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Takes a backup. Returns a line of JSON.
///
/// # Errors
/// No new backup was taken. Existing backups are unchanged.
pub fn backup(args: &BackupArgs) -> Result<String, Error> {
    let (database, keep, now) = (&args.database, usize::from(args.keep), Timestamp::now());
    let of = args.origin.selection();
    let taken = match &args.to {
        Location::Path(directory) => copy::take(database, directory, &of, keep, now),
        Location::Bucket { bucket, key } => Bucket::new(bucket, key, &args.access)
            .and_then(|bucket| s3_backup::take(database, (&bucket, &args.access.scratch), &of, keep, now)),
    };
    taken.map(|taken| line(&taken))
}

/// Restores a backup. Returns a line of JSON.
///
/// # Errors
/// Nothing was restored. The database is unchanged.
pub fn restore(args: &RestoreArgs) -> Result<String, Error> {
    let request = args.request_id.as_deref();
    let put = |backup: &Path| putting::put_back(backup, &args.database, request, Timestamp::now());
    let restored = match &args.from {
        Location::Path(backup) => put(backup),
        Location::Bucket { bucket, key } => {
            s3_backup::put_back((bucket, key), &args.access, &args.database, request, put)
        }
    };
    restored.map(|restored| line(&restored))
}

fn line(done: &impl serde::Serialize) -> String {
    serde_json::to_string(done).unwrap_or_default()
}
