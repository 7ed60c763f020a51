//! The namespaces of the servers and of the monitoring. Neither is changed where it existed before.

use k8s_openapi::api::core::v1::Namespace;

use crate::{
    api::cluster::PodSecurity,
    logpilot::{
        facts::{Facts, NamespaceFact},
        labels::PRODUCT,
        model::Cluster,
    },
    workload::{
        StringMap,
        api::common::DeletionPolicy,
        build::namespace::{self, ENFORCE},
        labels,
    },
};

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
        (labels::APP.into(), PRODUCT.into()),
        (ENFORCE.into(), level(wanted.pod_security).into()),
    ]);
    all.extend(labels::with(&cluster.scope, &wanted.labels));
    labels::protect(&cluster.scope, &mut all);
    // Another cluster's data lives here too: deleting the namespace would take it along.
    let owned = wanted.deletion_policy == DeletionPolicy::Delete && !facts.namespace_shared;
    Some(namespace::build(&cluster.scope, &wanted.name, all, owned))
}

/// None where no system namespace is named, it is the servers' own, or it is not ours to write.
/// It has no deletion policy: other clusters' monitors share it, so it always stays.
#[must_use]
pub fn of_system(cluster: &Cluster, facts: &Facts) -> Option<Namespace> {
    let name = cluster.system_namespace.as_ref()?;
    if *name == cluster.namespace.name || !ours(facts.system_namespace) {
        return None;
    }
    Some(namespace::build(&cluster.scope, name, labels::shared(&cluster.scope), false))
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
