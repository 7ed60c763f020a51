//! What the engine has to know of a kind of object. The table of them is the single source for
//! watches, apply order, pruning and rights.

use serde::Serialize;

/// One row of the kind table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    /// Served by a CRD that may be absent, or come and go.
    pub optional: bool,
    /// Apply order: 0 before 1. All of one wave are written in parallel.
    pub wave: u8,
    pub management: Management,
    /// Why the operator has rights on this kind, in Markdown. Kinds of one group and purpose share a rule of its role.
    pub purpose: &'static str,
}

/// What the operator does with objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Management {
    /// Made, repaired and pruned.
    Managed,
    /// Made and repaired but never deleted by us: it holds data.
    Retained,
    /// Made once by POST; never listed, watched, changed or deleted: it holds a secret.
    CreateOnly,
    /// Made once, then left to run to its end as it was made; pruned when no longer planned: a Job, whose template
    /// cannot be changed. Others make objects of such a kind too.
    RunToCompletion,
    /// Only read.
    ReadOnly,
}

impl Management {
    /// The verbs a kind of this role needs, and no others.
    #[must_use]
    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Managed | Self::RunToCompletion => &["create", "delete", "get", "list", "patch", "watch"],
            Self::Retained => &["create", "get", "list", "patch", "watch"],
            Self::CreateOnly => &["create", "get"],
            Self::ReadOnly => &["list", "watch"],
        }
    }

    /// Whether objects of this role are kept in the live map.
    #[must_use]
    pub fn watched(self) -> bool {
        !matches!(self, Self::CreateOnly)
    }
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Name of the CRD that serves an optional kind.
    #[must_use]
    pub fn crd_name(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }
}

/// A typed object whose kind stands in the kind table; without a row it cannot enter a plan.
pub trait Managed: Serialize {
    const KIND: &'static Kind;
}
