//! Objects of one stack that would have the same name: each would overwrite the other.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::Value;

use crate::{
    kinds::Managed,
    stack::{api::ServiceStack, facts::Facts, model::Stack, plan},
    workload::{labels, resolve::Violations},
};

/// Compares the names of all objects that the plan of the stack has. The plan itself is the source, so
/// that an object that a builder adds later is compared too.
pub fn check(cr: &ServiceStack, stack: &Stack, violations: &mut Violations) {
    let mut seen: BTreeMap<(&str, String), String> = BTreeMap::new();
    let mut require_unique = |kind: &'static str, name: String, path: String| {
        let Some(first) = seen.get(&(kind, name.clone())) else {
            seen.insert((kind, name), path);
            return;
        };
        violations.add(
            path,
            format!("needs the {kind} '{name}', which belongs to `{first}` already; rename one of the two"),
        );
    };
    for (path, name) in claims(cr, stack) {
        require_unique(PersistentVolumeClaim::KIND.kind, name, path);
    }
    for object in plan::plan(stack, &Facts::default()).objects {
        if object.kind == PersistentVolumeClaim::KIND {
            continue;
        }
        let labels = object.body.pointer("/metadata/labels");
        let component = labels.and_then(|labels| labels.get(labels::COMPONENT)).and_then(Value::as_str);
        let path = component.map_or_else(|| "spec".to_owned(), |name| field(stack, name));
        require_unique(object.kind.kind, object.key.name, path);
    }
}

/// Returns the field that a component comes from.
fn field(stack: &Stack, component: &str) -> String {
    let bundled = stack.components.get(component).and_then(|component| component.bundled);
    bundled.map_or_else(|| format!("spec.components.{component}"), str::to_owned)
}

/// Returns the field and the name of every PVC.
fn claims(cr: &ServiceStack, stack: &Stack) -> Vec<(String, String)> {
    let shared = cr.spec.volumes.keys().map(|entry| format!("spec.volumes.{entry}")).zip(&stack.volumes);
    let own = cr.spec.components.iter().flat_map(|(name, given)| {
        let sized = given.volumes.iter().filter(|(_, volume)| volume.size.is_some());
        let paths = sized.map(move |(volume, _)| format!("{}.volumes.{volume}", field(stack, name)));
        paths.zip(stack.components.get(name).into_iter().flat_map(|component| &component.claims))
    });
    shared.chain(own).map(|(path, claim)| (path, claim.name.clone())).collect()
}
