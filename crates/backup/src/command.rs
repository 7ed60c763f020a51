//! `backup` and `restore` of the command line.

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
    /// The server's database; servers may go on writing it.
    #[arg(long)]
    database: PathBuf,
    /// Directory for the backups, or `s3://bucket/prefix`.
    #[arg(long)]
    to: Location,
    /// Backups that stay, this one included; older ones are removed after it was verified.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup, a file or `s3://bucket/prefix/name`; its manifest stands beside it.
    #[arg(long)]
    from: Location,
    /// The database to replace. No server may be using it.
    #[arg(long)]
    database: PathBuf,
    /// Restores once under this name: done before, nothing happens and the answer is the same.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    request_id: Option<String>,
    #[command(flatten)]
    access: Access,
}

/// Takes a backup; answers a line of JSON.
///
/// # Errors
/// There is no new backup; those that were there are untouched.
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

/// Restores a backup; answers a line of JSON.
///
/// # Errors
/// Nothing was restored; the database is what it was.
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
