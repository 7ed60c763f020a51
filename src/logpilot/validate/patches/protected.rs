//! Paths that no patch may change: what the operator depends on, and what a field of the spec
//! controls.

use serde_json::{Map, Value};

use super::super::Violations;
use crate::logpilot::{labels, patches::DIRECTIVE};

/// Kind (`None`: all kinds), path, and what to do instead.
const PROTECTED: &[(Option<&str>, &[&str], &str)] = &[
    (None, &["apiVersion"], "identifies the object"),
    (None, &["kind"], "identifies the object"),
    (None, &["status"], "is written by Kubernetes"),
    (None, &["spec", "selector"], "is immutable: the operator would lose the objects that it selects"),
    (
        Some("Deployment"),
        &["spec", "replicas"],
        "is checked against the storage; use `replicas` or `autoscaling` of the component",
    ),
    (
        Some("Deployment"),
        &["spec", "strategy"],
        "is checked against the storage; use `strategy` of the component",
    ),
    (
        Some("Deployment"),
        &["spec", "template", "spec", "affinity", "podAffinity"],
        "keeps pods that share a volume on one node; use `nodeSelector` or node affinity",
    ),
    (
        Some("Service"),
        &["spec", "type"],
        "has fields of its own; use `loadBalancer` or `nodePort` of the component",
    ),
    (Some("CronJob"), &["spec", "schedule"], "decides which backups are kept; use `backup.schedule`"),
    (Some("CronJob"), &["spec", "timeZone"], "has a field of its own; use `backup.timeZone`"),
    (Some("CronJob"), &["spec", "suspend"], "has a field of its own; use `backup.suspend`"),
    (
        Some("CronJob"),
        &["spec", "concurrencyPolicy"],
        "prevents two backups from pruning at the same time and must not change",
    ),
    (Some("Service"), &["spec", "clusterIP"], "cannot be changed"),
    (Some("Service"), &["spec", "clusterIPs"], "cannot be changed"),
    (
        Some("Service"),
        &["spec", "externalIPs"],
        "allows a Service to receive traffic of other addresses; use `loadBalancer`",
    ),
    (Some("Service"), &["spec", "externalName"], "redirects clients to another host"),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "scaleTargetRef"],
        "identifies the Deployment that the autoscaler scales",
    ),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "minReplicas"],
        "has a field of its own; use `autoscaling.minReplicas`",
    ),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "maxReplicas"],
        "is checked against the storage; use `autoscaling.maxReplicas`",
    ),
    (
        Some("NetworkPolicy"),
        &["spec", "podSelector"],
        "is immutable: the pods that it selects would lose their protection",
    ),
    (
        Some("NetworkPolicy"),
        &["spec", "policyTypes"],
        "decides whether the policy applies at all; use `networkPolicy.enabled`",
    ),
    (
        Some("PodDisruptionBudget"),
        &["spec", "minAvailable"],
        "decides whether nodes can be drained; use `podDisruptionBudget.minAvailable` of the component",
    ),
    (
        Some("PodDisruptionBudget"),
        &["spec", "maxUnavailable"],
        "decides whether nodes can be drained; use `podDisruptionBudget.maxUnavailable` of the component",
    ),
    (
        Some("Service"),
        &["spec", "loadBalancerSourceRanges"],
        "decides who may connect; use `loadBalancer.sourceRanges` of the component",
    ),
    (
        Some("Service"),
        &["spec", "loadBalancerClass"],
        "cannot be changed; use `loadBalancer.class` of the component",
    ),
    (
        Some("HTTPRoute"),
        &["spec", "hostnames"],
        "is compared with the routes of other resources; use `exposure.gateway.rules`",
    ),
    (
        Some("GRPCRoute"),
        &["spec", "hostnames"],
        "is compared with the routes of other resources; use `exposure.gateway.rules`",
    ),
    (
        Some("LimitRange"),
        &["spec", "limits"],
        "determines which resources pods must set; use `limits.defaults`",
    ),
    (
        Some("ResourceQuota"),
        &["spec", "hard"],
        "determines which resources pods must set; use `limits.quota`",
    ),
    (Some("Job"), &["spec", "parallelism"], "must not change, because only one pod may access the data"),
    (Some("Job"), &["spec", "completions"], "must not change, because the work is done once"),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "parallelism"],
        "must not change, because only one pod may access the backups",
    ),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "completions"],
        "must not change, because the work is done once",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "accessModes"],
        "cannot be changed; use `storage.volume.accessMode`",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "resources"],
        "has a field of its own; use `storage.volume.size`",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "storageClassName"],
        "cannot be changed; use `storage.volume.storageClassName`",
    ),
    (Some("PersistentVolumeClaim"), &["spec", "volumeMode"], "cannot be changed"),
    (Some("ConfigMap"), &["data"], "is named by its hash; use `config.overlay`"),
    (Some("ConfigMap"), &["binaryData"], "is named by its hash; use `config.overlay`"),
    (Some("ConfigMap"), &["immutable"], "is named by its hash; use `config.overlay`"),
];

