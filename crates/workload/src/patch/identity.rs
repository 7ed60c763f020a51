//! Validation of user and group after patches: pods that share a volume must have the same ones,
//! because otherwise they could only read each other's files. Each pod can be valid by itself, so
//! all pods are checked after all patches are applied. Pure.

use engine::plan::{Plan, Planned};
use serde_json::Value;

use super::pods;
use crate::json::list;

/// A patched object whose pods differ from others with the same PVC.
pub struct Differs<'a> {
    pub object: &'a Planned,
    /// Where its pod stands.
    pub pod: &'static str,
    pub claim: &'a str,
}

/// Compares the pods of each PVC after all patches.
pub fn differing<'a>(generated: &'a Plan, plan: &'a Plan) -> impl Iterator<Item = Differs<'a>> {
    let pods: Vec<(&'static str, &Value)> =
        plan.objects.iter().filter_map(|planned| pods::of(&planned.body)).collect();
    generated.objects.iter().zip(&plan.objects).filter_map(move |(before, object)| {
        let ((_, old), (pod, new)) = (pods::of(&before.body)?, pods::of(&object.body)?);
        if identity(old) == identity(new) {
            return None;
        }
        let differs = |other: &Value| identity(other) != identity(new);
        let claim = claims(new).find(|claim| {
            pods.iter().any(|(_, other)| differs(other) && claims(other).any(|other| other == *claim))
        })?;
        Some(Differs { object, pod, claim })
    })
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
