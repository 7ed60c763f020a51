//! No object of the operator uses or acts on a foreign object, and a restored object is adopted again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use logpilot_operator::{
    api::LogPilotCluster,
    engine::{
        backoff::FAILURE,
        cache::Snapshot,
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::Plan,
        write_backoff::WriteBackoff,
    },
    logpilot::{facts::Facts, plan::plan, validate::validate},
};
use serde_json::{Value, json};

use super::server::{Answer, Call, OWNER_UID, World, stored};

/// A plan with every object that has dependencies, and their targets.
fn everything() -> Plan {
    let cr: LogPilotCluster = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
        "metadata": { "name": "logs", "uid": OWNER_UID },
        "spec": {
            "image": "danpung2/logpilot:1.2.0",
            "components": { "all": {
                "autoscaling": { "maxReplicas": 3 }, "loadBalancer": {}, "nodePort": {},
                "podDisruptionBudget": { "maxUnavailable": 1 },
            } },
            "exposure": {
                "ingress": { "rules": [{ "host": "a.example.com" }] },
                "gateway": {
                    "className": "envoy",
                    "rules": [{ "host": "b.example.com" }, { "host": "c.example.com", "protocol": "Grpc" }],
                },
            },
            "monitoring": { "serviceMonitor": {}, "rules": {}, "dashboards": {} },
            "backup": {},
            "restore": { "requestId": "r", "from": "logpilot-20260102T030001.000Z.db" },
        },
    }))
    .unwrap();
    let cluster = validate(&cr).unwrap();
    plan(&cluster, &Facts::default())
}

fn path(plan: &Plan, name: &str) -> String {
    let planned = plan.objects.iter().find(|planned| planned.to_string().starts_with(name)).unwrap();
    let (kind, key) = (planned.kind, &planned.key);
    let group = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    format!("{group}/{}/namespaces/logs/{}/{}", kind.version, kind.plural, key.name)
}

/// The API server if another owner has these names; everything else can be created.
fn taken(plan: &Plan, names: &[&str]) -> impl FnMut(&Call) -> Answer + Send + 'static {
    let paths: Vec<String> = names.iter().map(|name| path(plan, name)).collect();
    move |call| {
        let foreign = paths.contains(&call.path);
        let name = call.path.rsplit('/').next().unwrap().to_owned();
        match call.method.as_str() {
            "GET" if foreign => Answer::Object(json!({
                "metadata": { "name": name, "namespace": "logs", "uid": "theirs", "resourceVersion": "5" },
            })),
            "GET" => Answer::Refusal(404, "NotFound", "no"),
            "DELETE" => Answer::Object(json!({})),
            _ if foreign && call.body["metadata"]["resourceVersion"] == "1" => {
                Answer::Refusal(409, "Conflict", "the object has been modified")
            }
            _ => Answer::Object(stored(&call.body, "new-uid")),
        }
    }
}

