//! The part of a live object that the operator keeps: its identity, its owner, a digest of the
//! operator's fields, and a few integers. About 0.3 KB instead of the tens of KB of the whole object.

use std::fmt;

use kube::api::{DynamicObject, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    INSTANCE_LABEL, MANAGED_BY_LABEL, fingerprint,
    kind::{Domain, Kind},
    observed::{Observe, Observed},
    plan::Key,
    resource::ResourceRef,
};

/// A live object, reduced to what the operator keeps.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub kind: &'static Kind,
    pub key: Key,
    pub uid: String,
    /// Orders the writes of one object. Kubernetes guarantees the order of resource versions within one
    /// API resource since 1.35; earlier versions have it by construction. A version that does not parse
    /// is 0, and every event is then accepted as it arrives.
    pub version: u64,
    pub controller: Option<Controller>,
    /// The resource that the labels name, if they say that the operator manages the object.
    pub labelled: Option<ResourceRef>,
    pub deleting: bool,
    /// Digest of the fields that the operator applied. `None` if it has no entry in `managedFields`.
    pub digest: Option<u64>,
    /// True if the operator's entry owns `spec.replicas`.
    pub owns_replicas: bool,
    /// The other manager that owns `spec.replicas`, with its subresource. It shows who scaled last, not
    /// whether that autoscaler still exists.
    pub scaled_by: Option<String>,
    /// The operator's mark that an autoscaler of the plan sets the replicas.
    pub handed_over: bool,
    pub replicas: Option<i64>,
    pub observed: Observed,
}

/// The controlling owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

const REPLICAS: &str = "/f:spec/f:replicas";

impl Child {
    /// Reduces a live object. Returns `None` if it has no name or UID; every stored object has both.
    #[must_use]
    pub fn read(kind: &'static Kind, live: &Value) -> Option<Self> {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let labels = live.pointer("/metadata/labels");
        let label = |name: &str| labels.and_then(|labels| labels.get(name)).and_then(Value::as_str);
        let Domain { field_manager, handed_over, .. } = kind.domain;
        let managed = label(MANAGED_BY_LABEL) == Some(field_manager);
        let namespace = text("/metadata/namespace");
        Some(Self {
            kind,
            key: Key { namespace: namespace.clone(), name: text("/metadata/name")? },
            uid: text("/metadata/uid")?,
            version: text("/metadata/resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0),
            controller: controller(live),
            labelled: label(INSTANCE_LABEL).filter(|_| managed).and_then(|name| {
                ResourceRef::of_object(kind.domain.labelled(label)?, namespace.as_deref(), name)
            }),
            deleting: live.pointer("/metadata/deletionTimestamp").is_some(),
            digest: fingerprint::of_owned_fields(live, field_manager),
            owns_replicas: fingerprint::field_owners(live, REPLICAS)
                .any(|owner| owner.applies_as(field_manager)),
            scaled_by: fingerprint::field_owners(live, REPLICAS)
                .find(|owner| !owner.applies_as(field_manager))
                .map(|owner| match owner.subresource {
                    "" => owner.manager.to_owned(),
                    subresource => format!("{} (subresource {subresource})", owner.manager),
                }),
            handed_over: live
                .pointer("/metadata/annotations")
                .and_then(|annotations| annotations.get(handed_over.0))
                .and_then(Value::as_str)
                == Some(handed_over.1),
            replicas: live.pointer("/spec/replicas").and_then(Value::as_i64),
            observed: (kind.observe)(live, kind.domain),
        })
    }

    /// Returns the object's status, if objects of its kind have one of this type.
    #[must_use]
    pub fn observed<T: Observe>(&self) -> Option<&T> {
        self.observed.get()
    }

    /// Returns whether the owner with this UID controls the object.
    #[must_use]
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.uid == uid)
    }

    /// Returns the resource of the operator's API group that controls the object.
    #[must_use]
    pub fn controlling(&self) -> Option<ResourceRef> {
        let controller = self.controller.as_ref()?;
        let mut kinds = self.kind.domain.resources.iter();
        let kind = kinds.find(|kind| controller.group() == kind.group && controller.kind == kind.kind)?;
        ResourceRef::of_object(kind, self.key.namespace.as_deref(), &controller.name)
    }

    /// Returns the resource that the object belongs to: its controller if that is of the operator's API
    /// group, otherwise the resource that its labels name.
    #[must_use]
    pub fn resource(&self) -> Option<ResourceRef> {
        let group = self.kind.domain.owner_group;
        match &self.controller {
            Some(controller) if controller.group() == group => self.controlling(),
            _ => self.labelled.clone(),
        }
    }

    /// Returns whether another manager owns the number of pods although no autoscaler of a plan was
    /// given it.
    #[must_use]
    pub fn is_scaled_by_others(&self) -> bool {
        self.replicas.is_some() && !self.owns_replicas && !self.handed_over
    }

    /// Returns whether two readings of one object are equivalent for the operator. An event without any
    /// other change triggers nothing.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        let version = other.version;
        Self { version, ..self.clone() } == *other
    }
}

impl Controller {
    fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

fn controller(live: &Value) -> Option<Controller> {
    let references = live.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner =
        references.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let text = |field: &str| owner.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(Controller {
        api_version: text("apiVersion")?,
        kind: text("kind")?,
        name: text("name")?,
        uid: text("uid")?,
    })
}

impl fmt::Display for Child {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.kind, self.key)
    }
}

/// An object between the API server and [`Child`]: the watcher needs the metadata, and the operator
/// needs the rest.
#[derive(Clone, Debug)]
pub struct Raw {
    meta: ObjectMeta,
    pub body: Value,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Value::deserialize(deserializer)?;
        let text = |field: &str| {
            body.pointer("/metadata")
                .and_then(|meta| meta.get(field))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, body })
    }
}

impl kube::Resource for Raw {
    type DynamicType = &'static Kind;
    type Scope = <DynamicObject as kube::Resource>::Scope;

    fn kind(kind: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
        kind.kind.into()
    }
    fn group(kind: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
        kind.group.into()
    }
    fn version(kind: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
        kind.version.into()
    }
    fn plural(kind: &Self::DynamicType) -> std::borrow::Cow<'_, str> {
        kind.plural.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
