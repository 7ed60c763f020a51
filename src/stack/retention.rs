//! Objects that are not planned and stay nevertheless.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};

use super::{
    api::component::ComponentKind,
    facts::Facts,
    gates::{Gate, Observed},
    model::Stack,
    observe, plan,
};
use crate::{
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    logpilot::config_retention,
};

/// Returns whether an object that is not planned stays: a ConfigMap that pods or a rollback use, and a
/// completed Job that a view without it took for deleted. It has the log of what it did.
pub fn keeper(snapshot: &Snapshot, facts: &Facts) -> impl Fn(&Child) -> bool {
    let in_use = config_retention::configs(snapshot);
    let mounted = observe::config_maps(snapshot);
    move |child| {
        in_use.keeps(child)
            || child.kind == ConfigMap::KIND && mounted.contains(&child.key.name)
            || child.kind == Job::KIND && facts.completed.contains(&child.key.name)
    }
}

/// Jobs that completed and are not planned: those that were deleted since, and all while the stack is
/// stopped.
#[must_use]
pub fn completed(
    stack: &Stack,
    gates: &BTreeMap<String, Gate>,
    observed: &BTreeMap<String, Observed>,
) -> BTreeSet<String> {
    let jobs = stack.running().filter(|(component, _)| component.kind == ComponentKind::Job);
    let done = jobs.filter_map(|(component, workload)| {
        let reached = gates.get(&component.name)?.reached.clone()?;
        let hash = plan::template_hash(stack, component, workload);
        (reached == hash && (stack.stopped || !observed.contains_key(&component.name)))
            .then(|| plan::job_name(stack, component, workload))
    });
    done.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stack::{resolve::resolve, tests::example};

    #[test]
    fn a_completed_job_that_appears_late_stays() {
        let job = |name: &str| {
            Child::read(Job::KIND, &json!({ "metadata": { "name": name, "namespace": "a", "uid": name } }))
                .unwrap()
        };
        let facts = Facts { completed: ["migrate-1".to_owned()].into(), ..Facts::default() };
        let snapshot = Snapshot::default();
        let keeps = keeper(&snapshot, &facts);
        assert!(keeps(&job("migrate-1")));
        assert!(!keeps(&job("migrate-0")));
    }

    #[test]
    fn a_completed_job_runs_once_and_outlives_a_stop() {
        let mut stack = resolve(&example("erp")).unwrap();
        stack.components.get_mut("kafka").unwrap().kind = ComponentKind::Job;
        let (component, workload) = stack.running().find(|(it, _)| it.name == "kafka").unwrap();
        let (hash, name) =
            (plan::template_hash(&stack, component, workload), plan::job_name(&stack, component, workload));
        let of = |stack: &Stack, reached: &str, exists: bool| {
            let gate = Gate { reached: Some(reached.to_owned()), ..Gate::default() };
            let observed = exists.then(|| ("kafka".to_owned(), Observed::default()));
            completed(stack, &BTreeMap::from([("kafka".to_owned(), gate)]), &observed.into_iter().collect())
        };
        assert_eq!(of(&stack, "another", false), BTreeSet::new());
        assert_eq!(of(&stack, &hash, false), BTreeSet::from([name.clone()]));
        assert_eq!(of(&stack, &hash, true), BTreeSet::new(), "it is planned, so that drift is reverted");
        stack.stopped = true;
        assert_eq!(of(&stack, &hash, true), BTreeSet::from([name]));
    }
}
