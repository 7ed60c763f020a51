//! Upper limit for the resources of all pods in the namespace together.

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};

use crate::{metadata, scope::Scope};

/// Returns `None` unless requested.
#[must_use]
pub fn build(scope: &Scope) -> Option<ResourceQuota> {
    let wanted = scope.limits.quota.as_ref()?;
    Some(ResourceQuota {
        metadata: metadata::shared(scope, scope.prefix.resource_quota()),
        spec: Some(ResourceQuotaSpec { hard: Some(wanted.hard.clone()), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    })
}
