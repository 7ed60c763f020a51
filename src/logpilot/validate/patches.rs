//! Patches: which objects they may name, what they may not change, and whether a patched pod would still be admitted.

use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Map, Value};

use super::{Violations, exposure};
use crate::{
    api::{
        cluster::PodSecurity,
        patches::{ObjectPatch, PatchType},
    },
    engine::kind::Management,
    kinds::{self, Managed},
    logpilot::{
        config_check,
        facts::{Facts, RestoreJob},
        labels,
        model::Cluster,
        patches::{DIRECTIVE, lay_over, targets},
        plan, pod_security, restore, server_pod,
    },
};

/// As large as the overlay may be.
const BYTES: usize = 64 * 1024;

/// Kind (none: every kind), path, and what to do instead.
const PROTECTED: &[(Option<&str>, &[&str], &str)] = &[
    (None, &["apiVersion"], "says which object it is"),
    (None, &["kind"], "says which object it is"),
    (None, &["status"], "is written by Kubernetes"),
    (None, &["spec", "selector"], "is frozen: the objects that it selects would be lost"),
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
        "keeps two backups from pruning at once; it has to stay as it is",
    ),
    (Some("Service"), &["spec", "clusterIP"], "cannot be changed"),
    (Some("Service"), &["spec", "clusterIPs"], "cannot be changed"),
    (
        Some("Service"),
        &["spec", "externalIPs"],
        "lets a Service take the traffic of others; use `loadBalancer`",
    ),
    (Some("Service"), &["spec", "externalName"], "sends clients elsewhere"),
    (Some("HorizontalPodAutoscaler"), &["spec", "scaleTargetRef"], "is what the autoscaler is for"),
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
    (Some("NetworkPolicy"), &["spec", "podSelector"], "is frozen: the pods that it selects would be open"),
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

/// Where the metadata of pods and Jobs stands, beside an object's own.
fn templates(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "Deployment" | "Job" => &[&["spec", "template"]],
        "CronJob" => &[&["spec", "jobTemplate"], &["spec", "jobTemplate", "spec", "template"]],
        _ => &[],
    }
}

pub(super) fn check(cluster: &Cluster, violations: &mut Violations) {
    if cluster.patches.is_empty() {
        return;
    }
    // What is planned at times only counts too.
    let restore = restore::any(cluster).map_or(RestoreJob::None, RestoreJob::Planned);
    let facts = Facts { config_checks: config_check::all_pending(cluster), restore, ..Facts::default() };
    let mut plan = plan::generated(cluster, &facts);
    for (index, patch) in cluster.patches.iter().enumerate() {
        let at = format!("spec.patches[{index}]");
        if !named_well(patch, &at, violations) {
            continue;
        }
        let at = format!("{at}.patch");
        let before = violations.0.len();
        protected(patch, &at, violations);
        directives(patch, &at, violations);
        let target = plan.objects.iter_mut().find(|planned| targets(patch, planned));
        if let (Some(planned), true) = (target, violations.0.len() == before) {
            let old = planned.body.clone();
            lay_over(&mut planned.body, patch);
            pods(cluster, (&old, &planned.body), &at, violations);
            if planned.kind == Ingress::KIND {
                ingress((&old, &planned.body), &at, violations);
            }
        }
    }
}

fn named_well(patch: &ObjectPatch, at: &str, violations: &mut Violations) -> bool {
    let size = serde_json::to_vec(&patch.patch).map_or(0, |json| json.len());
    violations.require(
        size <= BYTES,
        format!("{at}.patch"),
        format!("has {size} bytes as JSON and must have at most {BYTES}"),
    );
    let mut generated: Vec<&str> = kinds::KINDS
        .iter()
        .filter(|kind| {
            matches!(
                kind.management,
                Management::Managed | Management::Retained | Management::RunToCompletion
            )
        })
        .map(|kind| kind.kind)
        .collect();
    generated.sort_unstable();
    let known = generated.contains(&patch.target.kind.as_str());
    violations.require(
        known,
        format!("{at}.target.kind"),
        format!("'{}' may not be patched; use one of {}", patch.target.kind, generated.join(", ")),
    );
    known && size <= BYTES
}

fn protected(patch: &ObjectPatch, at: &str, violations: &mut Violations) {
    let gone = |value: &Value| fields(value).is_none();
    if patch.patch.contains_key(DIRECTIVE) || patch.patch.get("spec").is_some_and(gone) {
        violations.add(format!("{at}.spec"), "may not be removed or replaced as a whole");
        return;
    }
    for template in templates(&patch.target.kind) {
        let below = template.iter().try_fold(&patch.patch, |below, step| below.get(*step).and_then(fields));
        let at = format!("{at}.{}", template.join("."));
        match below {
            Some(below) => metadata(below, &at, violations),
            None if mentions(&patch.patch, template) => {
                violations.add(at, "may not be removed or replaced as a whole");
                return;
            }
            None => {}
        }
    }
    for (kind, path, why) in PROTECTED {
        if kind.is_none_or(|kind| kind == patch.target.kind) && mentions(&patch.patch, path) {
            violations.add(format!("{at}.{}", path.join(".")), format!("may not be patched: it {why}"));
        }
    }
    metadata(&patch.patch, at, violations);
}

