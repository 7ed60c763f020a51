//! Default resources for containers of the namespace that set none.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use crate::{metadata, scope::Scope};

/// Returns `None` unless requested.
#[must_use]
pub fn build(scope: &Scope) -> Option<LimitRange> {
    let wanted = scope.limits.range.as_ref()?;
    // The operator owns the list as a whole, and the API server derives a missing request from the
    // limit.
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
