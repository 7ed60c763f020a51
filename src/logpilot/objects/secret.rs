//! The generated API key. It is created once by POST. Afterwards its value belongs to the users.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use crate::{
    logpilot::{
        facts::{ApiKeyFact, Facts},
        model::Cluster,
    },
    workload::metadata,
};

/// Returns `None` unless a key must be generated. The operator never overwrites an existing key,
/// and a named Secret belongs to the user.
#[must_use]
pub fn api_key(cluster: &Cluster, facts: &Facts) -> Option<Secret> {
    let ApiKeyFact::Generate { value, .. } = &facts.api_key else { return None };
    if !cluster.api_key.generated {
        return None;
    }
    let value = ByteString(value.0.clone().into_bytes());
    Some(Secret {
        metadata: metadata::shared(&cluster.scope, cluster.api_key.secret.clone()),
        type_: Some("Opaque".into()),
        data: Some(BTreeMap::from([(cluster.api_key.key.clone(), value)])),
        ..Secret::default()
    })
}
