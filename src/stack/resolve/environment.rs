//! Environment variables of a component.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMapEnvSource, EnvFromSource, EnvVar, SecretEnvSource};

use super::texts::{HIDDEN, Texts};
use crate::{
    stack::{api::component::EnvFrom, references::variables},
    workload::StringMap,
    workload::resolve::Violations,
};

/// Variables in an order in which each one that another expands is defined before it: Kubernetes expands
/// in order.
pub fn resolve(
    given: &StringMap,
    texts: &mut Texts<'_>,
    path: &str,
    violations: &mut Violations,
) -> Vec<EnvVar> {
    for name in given.keys() {
        violations.require(
            !name.is_empty()
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && name.chars().all(|it| it.is_ascii_alphanumeric() || "-._".contains(it)),
            format!("{path}.{name}"),
            "is no name of a variable: letters, digits, '-', '_' and '.', not starting with a digit",
        );
        violations.require(
            !name.starts_with(HIDDEN),
            format!("{path}.{name}"),
            format!("may not start with '{HIDDEN}', which the operator uses"),
        );
    }
    let mut all: BTreeMap<&str, EnvVar> = BTreeMap::new();
    for (name, text) in given {
        all.insert(name, texts.variable(name, text, &format!("{path}.{name}"), violations));
    }
    match ordered(&all) {
        Ok(ordered) => ordered,
        Err(cycle) => {
            violations.add(path, format!("variables expand each other in a circle: {}", cycle.join(" → ")));
            Vec::new()
        }
    }
}

fn ordered(all: &BTreeMap<&str, EnvVar>) -> Result<Vec<EnvVar>, Vec<String>> {
    let expands = |variable: &EnvVar| -> Vec<String> {
        let text = variable.value.as_deref().unwrap_or_default();
        variables(text).into_iter().filter(|name| all.contains_key(name)).map(str::to_owned).collect()
    };
    let (mut done, mut order) = (BTreeSet::new(), Vec::new());
    for name in all.keys() {
        visit(name, all, &expands, (&mut done, &mut order), &mut Vec::new())?;
    }
    Ok(order)
}

fn visit(
    name: &str,
    all: &BTreeMap<&str, EnvVar>,
    expands: &impl Fn(&EnvVar) -> Vec<String>,
    (done, order): (&mut BTreeSet<String>, &mut Vec<EnvVar>),
    path: &mut Vec<String>,
) -> Result<(), Vec<String>> {
    if done.contains(name) {
        return Ok(());
    }
    if path.iter().any(|seen| seen == name) {
        let mut cycle: Vec<String> = path.iter().skip_while(|seen| *seen != name).cloned().collect();
        cycle.push(name.to_owned());
        return Err(cycle);
    }
    let Some(variable) = all.get(name) else { return Ok(()) };
    path.push(name.to_owned());
    // A variable that names itself means one of `envFrom`.
    for other in expands(variable).into_iter().filter(|other| other != name) {
        visit(&other, all, expands, (done, order), path)?;
    }
    path.pop();
    done.insert(name.to_owned());
    order.push(variable.clone());
    Ok(())
}

pub fn sources(given: &[EnvFrom]) -> Vec<EnvFromSource> {
    let source = |it: &EnvFrom| EnvFromSource {
        prefix: it.prefix.clone(),
        secret_ref: it
            .secret
            .clone()
            .map(|name| SecretEnvSource { name, optional: it.optional.filter(|optional| *optional) }),
        config_map_ref: it
            .config_map
            .clone()
            .map(|name| ConfigMapEnvSource { name, optional: it.optional.filter(|optional| *optional) }),
    };
    given.iter().map(source).collect()
}