/// Returns `Kind name` of the objects whose result matches.
fn of(outcome: &Outcome, is: impl Fn(&ApplyResult) -> bool) -> BTreeSet<String> {
    let steps = outcome.steps.iter().filter(|step| is(&step.result));
    steps.map(|step| step.object().replace("logs/", "")).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Each taken name with the objects that it blocks: those that use it or act on it, and those that
/// depend on them.
fn behind(plan: &Plan) -> Vec<(&'static str, BTreeSet<String>)> {
    let job = plan.objects.iter().find(|planned| planned.kind.kind == "Job").unwrap();
    let restore = format!("Job {}", job.key.name);
    let restore = restore.as_str();
    let deployment = "Deployment logs-all";
    let on_deployment = set(&[
        "Service logs-all",
        "Service logs-all-loadbalancer",
        "Service logs-all-nodeport",
        "HorizontalPodAutoscaler logs-all",
        "PodDisruptionBudget logs-all",
        "NetworkPolicy logs-all",
    ]);
    let on_service = set(&["Ingress logs", "HTTPRoute logs", "GRPCRoute logs", "ServiceMonitor logs"]);
    let servers: BTreeSet<String> = on_deployment.union(&on_service).cloned().collect();
    let with = |more: &[&str]| -> BTreeSet<String> { servers.union(&set(more)).cloned().collect() };
    vec![
        ("Deployment", servers.clone()),
        ("PersistentVolumeClaim logs/logs-data", with(&[deployment, "CronJob logs-backup", restore])),
        ("PersistentVolumeClaim logs/logs-backup", set(&["CronJob logs-backup", restore])),
        ("ServiceAccount", with(&[deployment, "CronJob logs-backup", restore])),
        ("ConfigMap logs/logs-all-config", with(&[deployment])),
        ("Service logs/logs-all", on_service),
        ("Gateway", set(&["HTTPRoute logs", "GRPCRoute logs"])),
        ("Service logs/logs-all-loadbalancer", set(&[])),
        ("PrometheusRule", set(&[])),
        ("NetworkPolicy", set(&[])),
    ]
}

#[tokio::test]
async fn objects_behind_a_conflict_are_never_written() {
    let plan = everything();
    for (name, held) in behind(&plan) {
        let world = World::new(taken(&plan, &[name]));
        let outcome = world.apply(&plan).await;
        let found = of(&outcome, |result| matches!(result, ApplyResult::Behind { .. }));
        assert_eq!(found, held, "behind {name}");
        assert_eq!(of(&outcome, |result| matches!(result, ApplyResult::Conflict { .. })).len(), 1, "{name}");
        for step in outcome.steps.iter().filter(|step| matches!(step.result, ApplyResult::Behind { .. })) {
            let ApplyResult::Behind { message, .. } = &step.result else { unreachable!() };
            let path = path(&plan, &step.object());
            let calls = world.calls.lock().unwrap();
            assert!(!calls.iter().any(|call| call.method == "PATCH" && call.path == path), "{path}");
            assert!(message.contains(name.split(' ').next().unwrap()), "{message}");
        }
        // All other objects exist.
        let rest = outcome.steps.len() - found.len() - 1;
        assert_eq!(of(&outcome, |result| *result == ApplyResult::Created).len(), rest, "{outcome:#?}");
    }
}

#[tokio::test]
async fn a_conflict_reads_each_blocked_name_once() {
    let plan = everything();
    let world = World::new(taken(&plan, &["Gateway"]));
    world.apply(&plan).await;
    let lines = world.lines();
    let reads: Vec<&String> = lines.iter().filter(|line| line.starts_with("GET")).collect();
    assert_eq!(reads.len(), 3, "the Gateway, and the routes behind it: {reads:?}");
    assert_eq!(lines.len() - reads.len(), plan.objects.len() - 2, "{lines:#?}");
}

/// Events of pods and Services trigger many reconciles while a name is taken.
#[tokio::test(start_paused = true)]
async fn a_taken_name_is_read_with_backoff() {
    let plan = everything();
    for name in ["Deployment", "PersistentVolumeClaim logs/logs-data", "Gateway"] {
        let free = Arc::new(AtomicBool::new(false));
        let (released, mut taken, mut none) = (Arc::clone(&free), taken(&plan, &[name]), taken(&plan, &[]));
        let world = World::new(move |call| if released.load(Relaxed) { none(call) } else { taken(call) });
        let waiting = |outcome: Outcome| -> Vec<AppliedObject> {
            outcome.steps.into_iter().filter(|step| !step.result.is_settled()).collect()
        };
        let first = waiting(world.apply(&plan).await);
        let asked = world.lines().len();
        for _ in 0..20 {
            let again = waiting(world.apply(&plan).await);
            assert!(again == first, "the same is told from memory: {again:#?}");
        }
        let more = world.lines().split_off(asked);
        assert_eq!(more, Vec::<String>::new(), "behind {name}");
        for step in &first {
            let rest = world
                .write_backoff
                .remaining(&step.id)
                .unwrap_or_else(|| panic!("{step:?} has no time of its own"));
            assert!(rest <= Duration::from_secs(1), "{rest:?}");
        }
        free.store(true, Relaxed);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(world.apply(&plan).await.is_settled(), "the name is free: {name}");
    }
}

/// The interval between two reads doubles, up to 30 s: no event shows that a name is released.
#[tokio::test]
async fn taken_names_are_read_every_30_s() {
    let write_backoff = WriteBackoff::default();
    let plan = everything();
    let id = (plan.objects[0].kind, plan.objects[0].key.clone());
    let taken = ApplyResult::Conflict { message: "x".to_owned(), instance: None };
    let waits: Vec<Duration> = (0..12)
        .map(|_| {
            write_backoff.record(&id, 1, FAILURE, &taken);
            write_backoff.remaining(&id).unwrap()
        })
        .collect();
    assert!(waits[0] <= Duration::from_secs(1) && waits[11] > Duration::from_secs(22), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
}

#[tokio::test]
async fn a_plan_without_conflicts_needs_no_reads() {
    let plan = everything();
    let world = World::new(taken(&plan, &[]));
    assert!(world.apply(&plan).await.is_settled());
    let lines = world.lines();
    assert_eq!(lines.len(), plan.objects.len(), "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("PATCH")), "{lines:#?}");
    let place = |name: &str| lines.iter().position(|line| line.ends_with(&path(&plan, name))).unwrap();
    let order = ["PersistentVolumeClaim", "Deployment", "Service logs/logs-all", "Ingress"].map(place);
    assert!(order.is_sorted(), "{lines:#?}");
    assert!(world.apply(&plan).await.is_settled());
    assert_eq!(world.lines().len(), plan.objects.len(), "nothing is asked again");
}

/// All objects exist and belong to the operator, and then a foreign object replaces one of them.
#[tokio::test]
async fn objects_acting_on_a_foreign_object_are_deleted() {
    let plan = everything();
    for (name, gone) in [
        (
            "Deployment",
            vec![
                "Service logs/logs-all",
                "Service logs/logs-all-loadbalancer",
                "Service logs/logs-all-nodeport",
                "HorizontalPodAutoscaler",
                "PodDisruptionBudget",
                "NetworkPolicy",
            ],
        ),
        ("PersistentVolumeClaim logs/logs-data", vec!["CronJob"]),
        ("ServiceAccount", vec!["CronJob"]),
        ("Service logs/logs-all", vec!["Ingress", "HTTPRoute", "GRPCRoute", "ServiceMonitor"]),
        ("Gateway", vec!["HTTPRoute", "GRPCRoute"]),
        ("ConfigMap logs/logs-all-config", vec![]),
    ] {
        let world = World::new(taken(&plan, &[name]));
        let at = path(&plan, name);
        for planned in &plan.objects {
            let own = path(&plan, &planned.to_string());
            if own != at && planned.key.namespace.is_some() {
                let uid = format!("uid-{}-{}", planned.kind.plural, planned.key.name);
                world.knows(planned, &stored(&planned.body, &uid));
            }
        }
        let outcome = world.apply(&plan).await;
        let deleted: BTreeSet<String> =
            world.lines().into_iter().filter(|line| line.starts_with("DELETE")).collect();
        let wanted: BTreeSet<String> = gone.iter().map(|it| format!("DELETE {}", path(&plan, it))).collect();
        assert_eq!(deleted, wanted, "behind {name}");
        for call in world.calls.lock().unwrap().iter().filter(|call| call.method == "DELETE") {
            let mut parts = call.path.rsplit('/');
            let (object, plural) = (parts.next().unwrap(), parts.next().unwrap());
            assert_eq!(call.body["preconditions"]["uid"], format!("uid-{plural}-{object}"));
        }
        assert!(!outcome.is_settled());
        // Only one delete request is sent.
        let asked = world.lines().len();
        world.apply(&plan).await;
        let more = world.lines().split_off(asked);
        assert!(!more.iter().any(|line| line.starts_with("DELETE")), "{more:?}");
    }
}

#[tokio::test]
async fn a_terminating_target_blocks_nothing() {
    let plan = everything();
    let account = plan.objects.iter().find(|planned| planned.kind.kind == "ServiceAccount").unwrap();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut live = stored(&account.body, "x");
        change(&mut live["metadata"]);
        live
    };
    for live in [
        change(&|meta| meta["ownerReferences"][0]["uid"] = "earlier".into()),
        change(&|meta| meta["deletionTimestamp"] = "2026-01-01T00:00:00Z".into()),
    ] {
        let world = World::new(taken(&plan, &[]));
        world.knows(account, &live);
        let outcome = world.apply(&plan).await;
        assert_eq!(of(&outcome, |result| matches!(result, ApplyResult::Behind { .. })), set(&[]), "{live}");
        assert_eq!(of(&outcome, |result| *result == ApplyResult::Created).len(), plan.objects.len() - 1);
    }
}

/// The Deployments are held for reasons of their own, so their results do not show who owns their
/// names.
#[tokio::test]
async fn a_held_target_is_read_first() {
    let mut plan = everything();
    for planned in plan.objects.iter_mut().filter(|planned| planned.kind.kind == "Deployment") {
        planned.held = Some("ApiKeyInvalid");
    }
    let world = World::new(taken(&plan, &["Deployment"]));
    let outcome = world.apply(&plan).await;
    assert_eq!(of(&outcome, |it| matches!(it, ApplyResult::Conflict { .. })), set(&["Deployment logs-all"]));
    assert!(of(&outcome, |it| matches!(it, ApplyResult::Behind { .. })).contains("NetworkPolicy logs-all"));

    let world = World::new(taken(&plan, &[]));
    let outcome = world.apply(&plan).await;
    assert_eq!(of(&outcome, |it| *it == ApplyResult::Created).len(), plan.objects.len() - 1, "nobody has it");
    let reads = world.lines().into_iter().filter(|line| line.starts_with("GET")).count();
    assert_eq!(reads, 1);
}

#[tokio::test]
async fn an_unreadable_target_blocks_its_dependents() {
    let mut plan = everything();
    for planned in plan.objects.iter_mut().filter(|planned| planned.kind.kind == "Deployment") {
        planned.held = Some("ApiKeyInvalid");
    }
    let mut answer = taken(&plan, &[]);
    let world = World::new(move |call| match call.method.as_str() {
        "GET" => Answer::Refusal(403, "Forbidden", "no"),
        _ => answer(call),
    });
    let outcome = world.apply(&plan).await;
    let waits = of(
        &outcome,
        |it| matches!(it, ApplyResult::Waiting { message, .. } if message.contains("the owner of")),
    );
    assert!(waits.contains("NetworkPolicy logs-all"), "{outcome:#?}");
}

/// An object as a backup tool restores it: with labels, annotations and content, and without managed
/// fields.
fn restored(body: &Value) -> Value {
    let mut live = stored(body, "restored-uid");
    let meta = live["metadata"].as_object_mut().unwrap();
    meta.remove("ownerReferences");
    meta["managedFields"][0]["manager"] = "velero-server".into();
    meta["labels"]["velero.io/restore-name"] = "r".into();
    live
}

#[tokio::test]
async fn restored_objects_with_planned_content_are_adopted() {
    let plan = everything();
    for planned in plan.objects.iter().filter(|planned| planned.key.namespace.is_some()) {
        let mut alone = Plan::default();
        alone.objects.push(planned.clone());
        let live = restored(&planned.body);
        let mut other = live.clone();
        match planned.kind.kind {
            "ConfigMap" => other["data"]["more"] = "x".into(),
            "ServiceAccount" => other["metadata"]["labels"]["logpilot.io/cluster"] = "x".into(),
            _ => other["spec"] = json!({ "other": true }),
        }
        for (live, differs) in [(live, false), (other, true)] {
            let found = live.clone();
            let world = World::new(move |call| match call.method.as_str() {
                "GET" => Answer::Object(found.clone()),
                _ => Answer::Object(stored(&call.body, "restored-uid")),
            });
            world.knows(planned, &live);
            let outcome = world.apply(&alone).await;
            let result = &outcome.steps[0].result;
            match planned.kind.kind {
                // A Job would run once more.
                "Job" => assert!(matches!(result, ApplyResult::Conflict { .. }), "{planned}: {result:?}"),
                // The labels are enough for an object that holds data.
                "PersistentVolumeClaim" => assert_eq!(*result, ApplyResult::Updated, "{planned}"),
                _ if differs => {
                    let told = matches!(result, ApplyResult::Conflict { message, .. } if message.contains("differs from the plan"));
                    assert!(told, "{planned}: {result:?}");
                    assert_eq!(world.lines().len(), 1, "read, and not written");
                }
                _ => {
                    assert_eq!(*result, ApplyResult::Updated, "{planned}");
                    let write = world.call(1);
                    assert_eq!(write.body["metadata"]["uid"], "restored-uid");
                    assert_eq!(write.body["metadata"]["resourceVersion"], "7", "as it was judged");
                    let snapshot: Snapshot = world.cache.snapshot(&crate::server::logs());
                    assert!(snapshot.get(planned.kind, &planned.key).unwrap().digest.is_some());
                    assert!(world.apply(&alone).await.is_settled(), "and ours from then on");
                    assert_eq!(world.lines().len(), 2);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_impostor_with_our_labels_is_a_conflict() {
    let plan = everything();
    let deployment = plan.objects.iter().find(|planned| planned.kind.kind == "Deployment").unwrap();
    let mut live = restored(&deployment.body);
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "theirs".into();
    let (found, at) = (live.clone(), path(&plan, "Deployment"));
    let mut answer = taken(&plan, &[]);
    let world = World::new(move |call| match call.method.as_str() {
        "GET" if call.path == at => Answer::Object(found.clone()),
        _ => answer(call),
    });
    world.knows(deployment, &live);
    let outcome = world.apply(&plan).await;
    assert_eq!(of(&outcome, |it| matches!(it, ApplyResult::Conflict { .. })), set(&["Deployment logs-all"]));
    assert!(
        of(&outcome, |it| matches!(it, ApplyResult::Behind { .. }))
            .contains("HorizontalPodAutoscaler logs-all")
    );
}
