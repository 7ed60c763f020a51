//! Validation of patches: which objects they may name, what they may not change, and whether a
//! patched object still meets the rules of the fields of the spec. Objects are checked as they
//! would be applied.

mod objects;
mod operations;
mod protected;

use serde_json::Value;

use super::{Violation, Violations};
use crate::{
    api::{cluster::PodSecurity, patches::ObjectPatch},
    engine::{kind::Management, plan::Plan},
    kinds,
    logpilot::{
        config_check,
        defaults::EXAMPLE_IMAGE,
        facts::{Facts, RestoreJob},
        model::Cluster,
        patches::{lay_over, targets},
        plan, restore, server_pod,
    },
    workload::api::{
        patches::PatchType,
        rules::components::{GRACE_PERIOD, LEAST_GRACE_SECONDS, PRIORITY_CLASS, SYSTEM_CLASSES},
    },
    workload::patch::{
        self, DIRECTIVE, Failure, Found,
        identity::{Differs, differing},
        new_ones,
        pods::{self, PodRules},
        protected::violations as mentioned,
        schemas,
    },
};

/// The maximum size of a patch, which is that of the overlay.
const BYTES: usize = 64 * 1024;

pub(super) fn check(cluster: &Cluster, violations: &mut Violations) {
    if cluster.patches.is_empty() {
        return;
    }
    // Kinds that are only sometimes planned count too.
    let restore = restore::any(cluster).map_or(RestoreJob::None, RestoreJob::Planned);
    let facts = Facts { config_checks: config_check::all_pending(cluster), restore, ..Facts::default() };
    let generated = plan::generated(cluster, &facts);
    let mut plan = generated.clone();
    for (index, patch) in cluster.patches.iter().enumerate() {
        let at = format!("spec.patches[{index}]");
        if !named_well(patch, &at, violations) {
            continue;
        }
        let before = violations.0.len();
        if patch.type_ == Some(PatchType::Json6902) {
            operations::protected(patch, &at, violations);
        } else {
            let found =
                mentioned(&patch.target.kind, &patch.patch, &format!("{at}.patch"), protected::PROTECTION);
            violations.0.extend(found.into_iter().map(|(path, message)| Violation { path, message }));
            directives(patch, &format!("{at}.patch"), violations);
        }
        let target = plan.objects.iter_mut().find(|planned| targets(patch, planned));
        if let (Some(planned), true) = (target, violations.0.len() == before) {
            let old = planned.body.clone();
            if let Err(Failure { operation, why }) = lay_over(&mut planned.body, patch) {
                violations.add(format!("{at}.operations[{operation}]"), why);
                continue;
            }
            let found = of_object(cluster, planned.kind.kind, &old, &planned.body);
            violations.0.extend(found.into_iter().map(|(field, why)| told(patch, &at, &field, &why)));
        }
    }
    if violations.0.is_empty() {
        identities(&cluster.patches, (&generated, &plan), violations);
    }
}

/// Returns a violation of the patched object. Operations have no such path, so the message contains
/// it.
fn told(patch: &ObjectPatch, at: &str, field: &str, why: &str) -> Violation {
    if patch.type_ == Some(PatchType::Json6902) {
        return Violation { path: format!("{at}.operations"), message: format!("`{field}` {why}") };
    }
    Violation { path: format!("{at}.patch.{field}"), message: why.to_owned() }
}

/// Returns everything that a patch adds to an object although the API server or a field of the spec
/// would reject it.
fn of_object(cluster: &Cluster, kind: &str, old: &Value, new: &Value) -> Found {
    let mut shape = new_ones(&schemas::faults(kind, old), schemas::faults(kind, new));
    let own = |old: &Value, new: &Value| server_pod::violations(cluster, old, new);
    let mut found = pods::violations(pod_rules(cluster), kind, (old, new), own);
    found.extend(objects::violations(kind, old, new));
    if !shape.is_empty() {
        // A value of the wrong type cannot be checked any further. If both checks report the same
        // field, the message of the rule is more helpful.
        let at = |found: &Found, path: &str| found.iter().any(|(other, _)| other == path);
        found.retain(|(path, _)| at(&shape, path));
        shape.retain(|(path, _)| !at(&found, path));
        found.extend(shape);
    }
    found
}

fn pod_rules(cluster: &Cluster) -> PodRules {
    PodRules {
        restricted: cluster.namespace.pod_security == PodSecurity::Restricted,
        one_node: cluster.components.iter().any(|component| component.co_scheduled),
        example_image: EXAMPLE_IMAGE,
        grace: (LEAST_GRACE_SECONDS, GRACE_PERIOD),
        no_class: (SYSTEM_CLASSES, PRIORITY_CLASS),
    }
}

/// Names the last patch that made the pods of a PVC differ.
fn identities(patches: &[ObjectPatch], (generated, plan): (&Plan, &Plan), violations: &mut Violations) {
    for Differs { object, pod, claim } in differing(generated, plan) {
        let last = patches.iter().enumerate().rev().find(|(_, patch)| targets(patch, object));
        let Some((index, patch)) = last else { continue };
        let why = format!(
            "must have the same user and `fsGroup` as the other pods of PVC '{claim}', which could otherwise only read each other's files; use `securityContext` of the component, which applies to all of them"
        );
        let at = format!("spec.patches[{index}]");
        violations.0.push(told(patch, &at, &format!("{pod}.securityContext"), &why));
    }
}

fn named_well(patch: &ObjectPatch, at: &str, violations: &mut Violations) -> bool {
    let (field, json) = match &patch.operations {
        Some(operations) => ("operations", serde_json::to_vec(operations)),
        None => ("patch", serde_json::to_vec(&patch.patch)),
    };
    let size = json.map_or(0, |json| json.len());
    violations.require(
        size <= BYTES,
        format!("{at}.{field}"),
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

/// An unknown directive would be written to the object as a field.
fn directives(patch: &ObjectPatch, at: &str, violations: &mut Violations) {
    let strategic = patch.type_ == Some(PatchType::Strategic);
    for (path, how) in patch::directives(&Value::Object(patch.patch.clone()), at) {
        if !strategic {
            violations.add(path, format!("'{DIRECTIVE}' has an effect only with `type: Strategic`"));
        } else if !matches!(how.as_str(), Some("delete" | "replace")) {
            violations.add(path, format!("'{DIRECTIVE}' must be 'delete' or 'replace'"));
        }
    }
}
