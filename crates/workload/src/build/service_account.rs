//! The pods' identity. The pods call no API, so no token is mounted.

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::{StringMap, metadata, scope::Scope};

#[must_use]
pub fn build(scope: &Scope, annotations: &StringMap) -> ServiceAccount {
    let mut metadata = metadata::shared(scope, scope.prefix.service_account());
    metadata::annotate(&mut metadata, annotations.clone());
    ServiceAccount { metadata, automount_service_account_token: Some(false), ..ServiceAccount::default() }
}
