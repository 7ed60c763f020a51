//! The properties of a kind of object that the engine needs. The kind table is the single source for
//! watches, apply order, pruning and permissions.

use std::hash::{Hash, Hasher};

use serde_json::Value;

use super::{observed::Observed, resource::ResourceKind};

/// The operator's identity for the objects of a kind table: the names under which it writes and
/// recognises them.
#[derive(Debug)]
pub struct Domain {
    /// The operator's field manager, and the value of the label [`crate::MANAGED_BY_LABEL`].
    pub field_manager: &'static str,
    /// API group of the resources that own objects, and prefix of the operator's own annotations.
    pub owner_group: &'static str,
    /// The kinds of resources that own objects. An object without the label of any of them belongs to
    /// the first kind, which was once the only one.
    pub resources: &'static [&'static ResourceKind],
    /// Annotation, with its value, of a workload whose replicas an autoscaler of the plan sets. It
    /// distinguishes an autoscaler that was removed from the plan from an autoscaler of another owner.
    pub handed_over: (&'static str, &'static str),
    /// Name of the container that does a pod's work, either alone or followed by `-` and the
    /// component's name.
    pub main_container: &'static str,
    /// Label of a pod that names the volume it mounts.
    pub volume_label: &'static str,
    /// Annotation of a workload: hash of its pod template, for a product that writes one.
    pub template_annotation: &'static str,
    /// Annotation of a PVC that lists the restores that were carried out on it.
    pub restores_annotation: &'static str,
    /// Annotation of a namespace: what an administrator grants to the resources in it.
    pub grant_annotation: &'static str,
    /// Annotation of a namespace: the hosts that the resources in it may expose.
    pub hosts_annotation: &'static str,
}

impl Domain {
    /// Returns the kind of resource that an object's labels name. `None` if they name several.
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
    /// True if the kind is served by a CRD, which may be absent, installed or removed at any time.
    pub optional: bool,
    /// Apply order: 0 before 1. The objects of one wave are written in parallel.
    pub wave: u8,
    pub management: Management,
    pub nature: Nature,
    pub domain: &'static Domain,
    /// Reads the part of a live object's status that the product needs.
    pub observe: fn(&Value, &Domain) -> Observed,
    /// The purpose of the permissions on this kind, in Markdown. Kinds with the same group and
    /// purpose share a rule of the operator's role.
    pub purpose: &'static str,
}

/// A table has one row for each kind.
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

/// Special properties of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Plain,
    /// A container for other objects. All namespaces are watched, including foreign ones: a plan takes
    /// into account those that already exist, and those that are being deleted.
    Namespace,
    /// A kind that runs pods until it is deleted. It keeps running unchanged while it may not be
    /// written, and objects that its old pods use are pruned only after it was written.
    Workload,
    /// Immutable, with a name that is derived from its content: an object with other content under this
    /// name is of no use to anyone.
    Configuration,
}

/// The operator's management of the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Management {
    /// Created, kept as planned, and pruned.
    Managed,
    /// Created and kept as planned, but never deleted by the operator: it holds data.
    Retained,
    /// Created once by POST, and never listed, watched, changed or deleted: it holds a secret.
    CreateOnly,
    /// Created once, and then left to run to its end unchanged; pruned when no longer planned. This is
    /// for Jobs, whose template is immutable. Other clients create objects of such a kind too.
    RunToCompletion,
    /// Only read.
    ReadOnly,
}

impl Management {
    /// Returns the verbs that a kind with this management needs, and no others.
    #[must_use]
    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Managed | Self::RunToCompletion => &["create", "delete", "get", "list", "patch", "watch"],
            Self::Retained => &["create", "get", "list", "patch", "watch"],
            Self::CreateOnly => &["create", "get"],
            Self::ReadOnly => &["list", "watch"],
        }
    }

    /// Returns whether objects with this management are kept in the cache.
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
