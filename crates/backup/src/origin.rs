//! Whose a backup is. Two resources may be given one location, of one Kubernetes cluster or of two: each counts and removes
//! only what it took itself.

use clap::{Args, builder::NonEmptyStringValueParser};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::Manifest;

/// Hexadecimal digits of a tag.
pub const TAG: usize = 10;

/// The resource that took a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its name: the same in another Kubernetes cluster, and after it was deleted and made again.
    pub resource: String,
    /// Its UID: no other resource has it, anywhere.
    pub uid: String,
}

impl Origin {
    /// Part of the names of its backups, so that two resources never give one name in one millisecond.
    #[must_use]
    pub fn tag(&self) -> String {
        let mut hex = format!("{:x}", Sha256::digest(&self.uid));
        hex.truncate(TAG);
        hex
    }
}

#[derive(Debug, Args)]
pub struct OriginArgs {
    /// Name of the resource that the backup is of. Only its own backups are counted and removed; without it, those that
    /// name no resource.
    #[arg(long, requires = "resource_uid", value_parser = NonEmptyStringValueParser::new())]
    resource: Option<String>,
    /// UID of the resource.
    #[arg(long, requires = "resource", value_parser = NonEmptyStringValueParser::new())]
    resource_uid: Option<String>,
    /// The location was made for the resource: counted and removed are also backups of an earlier resource of its name, and
    /// those of earlier versions, which name none.
    #[arg(long, requires = "resource")]
    exclusive: bool,
}

impl OriginArgs {
    #[must_use]
    pub fn selection(&self) -> Selection {
        let given = self.resource.clone().zip(self.resource_uid.clone());
        Selection { origin: given.map(|(resource, uid)| Origin { resource, uid }), exclusive: self.exclusive }
    }
}

/// Which backups of a location are one's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub origin: Option<Origin>,
    pub exclusive: bool,
}

impl Selection {
    #[must_use]
    pub fn tag(&self) -> Option<String> {
        self.origin.as_ref().map(Origin::tag)
    }

    /// Whether a backup is counted, and removed when it is too old. A backup that names no resource may be anybody's: it is
    /// one's own only where nobody else writes.
    #[must_use]
    pub fn counts(&self, manifest: &Manifest) -> bool {
        match (&self.origin, &manifest.origin) {
            (Some(own), Some(of)) => own.uid == of.uid || self.exclusive && own.resource == of.resource,
            (Some(_), None) => self.exclusive,
            (None, of) => of.is_none(),
        }
    }

    /// Whether a backup is among those that can be restored: also of an earlier resource of the name, and of none.
    #[must_use]
    pub fn lists(&self, manifest: &Manifest) -> bool {
        match (&self.origin, &manifest.origin) {
            (Some(own), Some(of)) => own.resource == of.resource,
            _ => true,
        }
    }

    /// Whether what an earlier run left unfinished may be removed, by the tag in its name.
    #[must_use]
    pub fn may_clean(&self, tag: Option<&str>) -> bool {
        tag.is_none() || tag == self.tag().as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(resource: &str, uid: &str) -> Origin {
        Origin { resource: resource.into(), uid: uid.into() }
    }

    fn selection(uid: &str) -> Selection {
        Selection { origin: Some(origin("a", uid)), exclusive: true }
    }

    #[test]
    fn only_what_one_took_is_counted() {
        let [own, earlier, other, none] =
            [Some(origin("a", "1")), Some(origin("a", "0")), Some(origin("b", "2")), None].map(|origin| {
                let (written_by, tables) = (Manifest::written_by(), std::collections::BTreeMap::default());
                let [version, file, taken_at, sha256, journal_mode] = [(); 5].map(|()| String::new());
                Manifest {
                    written_by,
                    origin,
                    version,
                    file,
                    taken_at,
                    size: 0,
                    sha256,
                    journal_mode,
                    tables,
                    duration_millis: 0,
                }
            });
        // Own, of an earlier resource of the name (or of another Kubernetes cluster), of another one, of an earlier version.
        for (of, exclusive, counted, listed) in [
            (Some(origin("a", "1")), false, [true, false, false, false], [true, true, false, true]),
            (Some(origin("a", "1")), true, [true, true, false, true], [true, true, false, true]),
            (None, false, [false, false, false, true], [true, true, true, true]),
        ] {
            let selection = Selection { origin: of, exclusive };
            let all = [&own, &earlier, &other, &none];
            assert_eq!(all.map(|it| selection.counts(it)), counted, "{selection:?}");
            assert_eq!(all.map(|it| selection.lists(it)), listed, "{selection:?}");
        }
    }

    #[test]
    fn remains_of_others_are_left_to_them() {
        let own = selection("1");
        let tag = own.tag().unwrap();
        assert_eq!(tag.len(), TAG);
        assert_ne!(Some(tag.clone()), selection("2").tag());
        assert!(own.may_clean(Some(&tag)) && own.may_clean(None) && !own.may_clean(Some("0123456789")));
        assert!(!Selection::default().may_clean(Some(&tag)));
    }
}
