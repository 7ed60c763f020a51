//! The granted permissions are the required ones: none missing, none too many, each with its reason.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role};
use logpilot_operator::{
    api::{GROUP, PLURAL},
    kinds::KINDS,
    operator::LEASE,
    stack,
};

use super::{documents, object, read, security};

/// Permissions in addition to those of the kind table: group, resource, verbs, purpose.
pub const OWN: &[(&str, &str, &[&str], &str)] = &[
    // For the reflector of `engine/controller.rs`, and `ApiClient::identity`.
    (
        GROUP,
        PLURAL,
        &["get", "list", "watch"],
        "The resources that the operator works for. It never writes their spec. A single one is read where another client \
         wrote it while its status was being written.",
    ),
    // For `ApiClient::status`.
    (
        GROUP,
        "logpilotclusters/status",
        &["patch"],
        "The status of those resources, written by server-side apply.",
    ),
    (
        GROUP,
        stack::api::PLURAL,
        &["get", "list", "watch"],
        "The stacks of all namespaces, as logpilotclusters.",
    ),
    (GROUP, "servicestacks/status", &["patch"], "The status of stacks, as that of logpilotclusters."),
    // For `Watches::follow_crds`.
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &["list", "watch"],
        "Whether optional kinds, such as ServiceMonitor, are served. Metadata only.",
    ),
    // For `Events::publish`. kube's recorder patches the series of an event that repeats within 6
    // minutes.
    (
        "events.k8s.io",
        "events",
        &["create", "patch"],
        "Events on a change of readiness and on new problems, on the resource and on the object concerned. `patch` counts a \
         repetition within 6 minutes in the series of the same Event object.",
    ),
    // For `ApiClient::evict`, which evicts pods that wait for deleted pods.
    (
        "",
        "pods/eviction",
        &["create"],
        "After a drain: evicts one pod that never ran and that the scheduler does not reconsider, by UID and \
         resourceVersion. Weaker than `delete`, because disruption budgets still protect running pods.",
    ),
];

/// Permissions that an operator should never need: they extend its own permissions, or give access to
/// unrelated objects.
const NEVER: &[(&str, &[&str])] = &[
    ("*", &["*", "bind", "deletecollection", "escalate", "impersonate", "update"]),
    ("secrets", &["list", "watch", "patch", "delete"]),
    ("persistentvolumeclaims", &["delete"]),
    ("namespaces", &["delete"]),
    ("pods", &["create", "delete", "patch"]),
    ("pods/exec", &["create", "get"]),
    ("serviceaccounts/token", &["create"]),
];

/// One permission: verb, resource, group.
pub type Right = (String, String, String);

pub fn right(group: &str, resource: &str, verb: &str) -> Right {
    (verb.to_owned(), resource.to_owned(), group.to_owned())
}

fn needed() -> BTreeSet<Right> {
    let kinds = KINDS.iter().map(|kind| (kind.group, kind.plural, kind.management.verbs()));
    kinds
        .chain(OWN.iter().map(|&(group, resource, verbs, _)| (group, resource, verbs)))
        .flat_map(|(group, plural, verbs)| verbs.iter().map(move |verb| right(group, plural, verb)))
        .collect()
}

pub fn granted(role: &ClusterRole) -> Vec<Right> {
    let mut rights = Vec::new();
    for rule in role.rules.iter().flatten() {
        assert!(rule.resource_names.is_none(), "names are not compared here: {rule:?}");
        assert!(rule.non_resource_urls.is_none(), "no URLs: {rule:?}");
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| right(group, resource, verb)));
            }
        }
    }
    rights
}

pub fn operator_role() -> ClusterRole {
    object(&read("config/rbac/role.yaml"), "ClusterRole", "logpilot-operator")
}

pub fn lines<'a>(sign: char, rights: impl IntoIterator<Item = &'a Right>) -> String {
    let line = |(verb, resource, group): &Right| {
        let dot = if group.is_empty() { "" } else { "." };
        format!("{sign} {verb} {resource}{dot}{group}\n")
    };
    rights.into_iter().map(line).collect()
}

