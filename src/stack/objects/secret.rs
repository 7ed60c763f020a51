//! Secrets with random values.

use k8s_openapi::api::core::v1::Secret;

use crate::{
    stack::{facts::SecretFact, model::GeneratedSecret, secrets::REPLACES},
    workload::{labels, metadata, scope::Scope},
};

/// `None` unless it has to be created: the operator never writes a Secret that exists.
///
/// The stack never owns it. The operator may not change a Secret, so it could not remove the owner when a
/// volume that is kept is added later.
#[must_use]
pub fn build(scope: &Scope, secret: &GeneratedSecret, fact: Option<&SecretFact>) -> Option<Secret> {
    let Some(SecretFact::Generate { values, replaces }) = fact else { return None };
    let mut meta = metadata::unowned(scope, secret.name.clone(), labels::shared(scope));
    meta.namespace = Some(scope.namespace.clone());
    metadata::annotate(&mut meta, replaces.clone().map(|uid| (scope.key(REPLACES), uid)));
    metadata::owned_or_kept(scope, &mut meta, false);
    Some(Secret {
        metadata: meta,
        type_: Some("Opaque".to_owned()),
        string_data: Some(values.clone()),
        ..Secret::default()
    })
}
