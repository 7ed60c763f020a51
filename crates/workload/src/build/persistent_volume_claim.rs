//! The data volumes. They are kept when the resource is deleted, unless the resource owns them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};

use crate::{labels, metadata, model::Claim, scope::Scope};

#[must_use]
pub fn build(scope: &Scope, claim: &Claim) -> PersistentVolumeClaim {
    let mut all = labels::with(scope, &claim.labels);
    labels::protect(scope, &mut all);
    let mut metadata = metadata::unowned(scope, claim.name.clone(), all);
    metadata.namespace = Some(scope.namespace.clone());
    metadata::owned_or_kept(scope, &mut metadata, claim.owned);
    metadata::annotate(&mut metadata, claim.annotations.clone());
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![claim.access_mode.clone()]),
            storage_class_name: claim.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".into(), claim.size.clone())])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
