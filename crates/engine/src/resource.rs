//! Identifies the custom resources that own objects. All state and all reconciles of a resource use
//! this identity, so that two resources of the same name, of different kinds or in different
//! namespaces, share nothing.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use kube::{
    ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::reflector::ObjectRef,
};

use super::plan::Key;

/// A kind of custom resource whose resources own objects.
#[derive(Debug)]
pub struct ResourceKind {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    /// True if the resources are namespaced. Their objects are then in the resource's own namespace.
    pub namespaced: bool,
    /// Key of a label that the objects of this kind have, and no others.
    pub label: &'static str,
    /// Name of its watch in metrics.
    pub watch: &'static str,
    /// Field manager for the status.
    pub field_manager: &'static str,
}

impl ResourceKind {
    #[must_use]
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    #[must_use]
    pub fn api_resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }
}

impl PartialEq for ResourceKind {
    fn eq(&self, other: &Self) -> bool {
        (self.group, self.kind) == (other.group, other.kind)
    }
}

impl Eq for ResourceKind {}

impl Hash for ResourceKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.group, self.kind).hash(state);
    }
}

/// Identifies a resource. Cheap to clone. It does not contain the UID, because labels do not contain
/// it: code that has to distinguish a resource from an earlier one of the same name compares UIDs
/// itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceRef(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parts {
    kind: &'static ResourceKind,
    key: Key,
}

impl ResourceRef {
    #[must_use]
    pub fn new(kind: &'static ResourceKind, namespace: Option<&str>, name: &str) -> Self {
        let key = Key { namespace: namespace.map(str::to_owned), name: name.to_owned() };
        Self(Arc::new(Parts { kind, key }))
    }

    #[must_use]
    pub fn of(kind: &'static ResourceKind, resource: &DynamicObject) -> Self {
        Self::new(kind, resource.metadata.namespace.as_deref(), &resource.name_any())
    }

    /// Returns the resource of this name that an object in this namespace can belong to. A namespaced
    /// resource has no objects in other namespaces.
    #[must_use]
    pub fn of_object(kind: &'static ResourceKind, namespace: Option<&str>, name: &str) -> Option<Self> {
        match (kind.namespaced, namespace) {
            (true, None) => None,
            (true, namespace) => Some(Self::new(kind, namespace, name)),
            (false, _) => Some(Self::new(kind, None, name)),
        }
    }

    #[must_use]
    pub fn kind(&self) -> &'static ResourceKind {
        self.0.kind
    }

    #[must_use]
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.key.name
    }

    /// Path of the resource's collection.
    #[must_use]
    pub fn collection(&self) -> String {
        let Parts { kind, key } = &*self.0;
        let group = format!("/apis/{}", kind.api_version());
        match &key.namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{}", kind.plural),
            None => format!("{group}/{}", kind.plural),
        }
    }

    /// The resource's key in the store of resources.
    #[must_use]
    pub fn to_object_ref(&self, resource: ApiResource) -> ObjectRef<DynamicObject> {
        let reference = ObjectRef::new_with(self.name(), resource);
        match &self.0.key.namespace {
            Some(namespace) => reference.within(namespace),
            None => reference,
        }
    }
}

/// `Kind name`, or `Kind namespace/name`.
impl fmt::Display for ResourceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.0.kind.kind, self.0.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kinds::{FLEET, TOY};

    #[test]
    fn a_name_says_kind_and_namespace() {
        let toy = ResourceRef::new(&TOY, Some("a"), "erp");
        assert_eq!(toy.to_string(), "Toy a/erp");
        assert_eq!(toy.collection(), "/apis/toys.example.com/v1/namespaces/a/toys");
        let fleet = ResourceRef::new(&FLEET, None, "erp");
        assert_eq!(
            (fleet.to_string().as_str(), fleet.collection().as_str()),
            ("Fleet erp", "/apis/toys.example.com/v1/fleets")
        );
        assert_ne!(toy, ResourceRef::new(&TOY, Some("b"), "erp"));
        assert_ne!(toy, fleet);
    }

    #[test]
    fn a_namespaced_resource_owns_objects_in_its_namespace() {
        assert_eq!(
            ResourceRef::of_object(&TOY, Some("a"), "erp"),
            Some(ResourceRef::new(&TOY, Some("a"), "erp"))
        );
        assert_eq!(ResourceRef::of_object(&TOY, None, "erp"), None);
        assert_eq!(
            ResourceRef::of_object(&FLEET, Some("a"), "erp"),
            Some(ResourceRef::new(&FLEET, None, "erp"))
        );
    }
}
