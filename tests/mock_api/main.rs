//! The requests to the API server: their order, their preconditions, and how the engine handles the
//! responses. No server is involved: each test defines every response.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

mod conflicts;
mod server;

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec},
        core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use logpilot_operator::{
    engine::{
        cache::Snapshot,
        child::Child,
        error::{Disposition, Error},
        outcome::{AppliedObject, ApplyResult, Outcome},
        plan::{Key, Plan, Planned, Replicas},
        prune::orphaned,
    },
    kinds::{AddTyped, Managed},
};
use serde_json::{Value, json};
use server::{Answer, Call, OWNER_UID, World, logs, plan_of, server, stored};

const NAMESPACE: &str = "logs";

fn meta(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(NAMESPACE.into()),
        owner_references: Some(vec![OwnerReference {
            api_version: "logpilot.io/v1alpha1".into(),
            kind: "LogPilotCluster".into(),
            name: "logs".into(),
            uid: OWNER_UID.into(),
            controller: Some(true),
            block_owner_deletion: None,
        }]),
        ..ObjectMeta::default()
    }
}

fn namespace() -> Namespace {
    let metadata = ObjectMeta { namespace: None, owner_references: None, ..meta(NAMESPACE) };
    Namespace { metadata, ..Namespace::default() }
}

fn config(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: meta(name),
        data: Some([("a".to_owned(), "1".to_owned())].into()),
        ..ConfigMap::default()
    }
}

fn deployment(replicas: Option<i32>) -> Deployment {
    let spec = DeploymentSpec { replicas, ..DeploymentSpec::default() };
    Deployment { metadata: meta("all"), spec: Some(spec), ..Deployment::default() }
}

/// The response of an API server that carries the write out.
fn done(call: &Call) -> Answer {
    Answer::Object(if call.method == "DELETE" { json!({}) } else { stored(&call.body, "new-uid") })
}

fn results(outcome: Outcome) -> Vec<ApplyResult> {
    outcome.steps.into_iter().map(|step| step.result).collect()
}

