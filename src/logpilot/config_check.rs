//! Determines whether a configuration must be checked before it reaches the servers, and the result.
//! Pure: it relies only on the live objects, so that a restarted operator finds its predecessor's
//! check.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::Job,
    core::v1::Pod,
};
use kube::ResourceExt;

use super::{
    facts::{CheckVerdict, ConfigCheck, Facts},
    model::{Cluster, Component},
    plan,
};
use crate::{
    engine::{cache::Snapshot, child::Child, plan::Key},
    kinds::Managed,
    logpilot::objects::config_check_job,
    workload::health,
};

/// Returns the checks by the name of the Deployment; none for a component whose configuration needs no
/// check.
#[must_use]
pub fn evaluate(cluster: &Cluster, facts: &Facts, snapshot: &Snapshot) -> BTreeMap<String, ConfigCheck> {
    let components = cluster.components.iter();
    let needed = components.filter(|component| is_needed(cluster, component, facts, snapshot));
    needed
        .filter_map(|component| {
            let job = config_check_job::job(cluster, component, facts)?;
            let key = Key { namespace: job.namespace(), name: job.name_any() };
            let check =
                ConfigCheck { object: format!("Job {key}"), verdict: verdict(cluster, &key, snapshot) };
            Some((component.name.clone(), check))
        })
        .collect()
}

/// Returns a check of every component as if it had just started, for what must be known of the Jobs
/// before one exists.
#[must_use]
pub fn all_pending(cluster: &Cluster) -> BTreeMap<String, ConfigCheck> {
    let check = ConfigCheck { object: String::new(), verdict: CheckVerdict::Running };
    cluster.components.iter().map(|component| (component.name.clone(), check.clone())).collect()
}

/// Without running servers there is nothing to protect, and a configuration that ran before or is being
/// rolled out is not checked again.
fn is_needed(cluster: &Cluster, component: &Component, facts: &Facts, snapshot: &Snapshot) -> bool {
    let key = cluster.key(&component.name);
    let runs = |deployment: &Arc<Child>| {
        is_ours(cluster, deployment) && !deployment.deleting && deployment.replicas != Some(0)
    };
    let config = &component.config.name;
    let names = |deployment: &Arc<Child>| {
        deployment.observed::<health::Deployment>().is_some_and(|live| live.config_maps.contains(config))
    };
    let set_names = |set: &Arc<Child>| {
        set.observed::<health::ReplicaSet>().is_some_and(|set| {
            set.deployment.as_ref() == Some(&component.name) && set.config_maps.contains(config)
        })
    };
    cluster.config_check_seconds.is_some()
        && !component.stopped
        // A new server pod could not start either.
        && plan::block_reason(component, facts).is_none()
        && snapshot
            .get(Deployment::KIND, &key)
            .is_some_and(|deployment| runs(deployment) && !names(deployment))
        && !snapshot.of_kind(ReplicaSet::KIND).any(set_names)
}

fn is_ours(cluster: &Cluster, child: &Child) -> bool {
    child.controller.as_ref().is_some_and(|owner| owner.uid == cluster.uid())
}

/// One server that became ready is sufficient.
fn verdict(cluster: &Cluster, key: &Key, snapshot: &Snapshot) -> CheckVerdict {
    let job = snapshot.get(Job::KIND, key).filter(|job| is_ours(cluster, job) && !job.deleting);
    let Some(job) = job else { return CheckVerdict::Running };
    let of_job = |child: &&Arc<Child>| child.controller.as_ref().is_some_and(|owner| owner.uid == job.uid);
    let pods: Vec<&health::Pod> =
        snapshot.of_kind(Pod::KIND).filter(of_job).filter_map(|child| child.observed()).collect();
    match job.observed::<health::Job>().and_then(|job| job.end.as_ref()) {
        _ if pods.iter().any(|pod| pod.ready) => CheckVerdict::Good,
        Some(end) => CheckVerdict::Bad { message: failure_message(cluster, end, &pods) },
        None => CheckVerdict::Running,
    }
}

/// Returns the message of a failed check, with the server's own output if there is any.
fn failure_message(cluster: &Cluster, end: &health::JobEnd, pods: &[&health::Pod]) -> String {
    let last = |words: &dyn Fn(&health::Pod) -> Option<String>| pods.iter().rev().find_map(|pod| words(pod));
    let ended = |pod: &health::Pod| {
        let end = pod.terminated.as_ref()?;
        let words = end.words.text();
        let colon = if words.is_empty() { "" } else { ": " };
        Some(format!("exit code {} ({}){colon}{words}", end.exit_code, end.reason))
    };
    let waits =
        |pod: &health::Pod| pod.waiting.as_ref().map(|cause| format!("{}: {}", cause.reason, cause.message));
    let nowhere = |pod: &health::Pod| {
        pod.unschedulable.as_ref().map(|(message, _)| format!("Unschedulable: {message}"))
    };
    let cause = last(&ended).or_else(|| last(&waits)).or_else(|| last(&nowhere)).unwrap_or_else(|| {
        if end.succeeded {
            "it exited by itself with exit code 0".to_owned()
        } else {
            format!("{}: {}", end.cause.reason, end.cause.message)
        }
    });
    format!(
        "no server became ready with the new configuration within {} s: {cause}; the old pods keep serving",
        cluster.config_check_seconds.unwrap_or_default()
    )
}
