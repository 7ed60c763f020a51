//! Objects that are not planned and stay nevertheless.

use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};

use super::{facts::Facts, observe};
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
