//! Restarts and reruns requested by annotation on the stack: each new value replaces the pods of the
//! components that it names once. The changed template passes the gates, so that tiers restart in order.
//!
//! Removing an annotation must not trigger a restart, so the status records the last request of each
//! component as a hash: a value may have any length and content.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    api::{component::ComponentKind, status::ComponentStatus},
    model::{Stack, StackComponent},
};
use crate::{
    logpilot::restart::RESTART,
    workload::{model::Component, names::short_hash, scope::Scope},
};

/// Annotation on the stack: `<job>-<n>` runs a Job again.
pub const RERUN: &str = "logpilot.io/rerun";
/// Annotation of a pod template, in the operator's domain: the last request.
const REQUEST: &str = "restart";

/// Adds the last request to the pod template of each component.
pub fn stamp(stack: &mut Stack, annotations: &BTreeMap<String, String>, before: &[ComponentStatus]) {
    let restarted = annotations.get(RESTART).map(|value| (short_hash(value.as_bytes()), named(stack, value)));
    let rerun = annotations.get(RERUN).map(|value| value.trim());
    let rerun = rerun.and_then(|value| Some((short_hash(value.as_bytes()), job(value)?.to_owned())));
    let key = stack.scope.key(REQUEST);
    for component in stack.components.values_mut() {
        let Some(workload) = &mut component.workload else { continue };
        let asked = match component.kind {
            ComponentKind::Job => rerun.as_ref().filter(|(_, job)| *job == component.name).map(|it| &it.0),
            _ => restarted.as_ref().filter(|(_, names)| names.contains(&component.name)).map(|it| &it.0),
        };
        let remembered =
            before.iter().find(|it| it.name == component.name).and_then(|it| it.restart.as_ref());
        let request = asked.or(remembered).cloned();
        workload.pod_annotations.extend(request.map(|request| (key.clone(), request)));
    }
}

/// Returns the last request of a component, for its status.
#[must_use]
pub fn request(stack: &Stack, component: &StackComponent) -> Option<String> {
    requested(&stack.scope, component.workload.as_ref()?).cloned()
}

/// Returns the last request that the pod template of a component has.
#[must_use]
pub fn requested<'a>(scope: &Scope, workload: &'a Component) -> Option<&'a String> {
    workload.pod_annotations.get(&scope.key(REQUEST))
}

/// Returns the Job of a value `<job>-<number>`.
fn job(value: &str) -> Option<&str> {
    let (job, number) = value.rsplit_once('-')?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())).then_some(job)
}

/// Returns the components that a value names, each optionally followed by `-` and a text that makes the
/// value a new one. `all`, a time and an empty value mean all; an unknown name restarts nothing.
fn named(stack: &Stack, value: &str) -> BTreeSet<String> {
    let known = |name: &str| stack.components.get(name).map(|it| it.name.clone());
    let words = value.split([',', ' ']).filter(|word| !word.is_empty());
    let named: BTreeSet<String> =
        words.filter_map(|word| known(word).or_else(|| known(word.rsplit_once('-')?.0))).collect();
    let is_all = value.trim().is_empty()
        || value == "all"
        || value.starts_with("all-")
        || value.starts_with(|first: char| first.is_ascii_digit());
    if named.is_empty() && is_all { stack.components.keys().cloned().collect() } else { named }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::stack::{plan, resolve::resolve, tests::example};

    /// The requests of the ERP's components with these annotations.
    fn requests(annotations: &[(&str, &str)], before: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let before: Vec<ComponentStatus> = before
            .iter()
            .map(|(name, request)| ComponentStatus {
                name: name.clone(),
                restart: Some(request.clone()),
                ..ComponentStatus::default()
            })
            .collect();
        let mut stack = resolve(&example("erp")).unwrap();
        stamp(&mut stack, &annotations, &before);
        let of = |it: &StackComponent| Some((it.name.clone(), request(&stack, it)?));
        stack.components.values().filter_map(of).collect()
    }

    #[rstest]
    #[case::one("kafka", &["kafka"])]
    #[case::again("kafka-2", &["kafka"])]
    #[case::two("kafka, mysql", &["kafka", "mysql"])]
    #[case::a_name_with_a_dash("employee-service", &["employee-service"])]
    #[case::a_typing_error("kafka,mysqll", &["kafka"])]
    #[case::only_a_typing_error("notification", &[])]
    fn a_value_names_components(#[case] value: &str, #[case] names: &[&str]) {
        let found = requests(&[(RESTART, value)], &BTreeMap::new());
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), names);
    }

    #[rstest]
    fn a_value_for_all_restarts_all(#[values("", "2026-12-01", "all", "all-2")] value: &str) {
        assert_eq!(requests(&[(RESTART, value)], &BTreeMap::new()).len(), 8);
    }

    #[test]
    fn only_a_new_value_restarts() {
        let none = requests(&[], &BTreeMap::new());
        assert!(none.is_empty());
        let first = requests(&[(RESTART, "kafka")], &none);
        assert_eq!(requests(&[(RESTART, "kafka")], &first), first);
        assert_eq!(requests(&[], &first), first, "the annotation was removed");
        let second = requests(&[(RESTART, "kafka-2")], &first);
        assert_ne!(second["kafka"], first["kafka"]);
        let third = requests(&[(RESTART, "mysql")], &second);
        assert_eq!(third["kafka"], second["kafka"], "another component");
        assert_eq!(third.len(), 2);
    }

    #[test]
    fn a_job_runs_again_only_when_it_is_named() {
        let mut cr = example("erp");
        let job = serde_json::from_value(serde_json::json!({ "kind": "Job", "image": "a:1" })).unwrap();
        cr.spec.components.insert("db-migrate".to_owned(), job);
        let name = |annotation: &str, value: &str| {
            let mut stack = resolve(&cr).unwrap();
            stamp(&mut stack, &[(annotation.to_owned(), value.to_owned())].into(), &[]);
            let component = &stack.components["db-migrate"];
            plan::job_name(&stack, component, component.workload.as_ref().unwrap())
        };
        let before = name("other", "");
        assert_eq!(name(RESTART, ""), before, "a restart repeats no migration");
        assert_eq!(name(RERUN, "db-2"), before);
        assert_eq!(name(RERUN, "db-migrate"), before, "without a number");
        assert_eq!(name(RERUN, "db-migrate-abc"), before, "no number");
        assert_eq!(name(RERUN, "db-migrate-1 "), name(RERUN, "db-migrate-1"), "a space is no other request");
        assert_ne!(name(RERUN, "db-migrate-1"), before);
        assert_ne!(name(RERUN, "db-migrate-2"), name(RERUN, "db-migrate-1"));
    }
}
