//! Which source decides the number of pods, tested on the whole reconcile: a foreign autoscaler
//! while it exists, otherwise the spec.

use serde_json::{Value, json};

use super::{
    SCHEMA,
    fields::{Manager, Stored},
    run,
    server::{Id, kind, somebody},
    world::World,
};
use crate::engine::plan::Key;

const NAMESPACE: &str = "logpilot";
const DEPLOYMENT: &str = "logpilot-all";

fn id(plural: &'static str, name: &str) -> Id {
    (plural, Key { namespace: Some(NAMESPACE.into()), name: name.into() })
}

fn autoscaler() -> Manager {
    ("kube-controller-manager".into(), "Update", "scale")
}

fn spec(replicas: i32) -> Value {
    json!({ "image": "danpung2/logpilot:1.2.0", "components": { "all": { "replicas": replicas } } })
}

/// The same spec with storage for one pod.
fn on_one_pod(storage: &Value) -> Value {
    let mut spec = spec(1);
    spec["storage"] = storage.clone();
    spec
}

struct Scene(World);

impl Scene {
    async fn new(spec: &Value) -> Self {
        let mut scene = Self(SCHEMA.with(|schema| World::new(spec, schema, 0)));
        scene.quiet().await;
        scene
    }

    async fn quiet(&mut self) {
        self.0.quiet().await.expect("it settles");
        assert_eq!(self.0.server().violations, [""; 0]);
    }

    /// Another client creates an autoscaler for the component.
    fn bring(&self, most: i32) {
        let body = json!({
            "metadata": { "name": "theirs", "namespace": NAMESPACE },
            "spec": { "maxReplicas": most,
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT } },
        });
        let mut stored = Stored::default();
        stored.update(&somebody(), |object| *object = body.clone());
        let (plural, key) = id("horizontalpodautoscalers", "theirs");
        self.0.server().store(kind(plural), key, Some(stored));
    }

    fn take_away(&self) {
        self.0.delete(&id("horizontalpodautoscalers", "theirs"));
    }

    fn scale(&self, manager: &Manager, replicas: i32) {
        self.0.server().change(&id("deployments", DEPLOYMENT), manager, |body| {
            body["spec"]["replicas"] = replicas.into();
        });
    }

    async fn write(&mut self, spec: &Value) {
        self.0.write(spec.clone());
        self.quiet().await;
    }

    fn replicas(&self) -> i64 {
        self.0.server().objects[&id("deployments", DEPLOYMENT)].body["spec"]["replicas"].as_i64().unwrap()
    }

    fn lists(&self) -> usize {
        self.0.server().lists
    }

    /// Returns objects and messages of the problems with this reason.
    fn told(&self, reason: &str) -> Vec<String> {
        let status = self.0.server().cr["status"].clone();
        let problems = status["problems"].as_array().cloned().unwrap_or_default();
        let of_reason = problems.iter().filter(|problem| problem["reason"] == reason);
        of_reason
            .map(|it| format!("{}: {}", it["object"].as_str().unwrap(), it["message"].as_str().unwrap()))
            .collect()
    }
}

#[test]
fn an_existing_autoscaler_keeps_its_replicas() {
    run(async {
        let mut scene = Scene::new(&spec(2)).await;
        assert_eq!(scene.lists(), 0, "nothing is asked while the number is ours");
        scene.bring(9);
        scene.scale(&autoscaler(), 7);
        scene.quiet().await;
        assert_eq!(scene.replicas(), 7);
        // Changes for other reasons, and of the number itself.
        let mut other = spec(2);
        other["commonAnnotations"] = json!({ "note": "x" });
        scene.write(&other).await;
        scene.write(&spec(3)).await;
        assert_eq!(scene.replicas(), 7);
        assert_eq!(scene.told("ScaledBeyondStorage"), [""; 0]);
        let before = scene.lists();
        scene.quiet().await;
        assert_eq!(scene.lists(), before, "a read is cached for a while");
    });
}

