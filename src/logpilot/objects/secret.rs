//! The generated API key. Made once by POST; afterwards its value belongs to the cluster's users.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use crate::{
    logpilot::{
        facts::{ApiKeyFact, Facts},
        model::Cluster,
    },
    workload::metadata,
};

/// None unless a key is to be generated: one that exists is never written again, and a named one is the user's.
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
