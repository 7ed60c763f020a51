//! Pods that share a volume have one user and group, whatever patches say: what one writes, the others could only read. Each
//! pod by itself may be right, so that all of them are judged once every patch is laid. Pure.

use serde_json::Value;

use super::{super::Violations, pods, told};
use crate::{
    api::patches::ObjectPatch, engine::plan::Plan, logpilot::patches::targets, workload::json::list,
};

/// Compares the pods of each claim after all patches, and names the last patch that made one differ.
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
            "must have the user and `fsGroup` of the other pods of claim '{claim}': what one writes, the others could only read; use `securityContext` of the component, which all of them follow"
        );
        let at = format!("spec.patches[{index}]");
        violations.0.push(told(patch, &at, &format!("{pod}.securityContext"), &why));
    }
}

/// The user that the first container runs as, and the group of the volumes.
fn identity(pod: &Value) -> [Option<i64>; 2] {
    let context = |value: &Value, field: &str| value.get("securityContext")?.get(field)?.as_i64();
    let own = list(pod, "containers").next().and_then(|container| context(container, "runAsUser"));
    [own.or_else(|| context(pod, "runAsUser")), context(pod, "fsGroup")]
}

fn claims(pod: &Value) -> impl Iterator<Item = &str> {
    list(pod, "volumes").filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
}
