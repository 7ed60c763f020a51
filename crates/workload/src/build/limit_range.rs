//! What a container of the namespace gets that says nothing about resources.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use crate::{metadata, scope::Scope};

/// None unless asked for.
#[must_use]
pub fn build(scope: &Scope) -> Option<LimitRange> {
    let wanted = scope.limits.range.as_ref()?;
    // The list is owned as a whole, and the API server fills in a missing request from its limit.
    let mut requests = wanted.limits.clone();
    requests.extend(wanted.requests.clone());
    Some(LimitRange {
        metadata: metadata::shared(scope, scope.prefix.limit_range()),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".into(),
                default: Some(wanted.limits.clone()),
                default_request: Some(requests),
                ..LimitRangeItem::default()
            }],
        }),
    })
}
