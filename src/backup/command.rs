//! `backup` and `restore` of the command line.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;

use super::{Error, copy, restore as putting};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The server's database; servers may go on writing it.
    #[arg(long)]
    database: PathBuf,
    /// Directory for the backups.
    #[arg(long)]
    to: PathBuf,
    /// Backups that stay, this one included; older ones are removed after it was verified.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    #[command(flatten)]
    told: Told,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup; its manifest stands beside it.
    #[arg(long)]
    from: PathBuf,
    /// The database to replace. No server may be using it.
    #[arg(long)]
    database: PathBuf,
    #[command(flatten)]
    told: Told,
}

#[derive(Debug, Args)]
struct Told {
    /// Where the kubelet reads a container's last words; not written where the file does not exist.
    #[arg(long, default_value = "/dev/termination-log")]
    termination_log: PathBuf,
}

/// Takes a backup; answers a line of JSON.
///
/// # Errors
/// There is no new backup; those that were there are untouched.
pub fn backup(args: &BackupArgs) -> Result<String, Error> {
    let taken = copy::take(&args.database, &args.to, usize::from(args.keep), Timestamp::now());
    tell(&args.told.termination_log, taken)
}

/// Restores a backup; answers a line of JSON.
///
/// # Errors
/// Nothing was restored; the database is what it was.
pub fn restore(args: &RestoreArgs) -> Result<String, Error> {
    let restored = putting::put_back(&args.from, &args.database, Timestamp::now());
    tell(&args.told.termination_log, restored)
}

fn tell(log: &Path, outcome: Result<impl serde::Serialize, Error>) -> Result<String, Error> {
    let outcome = outcome.map(|done| serde_json::to_string(&done).unwrap_or_default());
    let words = match &outcome {
        Ok(line) => line.clone(),
        Err(error) => error.to_string(),
    };
    // The kubelet makes it; elsewhere there is nobody to read it.
    if let Ok(mut file) = File::options().write(true).truncate(true).open(log) {
        let _ = file.write_all(words.as_bytes());
    }
    outcome
}