#[test]
fn the_spec_decides_after_the_autoscaler_is_deleted() {
    for restarted in [false, true] {
        run(async {
            let mut scene = Scene::new(&spec(2)).await;
            scene.bring(9);
            scene.scale(&autoscaler(), 7);
            scene.quiet().await;
            scene.take_away();
            if restarted {
                // Also while the spec does not change.
                scene.0.restart();
                scene.quiet().await;
                assert_eq!(scene.replicas(), 2);
            }
            for replicas in [3, 1, 7] {
                scene.write(&spec(replicas)).await;
                assert_eq!(scene.replicas(), i64::from(replicas), "restarted: {restarted}");
            }
            let before = (scene.lists(), scene.0.server().writes);
            scene.0.restart();
            scene.quiet().await;
            assert_eq!(
                (scene.lists(), scene.0.server().writes),
                before,
                "nothing is left to ask or to write"
            );
            // The next autoscaler is followed.
            scene.bring(9);
            scene.scale(&autoscaler(), 5);
            scene.quiet().await;
            assert_eq!(scene.replicas(), 5);
        });
    }
}

#[test]
fn manually_set_replicas_are_reverted() {
    run(async {
        let mut scene = Scene::new(&spec(2)).await;
        for subresource in ["scale", ""] {
            let before = scene.0.server().writes;
            scene.scale(&("kubectl".into(), "Update", subresource), 6);
            scene.quiet().await;
            assert_eq!(scene.replicas(), 2, "{subresource}");
            assert_eq!(scene.0.server().writes, before + 1, "one write");
        }
        // An autoscaler leaves zero replicas alone, so zero is not its decision.
        scene.bring(9);
        scene.scale(&("kubectl".into(), "Update", "scale"), 0);
        scene.quiet().await;
        assert_eq!(scene.replicas(), 2);
    });
}

/// Covers every row of the storage table that allows one pod.
#[test]
fn single_pod_storage_runs_one_pod() {
    let rows = [
        (json!({ "backend": "File" }), "File storage"),
        (json!({ "backend": "File", "volume": { "accessMode": "ReadWriteMany" } }), "File storage"),
        (json!({ "volume": { "accessMode": "ReadWriteOncePod" } }), "ReadWriteOncePod storage"),
        (json!({ "volume": { "accessMode": "ReadWriteMany" } }), "ReadWriteMany storage"),
    ];
    for (storage, words) in rows {
        run(async {
            let mut scene = Scene::new(&on_one_pod(&storage)).await;
            scene.bring(5);
            scene.scale(&autoscaler(), 3);
            scene.quiet().await;
            assert_eq!(scene.replicas(), 1, "{storage}");
            let told = scene.told("ScaledBeyondStorage");
            let [only] = told.as_slice() else { panic!("one problem: {told:?}") };
            assert!(
                only.starts_with("Deployment logpilot/logpilot-all: HorizontalPodAutoscaler 'theirs'"),
                "{only}"
            );
            assert!(only.contains("5 pods") && only.contains(words), "{only}");
            // The autoscaler is reported until it is deleted.
            scene.take_away();
            let mut other = on_one_pod(&storage);
            other["commonAnnotations"] = json!({ "note": "x" });
            scene.write(&other).await;
            assert_eq!(scene.told("ScaledBeyondStorage"), [""; 0]);
        });
    }
}

#[test]
fn an_accepted_risk_permits_foreign_scaling() {
    run(async {
        let risk = json!({ "backend": "File", "allowUnsafe": ["FileStorageSharedByPods"] });
        let mut scene = Scene::new(&on_one_pod(&risk)).await;
        scene.bring(5);
        scene.scale(&autoscaler(), 3);
        scene.quiet().await;
        assert_eq!(scene.replicas(), 3);
    });
}

/// An autoscaler that fits the storage keeps its number too.
#[test]
fn an_autoscaler_within_the_storage_is_no_problem() {
    run(async {
        let mut scene = Scene::new(&on_one_pod(&json!({ "backend": "File" }))).await;
        scene.bring(1);
        scene.scale(&autoscaler(), 1);
        scene.quiet().await;
        assert_eq!((scene.replicas(), scene.told("ScaledBeyondStorage").len()), (1, 0));
    });
}

/// Scaling by hand, including a component that the operator's own autoscaler scales.
#[test]
fn scaling_beyond_the_storage_is_reverted() {
    let own = json!({ "image": "danpung2/logpilot:1.2.0", "storage": { "backend": "File" },
        "components": { "all": { "autoscaling": { "maxReplicas": 1 } } } });
    for spec in [on_one_pod(&json!({ "backend": "File" })), own] {
        run(async {
            let mut scene = Scene::new(&spec).await;
            scene.scale(&("kubectl".into(), "Update", "scale"), 3);
            scene.quiet().await;
            assert_eq!(scene.replicas(), 1, "{spec}");
        });
    }
}
