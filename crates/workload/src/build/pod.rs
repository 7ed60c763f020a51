//! A component's pod template, without its main container.

use k8s_openapi::{
    api::core::v1::{
        EmptyDirVolumeSource, LocalObjectReference, PersistentVolumeClaimVolumeSource, PodSecurityContext,
        PodSpec, PodTemplateSpec, SeccompProfile, Volume,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::{
    affinity::{self, non_empty},
    container, disk,
};
use crate::{
    labels, metadata,
    model::{Component, Identity},
    scope::Scope,
};

#[must_use]
pub fn template(scope: &Scope, component: &Component) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::of_pod(scope, component)),
            annotations: metadata::non_empty(component.pod_annotations.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            affinity: affinity::build(scope, component),
            topology_spread_constraints: affinity::spread(component),
            ..spec(scope, component)
        }),
    }
}

/// Returns the parts of the pod spec that do not depend on placement.
#[must_use]
pub fn spec(scope: &Scope, component: &Component) -> PodSpec {
    let pod = PodSpec {
        service_account_name: Some(scope.prefix.service_account()),
        automount_service_account_token: Some(false),
        // Service links would set variables such as NAME_GRPC_PORT=tcp://…, which a program may read as
        // its own settings.
        enable_service_links: Some(false),
        image_pull_secrets: pull_secrets(scope),
        security_context: Some(security_context(&component.identity)),
        termination_grace_period_seconds: Some(component.grace_period_seconds),
        priority_class_name: component.priority_class_name.clone(),
        node_selector: metadata::non_empty(component.node_selector.clone()),
        tolerations: non_empty(component.tolerations.clone()),
        containers: vec![container::build(scope, component)],
        volumes: non_empty(component.volumes.clone()),
        ..PodSpec::default()
    };
    disk::stated(&scope.limits, pod)
}

#[must_use]
pub fn pull_secrets(scope: &Scope) -> Option<Vec<LocalObjectReference>> {
    non_empty(scope.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect())
}

/// Security context for the `restricted` Pod Security Standard, with a group that may write to the data
/// volume.
#[must_use]
pub fn security_context(identity: &Identity) -> PodSecurityContext {
    PodSecurityContext {
        // Running as root was requested, in a namespace that does not enforce this standard.
        run_as_non_root: (identity.user != Some(0)).then_some(true),
        run_as_user: identity.user,
        run_as_group: identity.group,
        fs_group: identity.fs_group,
        supplemental_groups: non_empty(identity.supplemental_groups.clone()),
        // Changing the owner of every file at each start takes minutes on a large volume.
        fs_group_change_policy: Some("OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// A volume from a PVC.
#[must_use]
pub fn claim(volume: &str, claim: &str) -> Volume {
    Volume {
        name: volume.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.into(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// A volume that is deleted with its pod. Without a size limit, a stray file can fill the node's disk.
#[must_use]
pub fn scratch(volume: &str, size: Option<&str>) -> Volume {
    Volume {
        name: volume.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: size.map(|size| Quantity(size.into())),
            medium: None,
        }),
        ..Volume::default()
    }
}
