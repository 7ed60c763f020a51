//! Backups in a bucket. A bucket has neither a rename nor a lock, so the order of the writes is
//! important:
//!
//! - `.logpilot-….db.part`, a marker of the unfinished backup, with the ID of the upload;
//! - `logpilot-….db`, the copy, which is read back and compared;
//! - `logpilot-….db.json`, the manifest: with it the backup exists. Then the marker is removed.
//!
//! A removal uses the reverse order, also with a marker. The leftovers of a run that was killed are
//! found by its marker.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    Error,
    copy::{self, Taken},
    files,
    location::Access,
    manifest::Manifest,
    origin::Selection,
    restore::{self, Restored},
    s3_bucket::Bucket,
};

/// A marker that is older belongs to a run that has ended, in whatever way: the deadline of Jobs is 6
/// hours.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Copies into the scratch directory, verifies, uploads, verifies again, and only then removes all but
/// the newest `keep` backups of the resource.
pub fn take(
    database: &Path,
    (bucket, scratch): (&Bucket, &Path),
    of: &Selection,
    keep: usize,
    now: Timestamp,
) -> Result<Taken, Error> {
    // This runs before anything is copied, because it also shows that the bucket can be reached.
    clean_abandoned(bucket, of, now)?;
    let name = files::name(now, of.tag().as_deref());
    let copy = scratch.join(&name);
    let taken = copy::verified(database, &copy, (name, of.origin.clone()), now).and_then(|manifest| {
        store(bucket, &copy, &manifest)?;
        Ok(manifest)
    });
    for leftover in [copy.clone(), files::beside(&copy, "-journal")] {
        let _ = files::remove(&leftover);
    }
    let manifest = taken?;
    let pruned = prune(bucket, of, keep);
    Ok(Taken::of(manifest, pruned, list(bucket, |manifest| of.lists(manifest))?))
}

/// Downloads a backup, verifies it, and replaces the database with it. `key` ends with the backup's
/// name.
pub fn put_back(
    (bucket, key): (&str, &str),
    access: &Access,
    database: &Path,
    request: Option<&str>,
    put: impl FnOnce(&Path) -> Result<Restored, Error>,
) -> Result<Restored, Error> {
    // The backup may have been removed since.
    if let Some(done) = restore::done(database, request)? {
        return Ok(done);
    }
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    if !files::is_backup_name(name) {
        return Err(Error::Bucket {
            doing: "restore",
            at: format!("s3://{bucket}/{key}"),
            cause: format!("'{name}' is not the name of a backup"),
            help: "use a name such as 'logpilot-20260102T030405.678Z.db'",
        });
    }
    let path = access.scratch.join(name);
    let restored = Bucket::new(bucket, prefix, access)
        .and_then(|bucket| fetch(&bucket, name, &path))
        .and_then(|()| put(&path));
    for leftover in [path.clone(), Manifest::path(&path)] {
        let _ = files::remove(&leftover);
    }
    restored
}

fn fetch(bucket: &Bucket, name: &str, path: &Path) -> Result<(), Error> {
    let Some(manifest) = manifest(bucket, name)? else {
        let newest = list(bucket, |_| true)?.into_iter().take(3).collect::<Vec<_>>().join(", ");
        return Err(Error::Bucket {
            doing: "find",
            at: bucket.at(name),
            cause: if newest.is_empty() {
                "there is no backup in this location".into()
            } else {
                format!("the newest backups are {newest}")
            },
            help: "name an existing backup",
        });
    };
    let found = bucket.digest(name, || File::create(path).map_err(Error::file("write", path)))?;
    manifest.fits(&found, &PathBuf::from(bucket.at(name)))?;
    manifest.write(path)
}

