//! The pods' identity. The server calls no API, so no token is mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::meta;
use crate::logpilot::model::Cluster;

#[must_use]
pub fn build(cluster: &Cluster) -> ServiceAccount {
    let mut metadata = meta::shared(cluster, cluster.prefix.service_account());
    meta::annotate(&mut metadata, cluster.service_account_annotations.clone());
    ServiceAccount { metadata, automount_service_account_token: Some(false), ..ServiceAccount::default() }
}
