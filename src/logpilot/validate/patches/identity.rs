//! Validation of user and group after patches: pods that share a volume must have the same ones,
//! because otherwise they could only read each other's files. Each pod can be valid by itself, so
//! all pods are checked after all patches are applied. Pure.

use serde_json::Value;

use super::{super::Violations, pods, told};
use crate::{
    api::patches::ObjectPatch,
    engine::plan::Plan,
    logpilot::{json::list, patches::targets},
};

/// Compares the pods of each PVC after all patches, and names the last patch that made one differ.
pub(super) fn check(patches: &[ObjectPatch], (generated, plan): (&Plan, &Plan), violations: &mut Violations) {
    let pods: Vec<(&'static str, &Value)> =
        plan.objects.iter().filter_map(|planned| pods::of(&planned.body)).collect();
    for (before, after) in generated.objects.iter().zip(&plan.objects) {
        let (Some((_, old)), Some((pod, new))) = (pods::of(&before.body), pods::of(&after.body)) else {
            continue;
        };
        if identity(old) == identity(new) {
            continue;
        }
        let differs = |other: &Value| identity(other) != identity(new);
        let shared = claims(new).find(|claim| {
            pods.iter().any(|(_, other)| differs(other) && claims(other).any(|other| other == *claim))
        });
        let last = patches.iter().enumerate().rev().find(|(_, patch)| targets(patch, after));
        let (Some(claim), Some((index, patch))) = (shared, last) else { continue };
        let why = format!(
            "must have the same user and `fsGroup` as the other pods of PVC '{claim}', which could otherwise only read each other's files; use `securityContext` of the component, which applies to all of them"
        );
        let at = format!("spec.patches[{index}]");
        violations.0.push(told(patch, &at, &format!("{pod}.securityContext"), &why));
    }
}

/// Returns the user that the first container runs as, and the group of the volumes.
fn identity(pod: &Value) -> [Option<i64>; 2] {
    let context = |value: &Value, field: &str| value.get("securityContext")?.get(field)?.as_i64();
    let own = list(pod, "containers").next().and_then(|container| context(container, "runAsUser"));
    [own.or_else(|| context(pod, "runAsUser")), context(pod, "fsGroup")]
}

fn claims(pod: &Value) -> impl Iterator<Item = &str> {
    list(pod, "volumes").filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
}
