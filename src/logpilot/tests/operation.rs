//! Stop, start, restart, and what blocks a rollout.

use super::*;
use crate::{
    api::{LogPilotClusterStatus, status::ComponentStatus},
    engine::{cache::ObjectCache, child::Child, plan::Replicas},
    kinds::Managed,
    logpilot::{
        facts::ApiKeyFact,
        replicas::{Remembered, remembered},
        validate::validate,
    },
    workload::references::{Missing, ResolvedReferences},
};
use k8s_openapi::api::apps::v1::Deployment;

const SCALED: &str =
    "components: { all: { replicas: 3 }, rest: { autoscaling: { minReplicas: 2, maxReplicas: 6 } } }";

fn stopped() -> String {
    format!("{{ operation: {{ stopped: true }}, {SCALED} }}")
}

#[test]
fn a_stopped_cluster_keeps_data_and_config() {
    let (before, after) = (planned(&format!("{{ {SCALED} }}")), planned(&stopped()));
    for name in ["logpilot-all", "logpilot-rest"] {
        let deployment = object(&after, "Deployment", name);
        assert_eq!(deployment.body["spec"]["replicas"], 0);
        assert_eq!(deployment.replicas, Replicas::Planned);
        assert!(deployment.body["metadata"].get("annotations").is_none(), "not marked as an autoscaler's");
    }
    let gone = ["HorizontalPodAutoscaler", "PodDisruptionBudget"];
    let others = |plan: &Plan| -> Vec<String> {
        plan.objects.iter().filter(|it| !gone.contains(&it.kind.kind)).map(ToString::to_string).collect()
    };
    assert_eq!(others(&after), others(&before));
    assert!(gone.iter().all(|kind| names(&after, kind).is_empty()));
}

#[test]
fn stopping_needs_no_key_and_no_variables() {
    let facts = Facts {
        api_key: ApiKeyFact::Invalid { message: "gone".into() },
        references: [("logpilot-all".to_owned(), missing(false))].into(),
        ..Facts::default()
    };
    let held = |spec: &str| object(&plan(&cluster(spec), &facts), "Deployment", "logpilot-all").held;
    assert_eq!(held(&stopped()), None);
    assert_eq!(held("{}"), Some("ApiKeyInvalid"));
}

fn missing(optional: bool) -> ResolvedReferences {
    let missing = Missing { object: "Secret logpilot/s".into(), message: String::new(), optional };
    ResolvedReferences {
        hash: "0123456789abcdef".into(),
        missing: vec![missing],
        ..ResolvedReferences::default()
    }
}

#[test]
fn a_missing_reference_holds_only_its_component() {
    let held = |optional| {
        let facts =
            Facts { references: [("logpilot-all".to_owned(), missing(optional))].into(), ..Facts::default() };
        let plan = plan(&cluster(&format!("{{ {SCALED} }}")), &facts);
        ["logpilot-all", "logpilot-rest"].map(|name| object(&plan, "Deployment", name).held)
    };
    assert_eq!(held(false), [Some("ReferenceMissing"), None]);
    assert_eq!(held(true), [None, None]);
}

fn annotations(plan: &Plan, name: &str) -> Value {
    object(plan, "Deployment", name).body["spec"]["template"]["metadata"]["annotations"].clone()
}

#[test]
fn pods_carry_the_hash_of_referenced_env() {
    let facts = Facts { references: [("logpilot-all".to_owned(), missing(true))].into(), ..Facts::default() };
    let plan = plan(&cluster(&format!("{{ {SCALED} }}")), &facts);
    assert_eq!(annotations(&plan, "logpilot-all")["logpilot.io/references-hash"], "0123456789abcdef");
    assert!(annotations(&plan, "logpilot-rest").is_null());
}

#[test]
fn a_restart_token_outlives_its_annotation() {
    let mut cr = resource(&format!("{{ {SCALED} }}"));
    cr.metadata.annotations = Some([("logpilot.io/restart-rest".to_owned(), "now".to_owned())].into());
    let asked = plan(&validate(&cr).expect("valid"), &Facts::default());
    assert!(annotations(&asked, "logpilot-all").is_null());
    let token =
        annotations(&asked, "logpilot-rest")["logpilot.io/restart"].as_str().expect("a token").to_owned();
    cr.metadata.annotations = None;
    let facts = Facts { restarts: [("rest".to_owned(), token.clone())].into(), ..Facts::default() };
    let later = plan(&validate(&cr).expect("valid"), &facts);
    assert_eq!(annotations(&later, "logpilot-rest")["logpilot.io/restart"], token.as_str());
}

/// The remembered state with this many live pods of `rest` (`None`: no Deployment) and this
/// component status.
fn seen(spec: &str, live: Option<i64>, told: &ComponentStatus) -> Remembered {
    let world = ObjectCache::default();
    if let Some(replicas) = live {
        let owner = json!({ "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "name": "logpilot", "uid": "1", "controller": true });
        let deployment = json!({
            "metadata": { "name": "logpilot-rest", "namespace": "logpilot", "uid": "u", "ownerReferences": [owner] },
            "spec": { "replicas": replicas },
        });
        world.upsert(Child::read(Deployment::KIND, &deployment).expect("a child"));
    }
    let before = LogPilotClusterStatus { components: vec![told.clone()], ..LogPilotClusterStatus::default() };
    remembered(&cluster(spec), &before, &world.snapshot(&named()))
}

#[test]
fn a_restart_restores_the_previous_replica_count() {
    let running = format!("{{ {SCALED} }}");
    let status = |desired, replicas_before_stop| ComponentStatus {
        name: "rest".into(),
        desired,
        replicas_before_stop,
        ..ComponentStatus::default()
    };
    let comes_back = |found: &Remembered| found.last_replicas.get("logpilot-rest").copied();
    let kept = |found: &Remembered| found.before_stop.get("rest").copied();
    // Stopped while 5 run; stopped; started; running again.
    let found = seen(&stopped(), Some(5), &status(5, None));
    assert_eq!((kept(&found), comes_back(&found)), (Some(5), None));
    let found = seen(&stopped(), Some(0), &status(0, Some(5)));
    assert_eq!(kept(&found), Some(5));
    let found = seen(&stopped(), Some(1), &status(0, Some(5)));
    assert_eq!(kept(&found), Some(5), "started by hand");
    let found = seen(&running, Some(0), &status(0, Some(5)));
    assert_eq!((kept(&found), comes_back(&found)), (Some(5), Some(5)));
    let found = seen(&running, Some(5), &status(5, Some(5)));
    assert_eq!((kept(&found), comes_back(&found)), (None, None));
    // The Deployment was deleted in the meantime; and nothing at all is known.
    assert_eq!(comes_back(&seen(&running, None, &status(0, Some(5)))), Some(5));
    assert_eq!(comes_back(&seen(&running, Some(0), &status(0, None))), None);
}

#[test]
fn replicas_are_clamped_to_the_autoscaler_bounds() {
    let facts = Facts { last_replicas: [("logpilot-rest".to_owned(), 40)].into(), ..Facts::default() };
    let plan = plan(&cluster(&format!("{{ {SCALED} }}")), &facts);
    assert_eq!(object(&plan, "Deployment", "logpilot-rest").replicas, Replicas::Autoscaled { initial: 6 });
}