/// Applies one ConfigMap to a server with these responses, and returns the result.
async fn applied(answer: impl FnMut(&Call) -> Answer + Send + 'static) -> (World, ApplyResult) {
    let world = World::new(answer);
    let mut outcome = world.apply(&plan_of(config("c"))).await;
    (world, outcome.steps.remove(0).result)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_its_namespace_is() {
    let world =
        World::new(|call| if call.path == "/api/v1/namespaces/logs" { Answer::Silence } else { done(call) });
    let mut plan = plan_of(config("c"));
    plan.add([deployment(Some(1))]);
    plan.add([namespace()]);
    let (outcome, ()) = tokio::join!(world.apply(&plan), async {
        World::settle().await;
        assert_eq!(world.lines(), ["PATCH /api/v1/namespaces/logs"]);
    });
    // The write of its namespace got no response, so everything else waits.
    assert_eq!(world.lines().len(), 1);
    let waiting =
        outcome.steps.iter().filter(|step| matches!(step.result, ApplyResult::Waiting { .. })).count();
    assert_eq!(waiting, 2, "{outcome:#?}");

    let world = World::new(done);
    assert_eq!(results(world.apply(&plan).await), vec![ApplyResult::Created; 3]);
    assert_eq!(world.lines()[0], "PATCH /api/v1/namespaces/logs");
    assert_eq!(world.lines().len(), 3);
}

/// A plan for a namespace that does not exist, in particular a new API key, does not fit an existing
/// one.
#[tokio::test]
async fn an_unseen_namespace_blocks_the_plan() {
    let mut planned = namespace();
    planned.metadata.labels = Some(
        [("app.kubernetes.io/instance", "logs"), ("app.kubernetes.io/managed-by", "logpilot-operator")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    );
    let mut plan = plan_of(planned);
    let there = stored(&plan.objects[0].body, "x");
    plan.add([config("c")]);
    let world = World::new(move |call| match (call.method.as_str(), call.path.as_str()) {
        ("GET", _) => Answer::Object(there.clone()),
        ("PATCH", "/api/v1/namespaces/logs") => {
            Answer::Refusal(409, "Conflict", "the object has been modified")
        }
        _ => done(call),
    });
    let first = results(world.apply(&plan).await);
    assert!(first.iter().all(|result| matches!(result, ApplyResult::Waiting { .. })), "{first:?}");
    assert_eq!(
        results(world.apply(&plan).await),
        [ApplyResult::InSync, ApplyResult::Created],
        "it is known now"
    );
}

/// Pods contain the hash of the key: another key in the next round would replace all pods.
#[tokio::test]
async fn the_generated_key_is_written_first() {
    let world = World::new(|call| match call.method.as_str() {
        "POST" => Answer::Refusal(500, "InternalError", "no"),
        _ => done(call),
    });
    let mut plan = plan_of(Secret { metadata: meta("api-key"), ..Secret::default() });
    plan.add([deployment(Some(1))]);
    let outcome = results(world.apply(&plan).await);
    assert_eq!(world.lines(), ["POST /api/v1/namespaces/logs/secrets"]);
    assert!(
        matches!(&outcome[1], ApplyResult::Waiting { message, .. } if message.contains("Secret logs/api-key")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_unknown_object_is_created_only_if_absent() {
    let (world, result) = applied(done).await;
    assert_eq!(result, ApplyResult::Created);
    let call = world.call(0);
    assert_eq!(call.line(), "PATCH /api/v1/namespaces/logs/configmaps/c");
    assert_eq!(call.content_type, "application/apply-patch+yaml");
    assert_eq!(call.query["fieldManager"], "logpilot-operator");
    assert_eq!(call.query["force"], "true");
    assert_eq!(call.body["metadata"]["resourceVersion"], "1");
    assert!(call.body["metadata"].get("uid").is_none());
    assert_eq!(world.lines().len(), 1, "no read before the write");

    // The response is the newest view: another round has nothing to write.
    assert_eq!(results(world.apply(&plan_of(config("c"))).await), [ApplyResult::InSync]);
    assert_eq!(world.lines().len(), 1);
}

#[tokio::test]
async fn an_object_lost_after_planning_is_not_recreated() {
    let plan = plan_of(config("c"));
    let world = World::new(done);
    let child = world.knows(&plan.objects[0], &stored(&plan.objects[0].body, "its-uid"));
    let planned_from = world.cache.snapshot(&world.owner.resource);
    world.cache.remove(&child);
    assert_eq!(results(world.applier().apply(&plan, &planned_from).await), [ApplyResult::InSync]);
    assert!(world.lines().is_empty(), "a claim made here would be an empty volume in place of lost data");
}

#[tokio::test]
async fn a_known_object_is_written_only_on_drift() {
    let plan = plan_of(config("c"));
    let world = World::new(done);
    world.knows(&plan.objects[0], &stored(&plan.objects[0].body, "its-uid"));
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::InSync]);
    assert!(world.lines().is_empty());

    let mut drifted = stored(&plan.objects[0].body, "its-uid");
    drifted["data"]["a"] = "2".into();
    drifted["metadata"]["resourceVersion"] = "8".into();
    world.knows(&plan.objects[0], &drifted);
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::Updated]);
    let call = world.call(0);
    assert_eq!(call.body["metadata"]["uid"], "its-uid");
    assert!(call.body["metadata"].get("resourceVersion").is_none());
    assert_eq!(call.body["data"], json!({ "a": "1" }));
    assert_eq!(world.lines().len(), 1);
}

#[tokio::test]
async fn a_secret_is_posted_once_and_never_patched() {
    let secret = Secret { metadata: meta("key"), ..Secret::default() };
    let world = World::new(done);
    assert_eq!(results(world.apply(&plan_of(secret.clone())).await), [ApplyResult::Created]);
    assert_eq!(world.lines(), ["POST /api/v1/namespaces/logs/secrets"]);
    assert_eq!(world.call(0).query["fieldManager"], "logpilot-operator");

    let world = World::new(|_| Answer::Refusal(409, "AlreadyExists", "secrets \"key\" already exists"));
    let result = results(world.apply(&plan_of(secret)).await).remove(0);
    assert!(matches!(result, ApplyResult::Waiting { .. }), "{result:?}");
    assert_eq!(world.lines().len(), 1, "one that exists is left as it is");
}

/// Fault catalogue: F12.
#[tokio::test]
async fn a_taken_name_is_read_once() {
    let answer = |found: Value| {
        move |call: &Call| match call.method.as_str() {
            "GET" => Answer::Object(found.clone()),
            "PATCH" if call.body["metadata"]["resourceVersion"] == "1" => {
                Answer::Refusal(409, "Conflict", "the object has been modified")
            }
            _ => done(call),
        }
    };
    let body = plan_of(config("c")).objects[0].body.clone();

    let foreign =
        json!({ "metadata": { "name": "c", "namespace": NAMESPACE, "uid": "x", "resourceVersion": "5" } });
    let (world, result) = applied(answer(foreign)).await;
    assert!(
        matches!(&result, ApplyResult::Conflict { message, .. } if message.contains("taken by another object")),
        "{result:?}"
    );
    let path = "/api/v1/namespaces/logs/configmaps/c";
    assert_eq!(world.lines(), [format!("PATCH {path}"), format!("GET {path}")]);

    // The operator's own create, whose response was lost.
    let (world, result) = applied(answer(stored(&body, "x"))).await;
    assert_eq!(result, ApplyResult::InSync);
    assert_eq!(world.lines(), [format!("PATCH {path}"), format!("GET {path}")]);

    // The operator's object, changed in the meantime.
    let mut drifted = stored(&body, "x");
    drifted["data"]["a"] = "2".into();
    let (world, result) = applied(answer(drifted)).await;
    assert_eq!(result, ApplyResult::Updated);
    assert_eq!(world.call(2).body["metadata"]["uid"], "x");
}

/// Fault catalogue: F17.
#[tokio::test]
async fn replicas_of_an_autoscaler_are_not_written() {
    let mut plan = Plan::default();
    plan.add_with([deployment(None)], Replicas::Autoscaled { initial: 2 }, None);
    let world = World::new(|call| match call.query.get("force") {
        None => Answer::Refusal(
            409,
            "Conflict",
            "Apply failed with 1 conflict: conflict with \"kube-controller-manager\" with subresource \"scale\": .spec.replicas",
        ),
        _ => done(call),
    });
    // The watch is behind: the operator's entry still owns 3.
    let mut ours = plan.objects[0].body.clone();
    ours["spec"]["replicas"] = 3.into();
    ours["spec"]["paused"] = true.into();
    world.knows(&plan.objects[0], &stored(&ours, "its-uid"));
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::Updated]);
    assert_eq!(world.call(0).body["spec"]["replicas"], 3, "dropped, it would fall to 1");
    assert_eq!(world.call(1).query["force"], "true");
    assert!(world.call(1).body["spec"].get("replicas").is_none(), "{:?}", world.call(1));

    // A recreated object starts with the planned number.
    let world = World::new(done);
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::Created]);
    assert_eq!(world.call(0).body["spec"]["replicas"], 2);
}

