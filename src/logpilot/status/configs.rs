//! Reports which configurations are kept and how many pods run each, as the pods show it and not as the
//! spec requests it.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{ConfigMap, Pod},
};

use crate::{
    api::status::ConfigStatus,
    engine::{cache::Snapshot, plan::Key},
    kinds::Managed,
    workload::health,
};

/// Largest number of configurations in the status; `revisionHistoryLimit` bounds how many exist.
const MOST: usize = 10;

/// The state of one configuration.
#[derive(Default)]
struct Config {
    /// Revision of the newest ReplicaSet that uses it.
    revision: i64,
    pods: i64,
    kept: bool,
}

/// Returns the configurations of a component, the planned one first and then from new to old; and
/// whether every desired pod runs the planned one, and no pod another.
pub(super) fn observe(
    planned: &str,
    deployment: &Key,
    component: &str,
    desired: i32,
    snapshot: &Snapshot,
) -> (Vec<ConfigStatus>, bool) {
    let stem = |name: &str| name.rsplit_once('-').map(|(stem, _)| stem.to_owned());
    let ours = |name: &str| stem(name) == stem(planned);
    let mut all: BTreeMap<String, Config> = BTreeMap::new();
    let here = |key: &Key| key.namespace == deployment.namespace;
    for child in snapshot.of_kind(ConfigMap::KIND).filter(|it| here(&it.key) && ours(&it.key.name)) {
        all.entry(child.key.name.clone()).or_default().kept = !child.deleting;
    }
    for child in snapshot.of_kind(ReplicaSet::KIND) {
        let Some(set) = child.observed::<health::ReplicaSet>() else { continue };
        for name in set.config_maps.iter().filter(|name| here(&child.key) && ours(name)) {
            let config = all.entry(name.clone()).or_default();
            config.revision = config.revision.max(set.revision);
        }
    }
    for child in snapshot.of_kind(Pod::KIND) {
        let Some(pod) = child.observed::<health::Pod>() else { continue };
        // A pod that is being terminated runs until it is gone.
        if pod.component == component && pod.phase == "Running" {
            for name in pod.config_maps.iter().filter(|name| ours(name)) {
                all.entry(name.clone()).or_default().pods += 1;
            }
        }
    }
    let rolled_out = all.get(planned).map_or(0, |config| config.pods) >= i64::from(desired)
        && all.iter().all(|(name, config)| name == planned || config.pods == 0);
    let mut all: Vec<_> = all.into_iter().filter(|(_, config)| config.kept || config.pods > 0).collect();
    all.sort_by_key(|(name, config)| (name != planned, -config.revision));
    let configs = all.into_iter().take(MOST);
    let status = |(name, config): (String, Config)| ConfigStatus {
        name,
        pods: i32::try_from(config.pods).unwrap_or(i32::MAX),
    };
    (configs.map(status).collect(), rolled_out)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::engine::{child::Child, kind::Kind};

    const MINE: &str = "l-all-config-";

    fn mounting(config: &str) -> Value {
        json!([{ "configMap": { "name": format!("{MINE}{config}") } }, { "configMap": { "name": "mine-too" } }])
    }

    fn snapshot(objects: Vec<(&'static Kind, Value)>) -> Snapshot {
        let mut seen = Snapshot::default();
        for (index, (kind, mut object)) in objects.into_iter().enumerate() {
            let name =
                object["name"].as_str().map_or_else(|| index.to_string(), |name| format!("{MINE}{name}"));
            object["metadata"] = json!({
                "name": name, "namespace": "n", "uid": index.to_string(),
                "labels": { "app.kubernetes.io/component": "all" },
                "annotations": { "deployment.kubernetes.io/revision": object["revision"] },
            });
            let child = Child::read(kind, &object).unwrap();
            seen.children.insert((kind.plural, child.key.clone()), Arc::new(child));
        }
        seen
    }

    fn kept(config: &str) -> (&'static Kind, Value) {
        (ConfigMap::KIND, json!({ "name": config }))
    }

    fn set(config: &str, revision: u8) -> (&'static Kind, Value) {
        let spec = json!({ "template": { "spec": { "volumes": mounting(config) } } });
        (ReplicaSet::KIND, json!({ "spec": spec, "revision": revision.to_string() }))
    }

    fn pod(config: &str, phase: &str) -> (&'static Kind, Value) {
        (Pod::KIND, json!({ "spec": { "volumes": mounting(config) }, "status": { "phase": phase } }))
    }

    /// Returns `name:pods` of each, and whether the planned one, `c`, is rolled out to two pods.
    fn told(objects: Vec<(&'static Kind, Value)>) -> (String, bool) {
        let key = Key { namespace: Some("n".into()), name: "l-all".into() };
        let (configs, rolled_out) = observe(&format!("{MINE}c"), &key, "all", 2, &snapshot(objects));
        let told = configs.iter().map(|it| format!("{}:{}", it.name.strip_prefix(MINE).unwrap(), it.pods));
        (told.collect::<Vec<_>>().join(" "), rolled_out)
    }

    #[test]
    fn a_configuration_is_rolled_out_when_every_pod_runs_it_and_no_other() {
        let base = || vec![kept("a"), kept("b"), kept("c"), set("a", 9), set("b", 10), set("c", 11)];
        let with = |pods: &[(&str, &str)]| {
            let mut all = base();
            all.extend(pods.iter().map(|(config, phase)| pod(config, phase)));
            told(all)
        };
        let (run, wait) = ("Running", "Pending");
        assert_eq!(with(&[("b", run), ("b", run)]), ("c:0 b:2 a:0".into(), false), "not begun");
        assert_eq!(with(&[("b", run), ("c", run)]), ("c:1 b:1 a:0".into(), false), "half way");
        assert_eq!(with(&[("c", run), ("c", wait)]), ("c:1 b:0 a:0".into(), false), "one is not up");
        assert_eq!(with(&[("c", run), ("c", run), ("b", run)]), ("c:2 b:1 a:0".into(), false), "one is left");
        assert_eq!(with(&[("c", run), ("c", run)]), ("c:2 b:0 a:0".into(), true));
    }

    #[test]
    fn what_is_kept_is_named_from_new_to_old_and_what_is_gone_is_not() {
        // A ReplicaSet alone keeps nothing; a pod runs the configuration with which it started.
        let objects = vec![kept("c"), set("gone", 3), set("run", 2), pod("run", "Running"), set("c", 1)];
        assert_eq!(told(objects), ("c:0 run:1".into(), false));
        let many = (0..20).flat_map(|it| [kept(&format!("x{it:02}")), set(&format!("x{it:02}"), it)]);
        let (told, _) = told(many.chain([kept("c")]).collect());
        assert!(told.starts_with("c:0 x19:0 x18:0 ") && told.ends_with(" x11:0"), "{told}");
        assert!(!told.contains("mine-too"), "a ConfigMap of the user's");
    }
}
