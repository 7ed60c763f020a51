//! Backups in a bucket. There is no rename and no lock there, so the order of writing decides:
//!
//! - `.logpilot-….db.part`, a note of what is begun, with the upload's number;
//! - `logpilot-….db`, the copy, read back and compared;
//! - `logpilot-….db.json`, the manifest: with it the backup exists. Then the note goes.
//!
//! Removing goes the other way round, also under a note. What a run that was killed leaves is found by its note.

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

/// A note that is older is of a run that has ended, however it did: Jobs have 6 hours.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Copies into the scratch directory, verifies, uploads, verifies again, and only then removes all but the
/// newest `keep` of one's own.
pub fn take(
    database: &Path,
    (bucket, scratch): (&Bucket, &Path),
    of: &Selection,
    keep: usize,
    now: Timestamp,
) -> Result<Taken, Error> {
    // Before anything is copied: it also shows that the bucket can be reached.
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

/// Fetches a backup, verifies it, and has it put in the database's place. `key` ends with the backup's name.
pub fn put_back(
    (bucket, key): (&str, &str),
    access: &Access,
    database: &Path,
    request: Option<&str>,
    put: impl FnOnce(&Path) -> Result<Restored, Error>,
) -> Result<Restored, Error> {
    // It may have been removed since.
    if let Some(done) = restore::done(database, request)? {
        return Ok(done);
    }
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    if !files::is_backup_name(name) {
        return Err(Error::Bucket {
            doing: "restore",
            at: format!("s3://{bucket}/{key}"),
            cause: format!("'{name}' is no backup's name"),
            help: "name one such as 'logpilot-20260102T030405.678Z.db'",
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
                "there is no backup at all".into()
            } else {
                format!("the newest are {newest}")
            },
            help: "name a backup that is there",
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
            // It is good without: what is left of a note says that it is no more needed.
            let _ = bucket.remove(&upload_marker(name));
            Ok(())
        }
        Err(error) => {
            let _ = roll_back(bucket, name, &upload);
            Err(error)
        }
    }
}

/// Removes all that may be there of a backup, and its note last.
fn roll_back(bucket: &Bucket, name: &str, upload: &str) -> Result<(), Error> {
    // One that was finished cannot be aborted; not every server answers that it is not there.
    if !upload.is_empty() && !bucket.list()?.iter().any(|other| other == name) {
        bucket.abort(name, upload)?;
    }
    bucket.remove(&manifest_name(name))?;
    bucket.remove(name)?;
    bucket.remove(&upload_marker(name))
}

/// Ends what runs began that never will: those of this resource, and of none.
fn clean_abandoned(bucket: &Bucket, of: &Selection, now: Timestamp) -> Result<(), Error> {
    let forsaken = files::name(now - ABANDONED_AFTER, None);
    let names = bucket.list()?;
    let ours = |name: &&str| **name < *forsaken && of.may_clean(files::tag_of(name));
    for name in names.iter().filter_map(|name| marker_target(name)).filter(ours) {
        if names.contains(&manifest_name(name)) {
            bucket.remove(&upload_marker(name))?;
        } else if let Some(upload) = bucket.get(&upload_marker(name))? {
            // Its note stays where this fails, and no new backup has to wait for it.
            let _ = roll_back(bucket, name, &upload);
        }
    }
    Ok(())
}

/// Names of the complete backups, newest first: those with a manifest of ours that is selected.
fn list(bucket: &Bucket, selects: impl Fn(&Manifest) -> bool) -> Result<Vec<String>, Error> {
    let names = bucket.list()?;
    let mut found = Vec::new();
    for name in names.iter().filter_map(|name| name.strip_suffix(".json")) {
        if files::is_backup_name(name)
            && names.iter().any(|other| other == name)
            // One that another run removes meanwhile is none.
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

/// The backup that a note is about.
fn marker_target(note: &str) -> Option<&str> {
    let name = note.strip_prefix('.')?.strip_suffix(files::PART)?;
    files::is_backup_name(name).then_some(name)
}