fn store(bucket: &Bucket, copy: &Path, manifest: &Manifest) -> Result<(), Error> {
    let name = manifest.file.as_str();
    let upload = bucket.begin(name)?;
    let stored = bucket
        .put(&upload_marker(name), upload.as_bytes())
        .and_then(|()| bucket.upload(name, &upload, copy))
        .and_then(|()| bucket.digest(name, || Ok(io::sink())))
        .and_then(|found| manifest.fits(&found, &PathBuf::from(bucket.at(name))))
        .and_then(|()| bucket.put(&manifest_name(name), &manifest.text()));
    match stored {
        Ok(()) => {
            // The backup is complete without this. Leftovers of a marker only mean that it is no longer
            // needed.
            let _ = bucket.remove(&upload_marker(name));
            Ok(())
        }
        Err(error) => {
            let _ = roll_back(bucket, name, &upload);
            Err(error)
        }
    }
}

/// Removes everything that may exist of a backup, and its marker last.
fn roll_back(bucket: &Bucket, name: &str, upload: &str) -> Result<(), Error> {
    // A finished upload cannot be aborted, and not every server reports that it does not exist.
    if !upload.is_empty() && !bucket.list()?.iter().any(|other| other == name) {
        bucket.abort(name, upload)?;
    }
    bucket.remove(&manifest_name(name))?;
    bucket.remove(name)?;
    bucket.remove(&upload_marker(name))
}

/// Removes the leftovers of runs that will never finish: runs of this resource, and runs without a
/// resource.
fn clean_abandoned(bucket: &Bucket, of: &Selection, now: Timestamp) -> Result<(), Error> {
    let forsaken = files::name(now - ABANDONED_AFTER, None);
    let names = bucket.list()?;
    let ours = |name: &&str| **name < *forsaken && of.may_clean(files::tag_of(name));
    for name in names.iter().filter_map(|name| marker_target(name)).filter(ours) {
        if names.contains(&manifest_name(name)) {
            bucket.remove(&upload_marker(name))?;
        } else if let Some(upload) = bucket.get(&upload_marker(name))? {
            // If this fails, its marker stays, and no new backup has to wait for it.
            let _ = roll_back(bucket, name, &upload);
        }
    }
    Ok(())
}

/// Returns the names of the complete and selected backups, newest first. A complete backup has a
/// manifest of this program.
fn list(bucket: &Bucket, selects: impl Fn(&Manifest) -> bool) -> Result<Vec<String>, Error> {
    let names = bucket.list()?;
    let mut found = Vec::new();
    for name in names.iter().filter_map(|name| name.strip_suffix(".json")) {
        if files::is_backup_name(name)
            && names.iter().any(|other| other == name)
            // A backup that another run removes in the meantime does not count.
            && manifest(bucket, name).is_ok_and(|manifest| manifest.is_some_and(|it| selects(&it)))
        {
            found.push(name.to_owned());
        }
    }
    found.sort_unstable();
    found.reverse();
    Ok(found)
}

fn prune(bucket: &Bucket, of: &Selection, keep: usize) -> Result<Vec<String>, Error> {
    let mut all = list(bucket, |manifest| of.counts(manifest))?;
    let gone = all.split_off(keep.min(all.len()));
    for name in &gone {
        bucket.put(&upload_marker(name), b"")?;
        roll_back(bucket, name, "")?;
    }
    Ok(gone)
}

fn manifest(bucket: &Bucket, name: &str) -> Result<Option<Manifest>, Error> {
    let at = PathBuf::from(bucket.at(&manifest_name(name)));
    bucket.get(&manifest_name(name))?.map(|text| Manifest::read(&text, name, &at)).transpose()
}

fn manifest_name(name: &str) -> String {
    format!("{name}.json")
}

fn upload_marker(name: &str) -> String {
    format!(".{name}{}", files::PART)
}

/// Returns the backup that a marker belongs to.
fn marker_target(note: &str) -> Option<&str> {
    let name = note.strip_prefix('.')?.strip_suffix(files::PART)?;
    files::is_backup_name(name).then_some(name)
}
