//! How much all pods of the namespace may ask for together.

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};

use crate::{metadata, scope::Scope};

/// None unless asked for.
#[must_use]
pub fn build(scope: &Scope) -> Option<ResourceQuota> {
    let wanted = scope.limits.quota.as_ref()?;
    Some(ResourceQuota {
        metadata: metadata::shared(scope, scope.prefix.resource_quota()),
        spec: Some(ResourceQuotaSpec { hard: Some(wanted.hard.clone()), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    })
}
