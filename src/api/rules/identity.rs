//! Names, namespaces and what else may not change once children carry it. All of these need
//! `metadata.name`, which only rules at the resource's root can read.

use kube::core::Rule;

use super::{explained, forbidden};

/// What the children's names start with.
fn prefix(object: &str) -> String {
    format!("(has({object}.spec.nameOverride) ? {object}.spec.nameOverride : {object}.metadata.name)")
}

/// The namespace of the servers.
fn namespace(object: &str) -> String {
    format!(
        "(has({object}.spec.__namespace__) && has({object}.spec.__namespace__.name) ? {object}.spec.__namespace__.name : {object}.metadata.name)"
    )
}

pub fn name_length() -> Rule {
    explained(
        "self.metadata.name.size() <= 40",
        "'must be no more than 40 characters, was %d: it begins the names of Services and jobs, which end at 63 and 52'.format([self.metadata.name.size()])",
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

/// An implied namespace is held to the rule of a written one.
pub fn implied_namespace() -> Rule {
    Rule::new("has(self.spec.__namespace__) && has(self.spec.__namespace__.name) || (!self.metadata.name.startsWith('kube-') && self.metadata.name != 'logpilot-operator-system')")
        .message("is also the namespace where `spec.namespace.name` is not given, and must then not be one of Kubernetes ('kube-…') or the operator's own; give `spec.namespace.name`")
        .field_path(".metadata.name")
}

pub fn separate_system_namespace() -> Rule {
    forbidden(
        format!(
            "!has(self.spec.systemNamespace) || self.spec.systemNamespace.name != {}",
            namespace("self")
        ),
        "must differ from the namespace of the servers; leave `systemNamespace` out to keep monitoring beside them",
    )
    .field_path(".spec.systemNamespace.name")
}

pub fn name_is_immutable() -> Rule {
    explained(
        format!("{} == {}", prefix("self"), prefix("oldSelf")),
        format!(
            "\"is immutable (was '\" + {} + \"'): children and their data carry it; create another cluster instead\"",
            prefix("oldSelf")
        ),
    )
    .field_path(".spec.nameOverride")
}

pub fn namespace_is_immutable() -> Rule {
    explained(
        format!("{} == {}", namespace("self"), namespace("oldSelf")),
        format!(
            "\"is immutable (was '\" + {} + \"'): volumes cannot move between namespaces; create another cluster and restore into it\"",
            namespace("oldSelf")
        ),
    )
    .field_path(".spec.namespace.name")
}

/// At `spec`: absent means beside the servers, so that giving it later is a change too.
pub fn system_namespace_is_immutable() -> Rule {
    Rule::new("has(self.systemNamespace) == has(oldSelf.systemNamespace) && (!has(self.systemNamespace) || self.systemNamespace.name == oldSelf.systemNamespace.name)")
        .message("is immutable, also where it was not given at first; create another cluster instead")
        .field_path(".systemNamespace")
}

/// Deleting a namespace deletes every claim in it.
pub fn namespace_policy_needs_storage_policy() -> Rule {
    forbidden(
        "!has(self.__namespace__) || !has(self.__namespace__.deletionPolicy) || self.__namespace__.deletionPolicy != 'Delete' || (has(self.storage) && has(self.storage.volume) && has(self.storage.volume.deletionPolicy) && self.storage.volume.deletionPolicy == 'Delete')",
        "may be 'Delete' only where `storage.volume.deletionPolicy` is 'Delete' too: deleting the namespace deletes the volume",
    )
    .field_path(".namespace.deletionPolicy")
}
