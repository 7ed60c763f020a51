//! The pods' identity. The server calls no API, so no token is mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::{logpilot::model::Cluster, workload::metadata};

#[must_use]
pub fn build(cluster: &Cluster) -> ServiceAccount {
    let mut metadata = metadata::shared(cluster, cluster.prefix.service_account());
    metadata::annotate(&mut metadata, cluster.service_account_annotations.clone());
    ServiceAccount { metadata, automount_service_account_token: Some(false), ..ServiceAccount::default() }
}