#[tokio::test]
async fn replicas_scaled_by_others_are_not_written() {
    let mut plan = Plan::default();
    plan.add_with([deployment(Some(3))], Replicas::AutoscaledByOthers, None);
    let world = World::new(done);
    // Another field has drifted, and the number belongs to another manager.
    let mut theirs = plan.objects[0].body.clone();
    theirs["spec"]["paused"] = true.into();
    theirs["spec"].as_object_mut().unwrap().remove("replicas");
    let mut live = stored(&theirs, "its-uid");
    live["spec"]["replicas"] = 7.into();
    world.knows(&plan.objects[0], &live);
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::Updated]);
    assert!(world.call(0).body["spec"].get("replicas").is_none(), "{:?}", world.call(0));
    assert_eq!(world.lines().len(), 1);
}

/// The owner was not visible when the plan was computed, so it was not looked up.
#[tokio::test]
async fn replicas_of_unknown_owners_are_not_written() {
    let mut plan = Plan::default();
    plan.add_with([deployment(Some(3))], Replicas::Planned, None);
    let mut theirs = plan.objects[0].body.clone();
    theirs["spec"].as_object_mut().unwrap().remove("replicas");
    let mut live = stored(&theirs, "its-uid");
    live["spec"]["replicas"] = 7.into();
    let world = World::new(move |call: &Call| match call.method.as_str() {
        "GET" => Answer::Object(live.clone()),
        _ => Answer::Refusal(409, "Conflict", "the object has been modified"),
    });
    let result = results(world.apply(&plan).await).remove(0);
    assert!(
        matches!(&result, ApplyResult::Waiting { message, .. } if message.contains("planning again")),
        "{result:?}"
    );
    assert_eq!(world.lines().len(), 2, "one try and one read: {:?}", world.lines());
}

