//! The servers of one component.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};

use crate::{
    engine::{child::HANDED_OVER, plan::Replicas},
    logpilot::{
        facts::Facts,
        model::{Cluster, Component, Rollout, Scale},
    },
    workload::{build::pod, labels, metadata, names},
};

#[must_use]
pub fn build(cluster: &Cluster, component: &Component, facts: &Facts) -> Deployment {
    let mut metadata = metadata::of_component(cluster, component, component.name.clone());
    if let Some(version) = version(component) {
        metadata.labels.get_or_insert_default().insert(labels::VERSION.into(), version);
    }
    // An autoscaler of ours lets its number be written back, and goes on from there.
    let enforced = facts.is_enforced(component);
    let replicas = match component.scale {
        // Unmarked, so that the number is ours again: an autoscaler lets a workload of zero alone.
        _ if component.stopped => Some(0),
        Scale::Fixed(replicas) => Some(replicas),
        Scale::Autoscaled(_) => {
            metadata::annotate(&mut metadata, [(HANDED_OVER.0.into(), HANDED_OVER.1.into())]);
            enforced.then(|| component.scale.most())
        }
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas,
            selector: labels::pod_selector(component),
            strategy: Some(strategy(&component.rollout)),
            // The API server stores no zero here.
            min_ready_seconds: component.min_ready_seconds.filter(|seconds| *seconds > 0),
            progress_deadline_seconds: component.progress_deadline_seconds,
            revision_history_limit: component.revision_history_limit,
            template: pod::template(cluster, component, facts),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Who decides the number of pods. A workload that has to be made again under an autoscaler starts where
/// it was last seen, or a scaled-up one would drop to its minimum; so does one that was stopped.
#[must_use]
pub fn replicas(component: &Component, facts: &Facts) -> Replicas {
    match &component.scale {
        _ if component.stopped => Replicas::Planned,
        _ if facts.is_enforced(component) => Replicas::Enforced,
        Scale::Fixed(_) if facts.autoscaled_by_others.contains(&component.name) => {
            Replicas::AutoscaledByOthers
        }
        Scale::Fixed(_) => Replicas::Planned,
        Scale::Autoscaled(scaler) => Replicas::Autoscaled {
            initial: facts
                .last_replicas
                .get(&component.name)
                .map_or(scaler.min, |last| (*last).clamp(scaler.min, scaler.max)),
        },
    }
}

/// None where the image is named by digest alone, or its tag is no label value.
fn version(component: &Component) -> Option<String> {
    component.image.tag.clone().filter(|tag| names::is_label_value(tag))
}

fn strategy(rollout: &Rollout) -> DeploymentStrategy {
    match rollout {
        Rollout::Recreate => DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None },
        Rollout::RollingUpdate { max_surge, max_unavailable } => DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(max_surge.into()),
                max_unavailable: Some(max_unavailable.into()),
            }),
        },
    }
}
