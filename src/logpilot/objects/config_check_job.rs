//! A temporary server that checks a changed configuration before any serving pod changes. It is the
//! pod of the component without its data, its clients and its affinity to the other pods.

use k8s_openapi::{
    api::{
        batch::v1::{
            Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::{Container, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    logpilot::{
        facts::Facts,
        labels,
        model::{Cluster, Component},
        names,
        objects::server,
    },
    workload::{self, build::pod, metadata, names::short_hash},
};

/// Time for the pod to be scheduled, in addition to the time that the server has to become ready.
const PLACING_SECONDS: i64 = 60;

/// Returns `None` if there is nothing to check.
#[must_use]
pub fn build(cluster: &Cluster, component: &Component, facts: &Facts) -> Option<Job> {
    facts.config_check(component).and_then(|_| job(cluster, component, facts))
}

/// Returns the Job that checks the configuration, or `None` if the check is disabled. Its name is
/// the hash of its whole content: a Job cannot be changed, and every correction of a failing one is
/// a new Job.
#[must_use]
pub fn job(cluster: &Cluster, component: &Component, facts: &Facts) -> Option<Job> {
    let seconds = cluster.config_check_seconds?;
    let on_trial = server::on_trial(cluster, component, facts);
    let spec = spec(cluster, &on_trial, seconds);
    // Typed objects with string keys and numbers can always be serialised.
    let hash = short_hash(&serde_json::to_vec(&spec).unwrap_or_default());
    let name = format!("{}-{hash}", names::config_check(&cluster.scope.prefix, component.role.name));
    Some(Job {
        metadata: metadata::of_component(&cluster.scope, &on_trial, name),
        spec: Some(spec),
        ..Job::default()
    })
}

fn spec(cluster: &Cluster, on_trial: &workload::model::Component, seconds: i64) -> JobSpec {
    let server = pod::spec(&cluster.scope, on_trial);
    // No clients have to disconnect before it terminates.
    let containers = server.containers.into_iter().map(|it| Container { lifecycle: None, ..it }).collect();
    JobSpec {
        backoff_limit: Some(0),
        active_deadline_seconds: Some(seconds + PLACING_SECONDS),
        pod_failure_policy: Some(PodFailurePolicy { rules: vec![evicted()] }),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(labels::of_check_pod(cluster)),
                annotations: metadata::non_empty(on_trial.pod_annotations.clone()),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                restart_policy: Some("Never".into()),
                // The deadline of the kubelet keeps the pod, with its exit code and its termination
                // message. The deadline of the Job would delete the pod.
                active_deadline_seconds: Some(seconds),
                containers,
                ..server
            }),
        },
        ..JobSpec::default()
    }
}

/// A drain is no evidence about the configuration.
fn evicted() -> PodFailurePolicyRule {
    PodFailurePolicyRule {
        action: "Ignore".into(),
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".into(),
            status: Some("True".into()),
        }]),
        ..PodFailurePolicyRule::default()
    }
}