#[tokio::test]
async fn a_config_map_with_other_data_is_recreated() {
    let plan = plan_of(config("c"));
    let world = World::new(|call| match call.method.as_str() {
        "PATCH" if call.body["metadata"]["uid"] == "its-uid" => {
            Answer::Refusal(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        }
        _ => done(call),
    });
    let mut other = stored(&plan.objects[0].body, "its-uid");
    other["data"]["a"] = "2".into();
    world.knows(&plan.objects[0], &other);
    assert_eq!(results(world.apply(&plan).await), [ApplyResult::Created]);
    assert_eq!(world.call(1).method, "DELETE");
    assert_eq!(world.call(1).body["preconditions"]["uid"], "its-uid");
    assert_eq!(world.call(2).body["metadata"]["resourceVersion"], "1");
}

/// Code, reason and message of a rejection, with its reason in the status and its disposition.
#[tokio::test]
async fn each_rejection_has_its_disposition() {
    use Disposition::{Refresh, Retry, UserAction};
    let table: &[(u16, &str, &str, &str, Disposition)] = &[
        (400, "BadRequest", "strict decoding error", "Invalid", UserAction),
        (401, "Unauthorized", "Unauthorized", "Forbidden", UserAction),
        (403, "Forbidden", "configmaps is forbidden: User cannot patch", "Forbidden", UserAction),
        (403, "Forbidden", "exceeded quota: small, requested: configmaps=1", "QuotaExceeded", UserAction),
        (
            403,
            "Forbidden",
            "deployments.apps \"d\" is forbidden: User \"system:serviceaccount:o:o\" cannot patch resource \"deployments\" in API group \"apps\" in the namespace \"n\"",
            "Forbidden",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "persistentvolumeclaims \"c\" is forbidden: minimum storage usage per PersistentVolumeClaim is 20Gi, but request is 10Gi",
            "LimitRangeExceeded",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi",
            "LimitRangeExceeded",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "persistentvolumeclaims \"c\" is forbidden: insufficient quota to consume: gold.storageclass.storage.k8s.io/requests.storage",
            "QuotaExceeded",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
            "VolumeResize",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "services \"s\" is forbidden: Use of external IPs is denied by admission control",
            "AdmissionDenied",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "configmaps \"c\" is forbidden: a plugin that nobody knows",
            "AdmissionDenied",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "configmaps \"c\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
            "Forbidden",
            UserAction,
        ),
        (
            403,
            "Forbidden",
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            "AdmissionDenied",
            UserAction,
        ),
        (403, "Forbidden", "pods \"a\" is forbidden: violates PodSecurity", "AdmissionDenied", UserAction),
        (404, "NotFound", "namespaces \"logs\" not found", "NotFound", Refresh),
        (413, "RequestEntityTooLarge", "Request entity too large", "TooLarge", UserAction),
        (422, "Invalid", "spec.ports: Required value", "Invalid", UserAction),
        (
            422,
            "Invalid",
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
            "VolumeResize",
            UserAction,
        ),
        (
            500,
            "",
            "failed to create typed patch object: .x: field not declared in schema",
            "Invalid",
            UserAction,
        ),
        (500, "InternalError", "failed calling webhook", "ApiUnavailable", Retry),
        (500, "InternalError", "admission webhook \"x\" denied the request", "AdmissionDenied", Retry),
        (503, "ServiceUnavailable", "shutting down", "ApiUnavailable", Retry),
        (504, "Timeout", "request did not complete within the allotted timeout", "ApiUnavailable", Retry),
    ];
    for (code, reason, message, wanted, disposition) in table.iter().copied() {
        let (world, result) = applied(move |_| Answer::Refusal(code, reason, message)).await;
        let ApplyResult::Failed(error) = result else { panic!("{code} {message}: {result:?}") };
        assert_eq!((error.reason(), error.disposition()), (wanted, disposition), "{code} {message}");
        assert!(error.to_string().starts_with("apply ConfigMap logs/c: "), "{error}");
        assert_eq!(world.lines().len(), 1, "{code}: who calls decides when to try again");
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_errors_and_retry_after_is_kept() {
    let started = tokio::time::Instant::now();
    let (_, result) = applied(|_| Answer::Silence).await;
    assert!(
        matches!(&result, ApplyResult::Failed(error @ Error::Timeout { .. }) if error.reason() == "ApiUnavailable")
    );
    assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());

    let (_, result) = applied(|_| Answer::ReconcileFailure).await;
    let ApplyResult::Failed(error @ Error::Transport { .. }) = result else { panic!("{result:?}") };
    assert_eq!(error.disposition(), Disposition::Retry);
    assert!(error.to_string().contains("connection reset"), "{error}");

    let (_, result) = applied(|_| Answer::Later(429, 7)).await;
    let ApplyResult::Failed(error) = result else { panic!("{result:?}") };
    assert_eq!(
        (error.retry_after(), error.disposition()),
        (Some(Duration::from_secs(7)), Disposition::Retry)
    );

    // A terminating namespace is not an error.
    let terminating =
        "forbidden: unable to create new content in namespace logs because it is being terminated";
    let (_, result) = applied(move |_| Answer::Refusal(403, "Forbidden", terminating)).await;
    assert!(matches!(&result, ApplyResult::Waiting { reason: "NamespaceTerminating", .. }), "{result:?}");
}

/// Without this, a plan of dozens of objects would exceed the reconcile's deadline, and the cause would
/// not be reported.
#[tokio::test(start_paused = true)]
async fn one_timeout_stops_further_requests() {
    let world = World::new(|_| Answer::Silence);
    let mut plan = plan_of(config("c0"));
    plan.add((1..30).map(|number| config(&format!("c{number}"))));
    let started = tokio::time::Instant::now();
    let outcome = results(world.apply(&plan).await);
    assert!(started.elapsed() < Duration::from_secs(31), "{:?}", started.elapsed());
    assert!(world.lines().len() < 16, "{} of 30 were asked", world.lines().len());
    assert!(outcome.iter().all(|result| !result.is_settled()), "{outcome:?}");
    assert!(outcome.iter().any(|result| matches!(result, ApplyResult::Failed(Error::Timeout { .. }))));
}

#[tokio::test]
async fn a_rejected_object_waits_until_it_changes() {
    let world = World::new(|_| Answer::Refusal(422, "Invalid", "never right"));
    let plan = plan_of(deployment(Some(1)));
    let first = results(world.apply(&plan).await);
    assert_eq!(results(world.apply(&plan).await), first, "the same answer");
    assert_eq!(world.lines().len(), 1, "asked once");
    world.apply(&plan_of(deployment(Some(2)))).await;
    assert_eq!(world.lines().len(), 2, "another body is another question");
}

#[tokio::test]
async fn a_delete_has_a_uid_precondition() {
    let refused = |code, reason, words| move |_: &Call| Answer::Refusal(code, reason, words);
    let child = || {
        let plan = plan_of(config("c"));
        Child::read(plan.objects[0].kind, &stored(&plan.objects[0].body, "its-uid")).unwrap()
    };
    let prune = async |world: &World| {
        world.applier().prune(vec![&child()], &Snapshot::default()).await.remove(0).result
    };

    let world = World::new(|_| Answer::Object(json!({})));
    assert_eq!(prune(&world).await, ApplyResult::Deleted);
    let call = world.call(0);
    assert_eq!(call.line(), "DELETE /api/v1/namespaces/logs/configmaps/c");
    assert_eq!(call.body["preconditions"], json!({ "uid": "its-uid" }));
    assert_eq!(call.body["propagationPolicy"], "Background");

    assert_eq!(
        prune(&World::new(refused(404, "NotFound", "no"))).await,
        ApplyResult::Deleted,
        "gone already"
    );
    let other = "Precondition failed: UID in precondition: its-uid, UID in object meta: another";
    assert_eq!(
        prune(&World::new(refused(409, "Conflict", other))).await,
        ApplyResult::InSync,
        "another one has its name"
    );
    let again = prune(&World::new(refused(409, "Conflict", "the object has been modified"))).await;
    assert!(matches!(again, ApplyResult::Waiting { reason: "Progressing", .. }), "still there: {again:?}");
    let forbidden = prune(&World::new(refused(403, "Forbidden", "no"))).await;
    assert!(matches!(forbidden, ApplyResult::Failed(_)), "{forbidden:?}");
}

#[tokio::test]
async fn an_object_without_labels_is_read_before_deletion() {
    let old = plan_of(config("old")).objects.remove(0);
    let live = stored(&old.body, "its-uid");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut found = live.clone();
        change(&mut found["metadata"]);
        Some(found)
    };
    let looked = "GET /api/v1/namespaces/logs/configmaps/old";
    let deleted = "DELETE /api/v1/namespaces/logs/configmaps/old";
    for (found, asked) in [
        (with(&|metadata| drop(metadata.as_object_mut().unwrap().remove("labels"))), vec![looked, deleted]),
        (with(&|metadata| metadata["uid"] = "another".into()), vec![looked]),
        (with(&|metadata| metadata["ownerReferences"] = json!([])), vec![looked]),
        (with(&|metadata| metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z".into()), vec![looked]),
        (None, vec![looked]),
    ] {
        let world = World::new(move |call| match (call.method.as_str(), &found) {
            ("GET", None) => Answer::Refusal(404, "NotFound", "no"),
            ("GET", Some(found)) => Answer::Object(found.clone()),
            _ => Answer::Object(json!({})),
        });
        world.cache.track(&logs());
        world.knows(&old, &live);
        world.cache.remove(&Child::read(old.kind, &live).unwrap());
        let (plan, done) = (Plan::default(), Outcome::default());
        let orphaned = |snapshot: &Snapshot| -> Vec<Child> {
            orphaned(&plan, &done, snapshot, &world.owner, |_| false).into_iter().cloned().collect()
        };
        let snapshot = world.cache.snapshot(&logs());
        let lost = orphaned(&snapshot);
        world.applier().prune(lost.iter().collect(), &snapshot).await;
        assert_eq!(world.lines(), asked);
        assert_eq!(orphaned(&world.cache.snapshot(&logs())), [], "and once is enough");
    }
}

#[tokio::test]
async fn an_eviction_has_uid_and_version_preconditions() {
    let (writer, calls) = server(|_| Answer::Object(json!({})));
    let key = Key { namespace: Some(NAMESPACE.into()), name: "p".into() };
    writer.evict(Pod::KIND, &key, "its-uid", 7).await.unwrap();
    let call = calls.lock().unwrap()[0].clone();
    assert_eq!(call.line(), "POST /api/v1/namespaces/logs/pods/p/eviction");
    assert_eq!(call.body["kind"], "Eviction");
    assert_eq!(call.body["metadata"], json!({ "name": "p", "namespace": "logs" }));
    let meant = json!({ "preconditions": { "uid": "its-uid", "resourceVersion": "7" } });
    assert_eq!(call.body["deleteOptions"], meant);
}

#[tokio::test]
async fn only_owned_and_unplanned_objects_are_pruned() {
    let world = World::new(done);
    let plan = plan_of(config("planned"));
    let add = |planned: &Planned, uid: &str, change: &dyn Fn(&mut Value)| {
        let mut live = stored(&planned.body, uid);
        change(&mut live);
        world.knows(planned, &live);
    };
    let labelled = |live: &mut Value| {
        live["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "logpilot-operator", "app.kubernetes.io/instance": "logs" });
    };
    let map = |name: &str| plan_of(config(name)).objects.remove(0);
    add(&map("planned"), "1", &|_| {});
    add(&map("old"), "2", &|_| {});
    add(&map("in-use"), "3", &|_| {});
    add(&map("deleting"), "4", &|live| live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into());
    add(&map("of-an-earlier-one"), "5", &|live| {
        live["metadata"]["ownerReferences"][0]["uid"] = "other".into();
    });
    add(&map("labelled-only"), "6", &|live| {
        labelled(live);
        live["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    });
    let claim = PersistentVolumeClaim { metadata: meta("data"), ..PersistentVolumeClaim::default() };
    add(&plan_of(claim).objects[0], "7", &labelled);
    let service = Service { metadata: meta("old"), ..Service::default() };
    add(&plan_of(service).objects[0], "8", &|_| {});

    let snapshot = world.cache.snapshot(&logs());
    assert!(snapshot.children.len() >= 7, "{:?}", snapshot.children.keys());
    let names = |outcome: &Outcome| -> Vec<String> {
        let keep = |child: &Child| child.key.name == "in-use";
        orphaned(&plan, outcome, &snapshot, &world.owner, keep).iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(&Outcome::default()), ["ConfigMap logs/old", "Service logs/old"]);

    // An unsettled object prevents pruning of its own kind, and of all kinds if pods may still use
    // their objects.
    let failed = |kind| {
        let key = Key { namespace: Some(NAMESPACE.into()), name: "x".into() };
        let error = Error::Timeout { verb: "apply", object: "x".into(), deadline: Duration::from_secs(15) };
        Outcome {
            steps: vec![AppliedObject { id: (kind, key), result: ApplyResult::Failed(error) }],
            ..Outcome::default()
        }
    };
    assert_eq!(names(&failed(Service::KIND)), ["ConfigMap logs/old"]);
    assert!(names(&failed(Deployment::KIND)).is_empty());
    assert!(names(&failed(Namespace::KIND)).is_empty());
}

#[tokio::test]
async fn a_status_is_one_patch_with_a_precondition() {
    let (writer, calls) = server(done);
    let status = json!({ "observedGeneration": 3 });
    let resource = logs();
    writer.status(&resource, Some(7), &status).await.unwrap();
    let call = calls.lock().unwrap()[0].clone();
    assert_eq!(call.line(), "PATCH /apis/logpilot.io/v1alpha1/logpilotclusters/logs/status");
    assert_eq!(call.query["force"], "true");
    assert_eq!(call.body["metadata"], json!({ "name": "logs", "resourceVersion": "7" }));
    assert_eq!(call.body["status"], status);
    writer.status(&resource, None, &status).await.unwrap();
    assert_eq!(calls.lock().unwrap()[1].body["metadata"], json!({ "name": "logs" }));
}
