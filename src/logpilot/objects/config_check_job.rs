//! A throw-away server that tries a changed configuration before a serving pod is touched. It is the component's own
//! pod without its data, its clients and its place beside the other pods.

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

/// For the pod to find a node, beside the time that the server has there.
const PLACING_SECONDS: i64 = 60;

/// None where nothing is to be tried.
#[must_use]
pub fn build(cluster: &Cluster, component: &Component, facts: &Facts) -> Option<Job> {
    facts.config_check(component).and_then(|_| job(cluster, component, facts))
}

/// What tries the configuration; None where that is off. It is named by all that it is made of: a Job cannot be changed,
/// and whatever corrects a failing one is another one.
#[must_use]
pub fn job(cluster: &Cluster, component: &Component, facts: &Facts) -> Option<Job> {
    let seconds = cluster.config_check_seconds?;
    let on_trial = server::on_trial(cluster, component, facts);
    let spec = spec(cluster, &on_trial, seconds);
    // Typed objects of string keys and numbers always serialise.
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
    // No clients have to leave before it stops.
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
                // The kubelet's own: the pod stays, and with it the exit code and the last words. At the Job's it goes.
                active_deadline_seconds: Some(seconds),
                containers,
                ..server
            }),
        },
        ..JobSpec::default()
    }
}

/// A drain says nothing about the configuration.
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
