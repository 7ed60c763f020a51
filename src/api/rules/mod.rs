//! The CEL rules that only this kind has, in addition to those of any product. `workload::api::rules`
//! describes how rules are written, and where each is placed.

pub mod backup;
pub mod components;
pub mod environment;
pub mod identity;
pub mod ingress;
pub mod monitoring;
pub mod patches;
pub mod presence;
pub mod restore;
pub mod storage;

use kube::core::Rule;
use workload::api::rules;
pub use workload::api::rules::{
    at_most, data_key, dns_label, explained, forbidden, gateway, image_registry, metadata, object_name,
    widening,
};

/// Namespaces that no LogPilotCluster may use.
pub fn allowed_namespace() -> Rule {
    Rule::new("!self.startsWith('kube-') && self != 'logpilot-operator-system'").message(
        "must not be a namespace of Kubernetes ('kube-…') or the operator's own ('logpilot-operator-system'); name another one",
    )
}

const TAGGED_IMAGE: &str = "danpung2/logpilot:1.2.0";
const PINNED_IMAGE: &str = "registry.example.com/logpilot@sha256:<64 hex digits>";

pub fn image_format() -> Rule {
    rules::image_format(TAGGED_IMAGE, PINNED_IMAGE)
}

pub fn image_version() -> Rule {
    rules::image_version(TAGGED_IMAGE)
}