#[test]
fn the_operator_has_exactly_the_required_permissions() {
    let (needed, granted) = (needed(), granted(&operator_role()));
    let once: BTreeSet<Right> = granted.iter().cloned().collect();
    assert_eq!(once.len(), granted.len(), "a right is granted twice: {granted:#?}");
    let missing = lines('+', needed.difference(&once));
    let surplus = lines('-', once.difference(&needed));
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "config/rbac/role.yaml differs from what the code needs (+ to grant, - to take away):\n{missing}{surplus}"
    );
    println!("{} rights, none missing, none too many", once.len());
}

#[test]
fn no_right_leads_to_others() {
    for (verb, resource, group) in granted(&operator_role()) {
        assert!(resource != "*" && group != "*", "wildcard: {verb} {resource}.{group}");
        assert!(group != "rbac.authorization.k8s.io", "may not touch rights: {verb} {resource}");
        let forbidden =
            NEVER.iter().any(|(of, verbs)| (*of == "*" || *of == resource) && verbs.contains(&verb.as_str()));
        assert!(!forbidden, "may never: {verb} {resource}.{group}");
    }
}

/// For `Elector` of `engine/lease.rs`: one Lease, in one namespace.
#[test]
fn the_election_needs_one_lease_only() {
    let text = read("config/rbac/lease.yaml");
    let role: Role = object(&text, "Role", "logpilot-operator-lease");
    assert_eq!(role.metadata.namespace.as_deref(), Some("logpilot-operator-system"));
    let rules: Vec<_> =
        role.rules.unwrap().into_iter().map(|it| (it.verbs, it.resources, it.resource_names)).collect();
    let strings = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let leases = Some(strings(&["leases"]));
    assert_eq!(
        rules,
        [
            (strings(&["create"]), leases.clone(), None),
            (strings(&["get", "update"]), leases, Some(strings(&[LEASE]))),
        ]
    );
}

/// A rule without a reason is never removed.
#[test]
fn every_rule_says_why() {
    for file in ["config/rbac/role.yaml", "config/rbac/user_roles.yaml", "config/rbac/lease.yaml"] {
        let text = read(file);
        let rules = security::rules(&text);
        for [resources, _, why] in &rules {
            assert!(why.len() > 15, "{file}: a comment above the rule for {resources} says who uses it");
        }
        let parsed: usize = documents(&text)
            .into_iter()
            .map(|role| role.get("rules").and_then(|rules| rules.as_array()).map_or(0, Vec::len))
            .sum();
        assert_eq!(rules.len(), parsed, "{file}: a rule is written another way");
    }
}

#[test]
fn the_role_is_bound_to_the_operator_only() {
    let binding: ClusterRoleBinding =
        object(&read("config/rbac/role_binding.yaml"), "ClusterRoleBinding", "logpilot-operator");
    assert_eq!(binding.role_ref.name, "logpilot-operator");
    let subjects = binding.subjects.unwrap();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert_eq!(
        (subjects[0].kind.as_str(), subjects[0].name.as_str(), subjects[0].namespace.as_deref()),
        ("ServiceAccount", "logpilot-operator", Some("logpilot-operator-system"))
    );
}

/// Write access to a LogPilotCluster is close to administrator access, so no account may have it by
/// accident. A ServiceStack can do what its author may do, so every account with `edit` may write it.
#[test]
fn reading_is_aggregated_and_writing_only_of_stacks() {
    const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let text = read("config/rbac/user_roles.yaml");
    let stacks = stack::api::PLURAL;
    let expected: [(&str, &str, &[&str], &[&str]); 5] = [
        ("view", PLURAL, &["view"], &["get", "list", "watch"]),
        ("edit", PLURAL, &[], &["create", "get", "list", "patch", "update", "watch"]),
        ("admin", PLURAL, &[], ALL),
        ("stacks-view", stacks, &["view"], &["get", "list", "watch"]),
        ("stacks-edit", stacks, &["admin", "edit"], ALL),
    ];
    assert_eq!(documents(&text).len(), expected.len());
    for (name, plural, into, verbs) in expected {
        let role: ClusterRole = object(&text, "ClusterRole", &format!("logpilot-operator-{name}"));
        let aggregates: Vec<_> = role
            .metadata
            .labels
            .iter()
            .flatten()
            .filter_map(|(label, _)| label.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"))
            .collect();
        assert_eq!(aggregates, into, "{name}");
        // No role has the subresource `status` (T17).
        let wanted: Vec<_> = verbs.iter().map(|verb| right(GROUP, plural, verb)).collect();
        assert_eq!(granted(&role), wanted, "{name}");
    }
}
