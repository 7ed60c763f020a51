//! The owner of a backup. Two resources may use one location, even from two Kubernetes clusters: each
//! counts and removes only the backups that it took itself.

use clap::{Args, builder::NonEmptyStringValueParser};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::Manifest;

/// Number of hexadecimal digits of a tag.
pub const TAG: usize = 10;

/// The resource that took a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The resource's name. It is the same in another Kubernetes cluster, and after the resource was
    /// deleted and recreated.
    pub resource: String,
    /// The resource's UID. It is globally unique.
    pub uid: String,
}

impl Origin {
    /// Returns the tag in the names of its backups, so that two resources never use the same name in
    /// one millisecond.
    #[must_use]
    pub fn tag(&self) -> String {
        let mut hex = format!("{:x}", Sha256::digest(&self.uid));
        hex.truncate(TAG);
        hex
    }
}

#[derive(Debug, Args)]
pub struct OriginArgs {
    /// Name of the resource that owns the backup. Only the resource's own backups are counted and
    /// removed. Without a name, only backups without a resource are.
    #[arg(long, requires = "resource_uid", value_parser = NonEmptyStringValueParser::new())]
    resource: Option<String>,
    /// UID of the resource.
    #[arg(long, requires = "resource", value_parser = NonEmptyStringValueParser::new())]
    resource_uid: Option<String>,
    /// The location belongs to this resource. Backups of an earlier resource with the same name, and
    /// backups of earlier versions, which name no resource, are counted and removed too.
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

/// Selects the backups of a location that belong to one resource.
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

    /// Returns whether a backup is counted, and removed when it is too old. A backup without a resource
    /// may belong to anyone: it counts only if no other resource writes to the location.
    #[must_use]
    pub fn counts(&self, manifest: &Manifest) -> bool {
        match (&self.origin, &manifest.origin) {
            (Some(own), Some(of)) => own.uid == of.uid || self.exclusive && own.resource == of.resource,
            (Some(_), None) => self.exclusive,
            (None, of) => of.is_none(),
        }
    }

    /// Returns whether a backup is listed as restorable. This includes backups of an earlier resource
    /// of the same name, and backups without a resource.
    #[must_use]
    pub fn lists(&self, manifest: &Manifest) -> bool {
        match (&self.origin, &manifest.origin) {
            (Some(own), Some(of)) => own.resource == of.resource,
            _ => true,
        }
    }

    /// Returns whether leftovers of an earlier run may be removed, according to the tag in their name.
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
    fn only_own_backups_are_counted() {
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
        // The resource's own backup, one of an earlier resource of the name (or of another Kubernetes
        // cluster), one of another resource, one of an earlier version.
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
    fn leftovers_of_other_resources_stay() {
        let own = selection("1");
        let tag = own.tag().unwrap();
        assert_eq!(tag.len(), TAG);
        assert_ne!(Some(tag.clone()), selection("2").tag());
        assert!(own.may_clean(Some(&tag)) && own.may_clean(None) && !own.may_clean(Some("0123456789")));
        assert!(!Selection::default().may_clean(Some(&tag)));
    }
}
