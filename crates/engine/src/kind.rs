//! What the engine has to know of a kind of object. The table of them is the single source for
//! watches, apply order, pruning and rights.

use std::hash::{Hash, Hasher};

use super::resource::ResourceKind;

/// Whose the objects of a kind table are: the names under which they are written and known again.
#[derive(Debug)]
pub struct Domain {
    /// Name under which the operator owns fields, and value of the label [`crate::MANAGED_BY_LABEL`].
    pub field_manager: &'static str,
    /// API group of the resources that own objects, and prefix of the operator's own annotations.
    pub owner_group: &'static str,
    /// The kinds of resource that own objects. An object that has the label of none is of the first: there was one kind once.
    pub resources: &'static [&'static ResourceKind],
    /// Annotation, with its value, of a workload whose replicas an autoscaler of the plan decides, so that removing the
    /// autoscaler is told apart from an autoscaler that somebody else brought.
    pub handed_over: (&'static str, &'static str),
    /// Name of the container that does a pod's work, alone or before `-` and the component's name.
    pub main_container: &'static str,
    /// Label of a pod: the volume that it mounts.
    pub volume_label: &'static str,
    /// Annotation of a volume's claim: the restores that were carried out on it.
    pub restores_annotation: &'static str,
    /// Annotation of a namespace: what an administrator grants to the resources in it.
    pub grant_annotation: &'static str,
}

impl Domain {
    /// The kind of resource that an object's labels name; none where they name several.
    pub(crate) fn labelled<'a>(
        &self,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<&'static ResourceKind> {
        let mut found = self.resources.iter().copied().filter(|kind| label(kind.label).is_some());
        match (found.next(), found.next()) {
            (None, _) => self.resources.first().copied(),
            (found, None) => found,
            _ => None,
        }
    }
}

/// One row of the kind table.
#[derive(Debug)]
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
    pub nature: Nature,
    pub domain: &'static Domain,
    /// Why the operator has rights on this kind, in Markdown. Kinds of one group and purpose share a rule of its role.
    pub purpose: &'static str,
}

/// A table has one row for a kind.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.kind) == (other.group, other.kind)
    }
}

impl Eq for Kind {}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.group, self.kind).hash(state);
    }
}

/// What is particular about a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// What other objects stand in. All of them are watched, whoever made them: those that exist already, and those that
    /// are being deleted, are planned for too.
    Namespace,
    /// Runs pods until it is deleted. It goes on as it was begun while it may not be written, and what its old pods use
    /// is pruned after it was written.
    Workload,
    /// Immutable, under a name that says its content: other content under the name is nobody's.
    Configuration,
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
