//! The namespaces of the servers and of the monitoring. The operator never changes a namespace that
//! existed before.

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

/// Returns `None` if the namespace belongs to another owner or is being deleted. No object can be
/// created in a terminating namespace.
#[must_use]
pub fn of_servers(cluster: &Cluster, facts: &Facts) -> Option<Namespace> {
    if !ours(facts.namespace) {
        return None;
    }
    let wanted = &cluster.namespace;
    // The two labels of hand-written manifests. Network policies in other namespaces may select by
    // them.
    let mut all = StringMap::from([
        ("name".into(), wanted.name.clone()),
        (labels::APP.into(), PRODUCT.into()),
        (ENFORCE.into(), level(wanted.pod_security).into()),
    ]);
    all.extend(labels::with(&cluster.scope, &wanted.labels));
    labels::protect(&cluster.scope, &mut all);
    // The namespace also contains the data of another LogPilotCluster, which a deletion of the
    // namespace would delete.
    let owned = wanted.deletion_policy == DeletionPolicy::Delete && !facts.namespace_shared;
    Some(namespace::build(&cluster.scope, &wanted.name, all, owned))
}

/// Returns `None` if no system namespace is named, if it is that of the servers, or if the operator
/// must not write it. It has no deletion policy and is always kept, because the monitors of other
/// LogPilotClusters share it.
#[must_use]
pub fn of_system(cluster: &Cluster, facts: &Facts) -> Option<Namespace> {
    let name = cluster.system_namespace.as_ref()?;
    if *name == cluster.namespace.name || !ours(facts.system_namespace) {
        return None;
    }
    Some(namespace::build(&cluster.scope, name, labels::shared(&cluster.scope), false))
}

/// Returns the requested labels that an existing namespace with these labels lacks. The operator
/// never changes it.
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

/// Returns the value of [`ENFORCE`].
#[must_use]
pub fn level(security: PodSecurity) -> &'static str {
    match security {
        PodSecurity::Privileged => "privileged",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    }
}
