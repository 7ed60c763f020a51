//! How much all pods of the namespace may ask for together.

use k8s_openapi::{
    api::core::v1::{ResourceQuota, ResourceQuotaSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{logpilot::model::Cluster, workload::metadata};

/// None unless asked for.
#[must_use]
pub fn build(cluster: &Cluster) -> Option<ResourceQuota> {
    let wanted = cluster.quota.as_ref()?;
    let hard = wanted.hard.iter().map(|(name, value)| ((*name).to_owned(), Quantity(value.0.clone())));
    Some(ResourceQuota {
        metadata: metadata::shared(cluster, cluster.prefix.resource_quota()),
        spec: Some(ResourceQuotaSpec { hard: Some(hard.collect()), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    })
}
