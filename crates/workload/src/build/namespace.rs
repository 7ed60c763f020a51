//! A namespace. It is never deleted by the operator itself.

use k8s_openapi::api::core::v1::Namespace;

use crate::{StringMap, metadata, scope::Scope};

/// Label of a namespace: the Pod Security Standard that is enforced in it.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// `owned`: it goes with the resource, and everything in it too.
#[must_use]
pub fn build(scope: &Scope, name: &str, labels: StringMap, owned: bool) -> Namespace {
    let mut metadata = metadata::unowned(scope, name.to_owned(), labels);
    metadata::owned_or_kept(scope, &mut metadata, owned);
    Namespace { metadata, ..Namespace::default() }
}