/// The paths of the metadata of pods and Jobs, in addition to that of the object.
fn templates(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "Deployment" | "Job" => &[&["spec", "template"]],
        "CronJob" => &[&["spec", "jobTemplate"], &["spec", "jobTemplate", "spec", "template"]],
        _ => &[],
    }
}

/// Checks the paths of a patch. `changes`: the patched fields of an object of this kind. A leaf
/// that is not a mapping stands for the whole field.
pub(super) fn check(kind: &str, changes: &Map<String, Value>, at: &str, violations: &mut Violations) {
    let gone = |value: &Value| fields(value).is_none();
    if changes.contains_key(DIRECTIVE) || changes.get("spec").is_some_and(gone) {
        violations.add(format!("{at}.spec"), "may not be removed or replaced as a whole");
        return;
    }
    for template in templates(kind) {
        let below = template.iter().try_fold(changes, |below, step| below.get(*step).and_then(fields));
        let at = format!("{at}.{}", template.join("."));
        match below {
            Some(below) => metadata(below, &at, violations),
            None if mentions(changes, template) => {
                violations.add(at, "may not be removed or replaced as a whole");
                return;
            }
            None => {}
        }
    }
    for (of, path, why) in PROTECTED {
        if of.is_none_or(|of| of == kind) && mentions(changes, path) {
            violations.add(format!("{at}.{}", path.join(".")), format!("may not be patched: it {why}"));
        }
    }
    metadata(changes, at, violations);
}

/// Only labels and annotations that do not belong to the operator may change.
fn metadata(object: &Map<String, Value>, at: &str, violations: &mut Violations) {
    let Some(given) = object.get("metadata") else { return };
    let at = format!("{at}.metadata");
    let Some(given) = fields(given) else {
        violations.add(at, "may not be removed or replaced");
        return;
    };
    for (name, value) in given {
        let reserved: fn(&str) -> bool = match name.as_str() {
            "labels" => |key| labels::is_reserved(key) || key.starts_with("pod-security.kubernetes.io/"),
            "annotations" => |key| key.starts_with("logpilot.io/") || key.starts_with("argocd.argoproj.io/"),
            _ => {
                violations.add(
                    format!("{at}.{name}"),
                    "may not be patched: only `labels` and `annotations` of the metadata may be patched",
                );
                continue;
            }
        };
        let Some(pairs) = fields(value) else {
            violations.add(
                format!("{at}.{name}"),
                "may not be removed or replaced: some of them belong to the operator",
            );
            continue;
        };
        for key in pairs.keys().filter(|key| reserved(key)) {
            violations.add(format!("{at}.{name}.{key}"), "may not be patched: it belongs to the operator");
        }
    }
}

/// Returns the fields of an object that is merged. There are none if it is removed or replaced as a
/// whole.
fn fields(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|fields| !fields.contains_key(DIRECTIVE))
}

/// Returns `true` if a patch changes the value at `path`, by itself or with its parents.
fn mentions(changes: &Map<String, Value>, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    if changes.contains_key(DIRECTIVE) {
        return true;
    }
    match changes.get(*first) {
        None => false,
        Some(Value::Object(below)) => mentions(below, rest),
        Some(_) => true,
    }
}
