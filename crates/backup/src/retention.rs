//! Retention of backups.

use std::{fs, path::Path};

use super::{Error, files, manifest::Manifest, origin::Selection};

/// Returns the names of the complete backups in a directory, newest first.
pub fn list(directory: &Path, of: &Selection) -> Result<Vec<String>, Error> {
    let mut names = ours(directory, |manifest| of.lists(manifest))?;
    names.retain(|name| directory.join(name).is_file());
    Ok(names)
}

/// Removes all but the newest `keep` backups of the resource. Returns the names of the removed ones.
/// Never removes a file without a manifest of this program next to it.
pub fn prune(directory: &Path, of: &Selection, keep: usize) -> Result<Vec<String>, Error> {
    let mut gone = Vec::new();
    let mut kept = 0;
    for name in ours(directory, |manifest| of.counts(manifest))? {
        let backup = directory.join(&name);
        if backup.is_file() && kept < keep {
            kept += 1;
            continue;
        }
        // The manifest is removed last: a backup without a manifest would belong to no one, and would
        // never be removed.
        files::remove(&backup)?;
        files::remove(&Manifest::path(&backup))?;
        gone.push(name);
    }
    Ok(gone)
}

/// Returns the names with a manifest of this program, newest first. The backup itself may be missing.
fn ours(directory: &Path, selects: impl Fn(&Manifest) -> bool) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(Error::file("list", directory))? {
        let entry = entry.map_err(Error::file("list", directory))?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if let Some(name) = file.strip_suffix(".json")
            && files::is_backup_name(name)
            && Manifest::of(&directory.join(name)).is_ok_and(|manifest| selects(&manifest))
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    names.reverse();
    Ok(names)
}
