//! Rules of names, namespaces and other values that must not change once objects contain them.
//!
//! Most of them need `metadata.name`, which only rules at the root of the resource can read.

use kube::core::Rule;

use super::{explained, forbidden};

/// Returns an expression for the prefix of the names of all objects.
fn prefix(object: &str) -> String {
    format!("(has({object}.spec.nameOverride) ? {object}.spec.nameOverride : {object}.metadata.name)")
}

/// Returns an expression for the namespace of the servers.
fn namespace(object: &str) -> String {
    format!(
        "(has({object}.spec.__namespace__) && has({object}.spec.__namespace__.name) ? {object}.spec.__namespace__.name : {object}.metadata.name)"
    )
}

pub fn name_length() -> Rule {
    explained(
        "self.metadata.name.size() <= 40",
        "'must be no more than 40 characters, was %d: it is the prefix of the names of Services and CronJobs, which are limited to 63 and 52'.format([self.metadata.name.size()])",
    )
    .field_path(".metadata.name")
}

pub fn name_format() -> Rule {
    Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be a lower-case DNS label that starts with a letter: a-z, then a-z, 0-9 and '-', without dots, because Services are named after it")
        .field_path(".metadata.name")
}

pub fn name_override_format() -> Rule {
    Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "must be a lower-case DNS label that starts with a letter: a-z, then a-z, 0-9 and '-', because Services are named after it",
    )
}

/// A default namespace must meet the rules for an explicit one.
pub fn implied_namespace() -> Rule {
    Rule::new("has(self.spec.__namespace__) && has(self.spec.__namespace__.name) || (!self.metadata.name.startsWith('kube-') && self.metadata.name != 'logpilot-operator-system')")
        .message("is also the name of the namespace if `spec.namespace.name` is not set, and must not be a namespace of Kubernetes ('kube-…') or of the operator; set `spec.namespace.name`")
        .field_path(".metadata.name")
}

pub fn separate_system_namespace() -> Rule {
    forbidden(
        format!(
            "!has(self.spec.systemNamespace) || self.spec.systemNamespace.name != {}",
            namespace("self")
        ),
        "must differ from the namespace of the servers; remove `systemNamespace` to keep monitoring objects in it",
    )
    .field_path(".spec.systemNamespace.name")
}

pub fn name_is_immutable() -> Rule {
    explained(
        format!("{} == {}", prefix("self"), prefix("oldSelf")),
        format!(
            "\"is immutable (was '\" + {} + \"'): the names of objects and volumes contain it; create another LogPilotCluster instead\"",
            prefix("oldSelf")
        ),
    )
    .field_path(".spec.nameOverride")
}

pub fn namespace_is_immutable() -> Rule {
    explained(
        format!("{} == {}", namespace("self"), namespace("oldSelf")),
        format!(
            "\"is immutable (was '\" + {} + \"'): volumes cannot move between namespaces; create another LogPilotCluster and restore a backup into it\"",
            namespace("oldSelf")
        ),
    )
    .field_path(".spec.namespace.name")
}

/// Applies at `spec`. An absent value means the namespace of the servers, so setting it later is a
/// change too.
pub fn system_namespace_is_immutable() -> Rule {
    Rule::new("has(self.systemNamespace) == has(oldSelf.systemNamespace) && (!has(self.systemNamespace) || self.systemNamespace.name == oldSelf.systemNamespace.name)")
        .message("is immutable, even if it was not set at first; create another LogPilotCluster instead")
        .field_path(".systemNamespace")
}

/// Deleting a namespace deletes all PVCs in it.
pub fn namespace_policy_needs_storage_policy() -> Rule {
    forbidden(
        "!has(self.__namespace__) || !has(self.__namespace__.deletionPolicy) || self.__namespace__.deletionPolicy != 'Delete' || (has(self.storage) && has(self.storage.volume) && has(self.storage.volume.deletionPolicy) && self.storage.volume.deletionPolicy == 'Delete')",
        "may be 'Delete' only if `storage.volume.deletionPolicy` is 'Delete' too: deleting the namespace deletes the volume",
    )
    .field_path(".namespace.deletionPolicy")
}
