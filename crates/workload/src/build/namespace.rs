//! A namespace. The operator itself never deletes it.

use k8s_openapi::api::core::v1::Namespace;

use crate::{StringMap, metadata, scope::Scope};

/// Label of a namespace: the Pod Security Standard that is enforced in it.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Builds the namespace. If `owned`, it is deleted with the resource, together with everything in it.
#[must_use]
pub fn build(scope: &Scope, name: &str, labels: StringMap, owned: bool) -> Namespace {
    let mut metadata = metadata::unowned(scope, name.to_owned(), labels);
    metadata::owned_or_kept(scope, &mut metadata, owned);
    Namespace { metadata, ..Namespace::default() }
}
