//! The pods of one component.

use engine::plan::Replicas;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};

use super::pod;
use crate::{
    labels, metadata,
    model::{Component, Rollout, Scale},
    names,
    scope::Scope,
};

/// The observed replicas of a component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedReplicas {
    /// True if another client runs more pods than the storage allows. The number is then reverted.
    pub enforced: bool,
    /// True if an autoscaler of another owner sets the number.
    pub autoscaled_by_others: bool,
    /// The last observed number, for a Deployment that has to be recreated under an autoscaler.
    pub last: Option<i32>,
}

#[must_use]
pub fn build(scope: &Scope, component: &Component, observed: ObservedReplicas) -> Deployment {
    let mut metadata = metadata::of_component(scope, component, component.name.clone());
    if let Some(version) = version(component) {
        metadata.labels.get_or_insert_default().insert(labels::VERSION.into(), version);
    }
    // The number of an autoscaler of the operator may be written back, and the autoscaler continues
    // from there.
    let replicas = match component.scale {
        // Without the mark the operator owns the number again: an autoscaler ignores a workload with
        // zero replicas.
        _ if component.stopped => Some(0),
        Scale::Fixed(replicas) => Some(replicas),
        Scale::Autoscaled(_) => {
            metadata::annotate(&mut metadata, [scope.handed_over.clone()]);
            observed.enforced.then(|| component.scale.most())
        }
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas,
            selector: labels::pod_selector(component),
            strategy: Some(strategy(&component.rollout)),
            // The API server does not store zero here.
            min_ready_seconds: component.min_ready_seconds.filter(|seconds| *seconds > 0),
            progress_deadline_seconds: component.progress_deadline_seconds,
            revision_history_limit: component.revision_history_limit,
            template: pod::template(scope, component),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Returns who sets the number of pods. A workload that has to be recreated under an autoscaler starts
/// with its last observed number. Otherwise it would drop to its minimum after it was scaled up. The
/// same applies to a workload that was stopped.
#[must_use]
pub fn replicas(component: &Component, observed: ObservedReplicas) -> Replicas {
    match &component.scale {
        _ if component.stopped => Replicas::Planned,
        _ if observed.enforced => Replicas::Enforced,
        Scale::Fixed(_) if observed.autoscaled_by_others => Replicas::AutoscaledByOthers,
        Scale::Fixed(_) => Replicas::Planned,
        Scale::Autoscaled(scaler) => Replicas::Autoscaled {
            initial: observed.last.map_or(scaler.min, |last| last.clamp(scaler.min, scaler.max)),
        },
    }
}

/// Returns `None` if the image has only a digest, or if its tag is not a valid label value.
fn version(component: &Component) -> Option<String> {
    component.image.tag.clone().filter(|tag| names::is_label_value(tag))
}

fn strategy(rollout: &Rollout) -> DeploymentStrategy {
    match rollout {
        Rollout::Recreate => DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None },
        Rollout::RollingUpdate { max_surge, max_unavailable } => DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(max_surge.clone()),
                max_unavailable: Some(max_unavailable.clone()),
            }),
        },
    }
}
