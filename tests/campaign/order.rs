//! The order of a stack's tiers, from what an administrator sees. The trials have no outage, so whatever
//! the disturbance, no component starts or changes before its dependencies have, and none stops before its
//! dependents.

use std::collections::{BTreeMap, BTreeSet};

use logpilot_operator::kinds::SERVICE_STACK;
use serde_json::Value;

use super::{
    monitor::{complete, is_workload},
    witness::{Seen, What},
};

const COMPONENT: &str = "/metadata/labels/app.kubernetes.io~1component";
const IMAGE: &str = "/spec/template/spec/containers/0/image";

/// Returns what stacks did out of order, in the order of the events.
pub fn violations(history: &[Seen]) -> Vec<String> {
    let mut view = View::default();
    let mut found = Vec::new();
    for seen in history {
        found.extend(view.out_of_order(seen));
        view.follow(seen);
    }
    found
}

/// The objects that exist before an event.
#[derive(Default)]
struct View<'a> {
    /// The newest state of each stack, by UID.
    stacks: BTreeMap<&'a str, &'a Value>,
    /// Deployments, StatefulSets and Jobs by name.
    workloads: BTreeMap<&'a str, &'a Seen>,
    /// The component of each pod that has not ended, by its name.
    pods: BTreeMap<&'a str, &'a str>,
}

fn component(seen: &Seen) -> &str {
    seen.object.pointer(COMPONENT).and_then(Value::as_str).unwrap_or_default()
}

