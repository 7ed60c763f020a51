//! What a container of the namespace gets that says nothing about resources.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};

use crate::{
    logpilot::model::Cluster,
    workload::{build::container::quantities, metadata},
};

/// None unless asked for.
#[must_use]
pub fn build(cluster: &Cluster) -> Option<LimitRange> {
    let wanted = cluster.limit_range.as_ref()?;
    let limits = quantities(&wanted.limits);
    // The list is owned as a whole, and the API server fills in a missing request from its limit.
    let mut requests = limits.clone();
    requests.extend(quantities(&wanted.requests));
    Some(LimitRange {
        metadata: metadata::shared(cluster, cluster.prefix.limit_range()),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".into(),
                default: Some(limits),
                default_request: Some(requests),
                ..LimitRangeItem::default()
            }],
        }),
    })
}
