//! Applies the user's patches to the planned objects. Pure; `validate::patches` checks them before. No
//! client here.

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value;

use super::{
    model::{Cluster, Component},
    problems::problem,
};
use crate::{
    api::{
        patches::{ObjectPatch, PatchTarget},
        status::{Problem, Severity},
    },
    engine::plan::{Plan, Planned},
    kinds::Managed,
    logpilot::names as own,
    reasons,
    workload::{
        api::patches::PatchType,
        patch::{self, Failure},
    },
};

/// Returns the plan with every patch applied to its object, in the specified order.
#[must_use]
pub fn apply(cluster: &Cluster, mut plan: Plan) -> Plan {
    for patch in &cluster.patches {
        if let Some(planned) = plan.objects.iter_mut().find(|planned| targets(patch, planned)) {
            // `validate` has already rejected a patch that fails.
            let _ = lay_over(&mut planned.body, patch);
        }
    }
    plan
}

/// Reports patches whose object is not planned. Kind and name are never ambiguous: names of one kind
/// differ in every namespace.
#[must_use]
pub fn unmatched(cluster: &Cluster, plan: &Plan) -> Vec<Problem> {
    let idle = |patch: &&ObjectPatch| {
        !plan.objects.iter().any(|planned| targets(patch, planned)) && !transient(cluster, &patch.target)
    };
    let told = |patch: &ObjectPatch| {
        let target = &patch.target;
        let near: Vec<&str> = plan
            .objects
            .iter()
            .filter(|planned| planned.kind.kind == target.kind)
            .map(|planned| planned.key.name.as_str())
            .collect();
        let near = match near.as_slice() {
            [] => format!("the operator generates no {}", target.kind),
            near => format!("the operator generates {}", near.join(", ")),
        };
        problem(
            Severity::Warning,
            reasons::PATCH_UNMATCHED,
            format!("{} {}", target.kind, target.name),
            format!("the patch for {} '{}' has no effect: {near}", target.kind, target.name),
        )
    };
    cluster.patches.iter().filter(idle).map(told).collect()
}

/// Whether a patch is for this object.
#[must_use]
pub fn targets(patch: &ObjectPatch, planned: &Planned) -> bool {
    patch::targets((&patch.target.kind, &patch.target.name), planned)
}

/// Returns whether a target is planned only at times, so that a patch of it may match nothing.
fn transient(cluster: &Cluster, target: &PatchTarget) -> bool {
    let checks = cluster.config_check_seconds.is_some();
    let check =
        |component: &Component| own::config_check(&cluster.scope.prefix, component.role.name) == target.name;
    let restore = cluster.backup.is_some() && own::restore(&cluster.scope.prefix) == target.name;
    target.kind == Job::KIND.kind && (restore || checks && cluster.components.iter().any(check))
}

/// Applies one patch to a body.
///
/// # Errors
/// The operation that failed; the body is then unchanged.
pub fn lay_over(body: &mut Value, patch: &ObjectPatch) -> Result<(), Failure> {
    match patch.type_.unwrap_or_default() {
        PatchType::Merge => patch::merge(body, &patch.patch, false),
        PatchType::Strategic => patch::merge(body, &patch.patch, true),
        PatchType::Json6902 => {
            let operations = patch.operations.iter().flatten().map(serde_json::to_value);
            // One that is none is incomplete, and fails as that.
            let operations: Vec<_> = operations.map(Result::unwrap_or_default).collect();
            return patch::operate(body, &operations);
        }
    }
    Ok(())
}