fn replicas(seen: &Seen) -> i64 {
    seen.object["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn dependencies(component: &Value) -> impl Iterator<Item = &str> {
    component["dependsOn"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl<'a> View<'a> {
    fn follow(&mut self, seen: &'a Seen) {
        let name = seen.name.as_str();
        if seen.kind == SERVICE_STACK.kind {
            let uid = seen.object["metadata"]["uid"].as_str().unwrap_or_default();
            match seen.what {
                What::Deleted => self.stacks.remove(uid),
                What::Added | What::Modified => self.stacks.insert(uid, &seen.object),
            };
        } else if is_workload(seen) || seen.kind == "Job" {
            match seen.what {
                What::Deleted => self.workloads.remove(name),
                What::Added | What::Modified => self.workloads.insert(name, seen),
            };
        } else if seen.kind == "Pod" {
            let ended = ["Succeeded", "Failed"].iter().any(|phase| seen.object["status"]["phase"] == *phase);
            if ended || seen.what == What::Deleted {
                self.pods.remove(name);
            } else {
                self.pods.insert(name, component(seen));
            }
        }
    }

    /// Judges a change of a workload of a stack that exists.
    fn out_of_order(&self, seen: &Seen) -> Vec<String> {
        let Some(stack) = seen.owner.as_deref().and_then(|owner| self.stacks.get(owner)) else {
            return Vec::new();
        };
        if seen.what == What::Deleted {
            return Vec::new();
        }
        let (components, name) = (&stack["spec"]["components"], component(seen));
        let before = self.workloads.get(seen.name.as_str()).filter(|before| before.owner == seen.owner);
        let is_new = before.is_none_or(|before| {
            before.object.pointer(IMAGE) != seen.object.pointer(IMAGE)
                || replicas(before) == 0 && replicas(seen) > 0
        });
        let mut found = Vec::new();
        if is_new && (seen.kind == "Job" || replicas(seen) > 0) {
            let early =
                dependencies(&components[name]).filter(|it| !self.is_done(it, &components[*it], seen));
            found.extend(early.map(|it| format!("{name} was started or changed before {it}")));
        }
        if before.is_some_and(|before| replicas(before) > 0) && is_workload(seen) && replicas(seen) == 0 {
            let alive: BTreeSet<&str> = self.pods.values().copied().collect();
            let late = alive.into_iter().filter(|it| dependencies(&components[*it]).any(|on| on == name));
            found.extend(late.map(|it| format!("{name} was stopped before {it}")));
        }
        found
    }

    /// Returns whether a dependency of a workload's component runs its declared image, and is complete.
    fn is_done(&self, dependency: &str, declared: &Value, of: &Seen) -> bool {
        if declared["kind"] == "External" {
            return true;
        }
        let mut candidates = self.workloads.values().filter(|it| {
            component(it) == dependency
                && it.owner == of.owner
                && it.object.pointer(IMAGE) == declared.get("image")
        });
        candidates.any(|it| match it.kind.as_str() {
            "Job" => it.object["status"]["succeeded"].as_i64() >= Some(1),
            _ => replicas(it) > 0 && complete(&it.object),
        })
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    fn seen(kind: &str, name: &str, object: Value) -> Seen {
        let owner = (kind != SERVICE_STACK.kind).then(|| "u".to_owned());
        Seen { version: 0, what: What::Modified, kind: kind.to_owned(), name: name.to_owned(), owner, object }
    }

    fn stack(image: &str) -> Seen {
        let components = json!({
            "db": { "kind": "StatefulSet", "image": image },
            "mail": { "kind": "External" },
            "migrate": { "kind": "Job", "image": image, "dependsOn": ["db", "mail"] },
            "api": { "image": image, "dependsOn": ["migrate"] },
            "web": { "image": image, "dependsOn": ["api"] },
        });
        let object = json!({ "metadata": { "uid": "u" }, "spec": { "components": components } });
        seen(SERVICE_STACK.kind, "shop", object)
    }

    fn workload(kind: &str, name: &str, image: &str, replicas: i64, available: i64) -> Seen {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/component": name } },
            "spec": { "replicas": replicas, "template": { "spec": { "containers": [{ "image": image }] } } },
            "status": {
                "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": available,
                "succeeded": available,
            },
        });
        seen(kind, name, object)
    }

    fn pod(of: &str, phase: &str) -> Seen {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/component": of } }, "status": { "phase": phase },
        });
        seen("Pod", &format!("{of}-1"), object)
    }

    fn started(image: &str) -> Vec<Seen> {
        vec![
            workload("StatefulSet", "db", image, 1, 0),
            workload("StatefulSet", "db", image, 1, 1),
            workload("Job", "migrate", image, 1, 0),
            workload("Job", "migrate", image, 1, 1),
            workload("Deployment", "api", image, 1, 0),
            workload("Deployment", "api", image, 1, 1),
            workload("Deployment", "web", image, 1, 0),
        ]
    }

    fn history(parts: [Vec<Seen>; 3]) -> Vec<Seen> {
        parts.into_iter().flatten().collect()
    }

    #[test]
    fn an_early_start_or_change_is_detected() {
        let in_order = history([vec![stack("a:1")], started("a:1"), vec![]]);
        assert_eq!(violations(&in_order), [""; 0]);
        for (left_out, early) in [
            (1, "migrate was started or changed before db"),
            (3, "api was started or changed before migrate"),
            (5, "web was started or changed before api"),
        ] {
            let mut events = in_order.clone();
            events.remove(left_out + 1);
            assert_eq!(violations(&events), [early]);
        }
        // The dependency runs, but not what is declared now.
        let changed = history([in_order.clone(), vec![stack("a:2")], started("a:2")]);
        assert_eq!(violations(&changed), [""; 0]);
        let api = vec![stack("a:2"), workload("Deployment", "api", "a:2", 1, 0)];
        let changed = history([in_order.clone(), api, vec![]]);
        assert_eq!(violations(&changed), ["api was started or changed before migrate"]);
        // Left over from a stack of the same name.
        let mut old = in_order.clone();
        old.iter_mut().skip(1).for_each(|seen| seen.owner = Some("old".to_owned()));
        let new = history([old, vec![workload("Job", "migrate", "a:1", 1, 0)], vec![]]);
        assert_eq!(violations(&new), ["migrate was started or changed before db"]);
    }

    #[test]
    fn an_early_stop_is_detected() {
        let running = history([vec![stack("a:1")], started("a:1"), vec![pod("web", "Running")]]);
        let stopped = |name| workload("Deployment", name, "a:1", 0, 0);
        let early = history([running.clone(), vec![stopped("api")], vec![]]);
        assert_eq!(violations(&early), ["api was stopped before web"]);
        let ended = vec![stopped("web"), pod("web", "Succeeded"), stopped("api")];
        assert_eq!(violations(&history([running.clone(), ended, vec![]])), [""; 0]);
        // It starts again, before what it depends on.
        let up = |name| workload("Deployment", name, "a:1", 1, 0);
        let ended = vec![stopped("web"), pod("web", "Succeeded"), stopped("api")];
        let again = history([running, ended, vec![up("web")]]);
        assert_eq!(violations(&again), ["web was started or changed before api"]);
    }
}