/// Labels and annotations that are not ours may change, and nothing else.
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
                    "may not be patched: only `labels` and `annotations` of metadata may",
                );
                continue;
            }
        };
        let Some(pairs) = fields(value) else {
            violations.add(format!("{at}.{name}"), "may not be removed or replaced: some are the operator's");
            continue;
        };
        for key in pairs.keys().filter(|key| reserved(key)) {
            violations.add(format!("{at}.{name}.{key}"), "may not be patched: it is the operator's");
        }
    }
}

/// The fields of an object that is merged; none where it is removed or replaced as a whole.
fn fields(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|fields| !fields.contains_key(DIRECTIVE))
}

/// Whether a patch changes what stands at `path`, by itself or with all that is around it.
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

/// A directive that nobody knows would be written to the object as a field.
fn directives(patch: &ObjectPatch, at: &str, violations: &mut Violations) {
    let strategic = patch.type_ == Some(PatchType::Strategic);
    for (path, how) in found_directives(&Value::Object(patch.patch.clone()), at) {
        if !strategic {
            violations.add(path, format!("'{DIRECTIVE}' means something with `type: Strategic` only"));
        } else if !matches!(how.as_str(), Some("delete" | "replace")) {
            violations.add(path, format!("'{DIRECTIVE}' must be 'delete' or 'replace'"));
        }
    }
}

fn found_directives(value: &Value, at: &str) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                let path = format!("{at}.{name}");
                if name == DIRECTIVE { vec![(path, field.clone())] } else { found_directives(field, &path) }
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| found_directives(item, &format!("{at}[{index}]")))
            .collect(),
        _ => Vec::new(),
    }
}

/// What a patch does to the pods that an object makes.
fn pods(cluster: &Cluster, (old, new): (&Value, &Value), at: &str, violations: &mut Violations) {
    for path in ["spec.template.spec", "spec.jobTemplate.spec.template.spec"] {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (Some(old), Some(new)) = (old.pointer(&pointer), new.pointer(&pointer)) else { continue };
        let at = format!("{at}.{path}");
        for (field, why) in server_pod::violations(cluster, old, new) {
            violations.add(format!("{at}.{field}"), why);
        }
        violations.require(
            !has_token(new),
            format!("{at}.automountServiceAccountToken"),
            "must stay false, and no volume may have a ServiceAccount's token: pods that the operator makes have none",
        );
        if cluster.namespace.pod_security != PodSecurity::Restricted {
            continue;
        }
        let known = pod_security::violations(old);
        for (field, why) in pod_security::violations(new) {
            let new = !known.iter().any(|(known, _)| *known == field);
            violations.require(
                !new,
                format!("{at}.{field}"),
                format!("{why} where `namespace.podSecurity` is Restricted: the pods would be refused; set that to Baseline or Privileged, or change the patch"),
            );
        }
    }
}

/// The policy in config/admission/operator_reach.yaml refuses such pods.
fn has_token(pod: &Value) -> bool {
    let list =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let projected = list(pod, "volumes")
        .iter()
        .filter_map(|volume| volume.get("projected"))
        .flat_map(|projected| list(projected, "sources"))
        .any(|source| source.get("serviceAccountToken").is_some());
    projected || pod.get("automountServiceAccountToken") != Some(&Value::Bool(false))
}

/// What a patch brings to an Ingress that its rules would refuse.
fn ingress((old, new): (&Value, &Value), at: &str, violations: &mut Violations) {
    let annotations = |body: &Value| body.pointer("/metadata/annotations").and_then(fields).cloned();
    let known = annotations(old).unwrap_or_default();
    for (key, value) in annotations(new).unwrap_or_default() {
        let added = known.get(&key) != Some(&value);
        let why = exposure::annotation(&key, value.as_str().unwrap_or_default()).filter(|_| added);
        if let Some(why) = why {
            violations.add(format!("{at}.metadata.annotations.{key}"), why);
        }
    }
    let mut texts = Vec::new();
    texts_of(new.pointer("/spec").unwrap_or(&Value::Null), &mut texts);
    violations.require(
        !texts.into_iter().any(exposure::ends_its_place),
        format!("{at}.spec"),
        "must have no text with spaces, quotes or any of {};#: it ends up in the ingress controller's configuration",
    );
}

fn texts_of<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
