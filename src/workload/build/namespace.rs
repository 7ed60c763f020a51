//! The namespaces. Neither is changed where it existed before, and neither is ever deleted by the operator itself.

use k8s_openapi::api::core::v1::Namespace;

use crate::{
    api::{
        cluster::PodSecurity,
        common::{DeletionPolicy, StringMap},
    },
    logpilot::{
        facts::{Facts, NamespaceFact},
        model::Cluster,
    },
    workload::{labels, metadata},
};

/// Label of a namespace: the Pod Security Standard that is enforced in it.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// None where the namespace is somebody else's, or is being deleted: nothing can be made in it then.
#[must_use]
pub fn of_servers(cluster: &Cluster, facts: &Facts) -> Option<Namespace> {
    if !ours(facts.namespace) {
        return None;
    }
    let wanted = &cluster.namespace;
    // The two labels of hand-written manifests, which network policies elsewhere may select by.
    let mut all = StringMap::from([
        ("name".into(), wanted.name.clone()),
        (labels::APP.into(), "logpilot".into()),
        (ENFORCE.into(), level(wanted.pod_security).into()),
    ]);
    all.extend(labels::with(cluster, &wanted.labels));
    labels::protect(cluster, &mut all);
    let mut metadata = metadata::unowned(cluster, wanted.name.clone(), all);
    // Another cluster's data lives here too: deleting the namespace would take it along.
    if wanted.deletion_policy == DeletionPolicy::Delete && !facts.namespace_shared {
        metadata.owner_references = Some(vec![metadata::owner(cluster)]);
    } else {
        metadata::annotate(&mut metadata, [metadata::keep_from_argo_cd()]);
    }
    Some(Namespace { metadata, ..Namespace::default() })
}

/// None where no system namespace is named, it is the servers' own, or it is not ours to write.
/// It has no deletion policy: other clusters' monitors share it, so it always stays.
#[must_use]
pub fn of_system(cluster: &Cluster, facts: &Facts) -> Option<Namespace> {
    let name = cluster.system_namespace.as_ref()?;
    if *name == cluster.namespace.name || !ours(facts.system_namespace) {
        return None;
    }
    let mut metadata = metadata::unowned(cluster, name.clone(), labels::shared(cluster));
    metadata::annotate(&mut metadata, [metadata::keep_from_argo_cd()]);
    Some(Namespace { metadata, ..Namespace::default() })
}

/// What is asked for of the namespace and an existing one, which has these labels, does not have: it is never changed.
#[must_use]
pub fn ignored(cluster: &Cluster, there: &StringMap) -> Vec<String> {
    let wanted = &cluster.namespace;
    let lacking = |(key, value): &(&String, &String)| there.get(*key) != Some(*value);
    let labels = wanted.labels.iter().filter(lacking);
    let mut found: Vec<String> =
        labels.map(|(key, value)| format!("`namespace.labels` {key}={value}")).collect();
    let level = level(wanted.pod_security);
    if wanted.pod_security_asked && there.get(ENFORCE).map(String::as_str) != Some(level) {
        found.push(format!("`namespace.podSecurity` ({ENFORCE}={level})"));
    }
    if wanted.deletion_policy == DeletionPolicy::Delete {
        found.push("`namespace.deletionPolicy: Delete`".to_owned());
    }
    found
}

fn ours(fact: NamespaceFact) -> bool {
    matches!(fact, NamespaceFact::Absent | NamespaceFact::Ours)
}

/// Value of [`ENFORCE`].
#[must_use]
pub fn level(security: PodSecurity) -> &'static str {
    match security {
        PodSecurity::Privileged => "privileged",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    }
}
