//! Hosts and paths of stacks, which belong to the resource that had them first, in every namespace and
//! across kinds.

use kube::api::DynamicObject;

use crate::{
    engine::{
        contention::{Contention, ContentionKey},
        resource::ResourceRef,
    },
    workload::{
        contention::{self, Location, RouteConflict},
        json::field_at,
    },
};

/// Returns the keys of the hosts and paths that a stack exposes.
#[must_use]
pub fn keys(object: &DynamicObject) -> Vec<ContentionKey> {
    locations(object).iter().map(Location::key).collect()
}

/// Returns the hosts and paths that an older resource of any kind already uses.
#[must_use]
pub fn conflicts(
    resource: &ResourceRef,
    object: &DynamicObject,
    contention: &Contention,
) -> Vec<RouteConflict> {
    let created = object.metadata.creation_timestamp.as_ref().map(|created| created.0);
    contention::route_conflicts(&locations(object), (resource, created), contention)
}

fn locations(object: &DynamicObject) -> Vec<Location<'_>> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let exposure = field_at(&object.data, "/spec/exposure");
    exposure.map(|exposure| contention::locations(exposure, namespace)).unwrap_or_default()
}
