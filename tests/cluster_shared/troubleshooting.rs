//! The report of each failure: the object, the reason, the cause in Kubernetes' words, and the next
//! action. Each failure is caused, found in `problems`, corrected, and cleared. The table for users
//! is docs/troubleshooting.md.

use k8s_openapi::{
    api::core::v1::{Node, Pod},
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
};
use logpilot_operator::{kinds::Managed, reasons};

use super::*;

/// One row of the table: how a problem begins, and what its texts contain.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    severity: &'a str,
    reason: &'a str,
    object: &'a str,
    words: &'a str,
    advice: &'a str,
}

pub(super) const fn error<'a>(reason: &'a str, object: &'a str, words: &'a str, advice: &'a str) -> Row<'a> {
    Row { severity: "Error", reason, object, words, advice }
}

pub(super) const fn warning<'a>(
    reason: &'a str,
    object: &'a str,
    words: &'a str,
    advice: &'a str,
) -> Row<'a> {
    Row { severity: "Warning", ..error(reason, object, words, advice) }
}

impl Row<'_> {
    fn is(&self, problem: &Value) -> bool {
        let text = |field: &str| problem[field].as_str().unwrap_or_default();
        text("severity") == self.severity
            && text("reason") == self.reason
            && text("object").starts_with(self.object)
            && text("message").contains(self.words)
            && text("action").contains(self.advice)
    }

    fn of<'a>(&self, status: &'a Value) -> Option<&'a Value> {
        status["problems"].as_array().into_iter().flatten().find(|problem| self.is(problem))
    }
}

/// Waits until a status reports this; returns the problem.
pub(super) async fn told(case: &Case, row: Row<'_>) -> Value {
    told_within(case, row, SOON).await
}

pub(super) async fn told_within(case: &Case, row: Row<'_>, deadline: Duration) -> Value {
    let Row { severity, reason, object, words, advice } = row;
    let what = format!("{severity} {reason} of {object}: '{words}', and to do: '{advice}'");
    let status = case.until(&what, deadline, |status| row.of(status).is_some()).await;
    if severity == "Error" {
        assert_eq!(condition(&status, "Ready").0, "False", "{status:#}");
    }
    row.of(&status).unwrap().clone()
}

/// Waits until the resource is Ready and the reason has cleared.
pub(super) async fn healed(case: &Case, reason: &str) {
    case.until(&format!("no more {reason}"), Duration::from_secs(40), |status| {
        condition(status, "Ready").0 == "True" && !problems(status).contains(reason)
    })
    .await;
}

fn pods(case: &Case) -> Api<Pod> {
    Api::namespaced(case.client.clone(), case.ns())
}

/// Returns the case's pod that is ready and stays. A status may be Ready slightly before or after
/// its pod.
async fn pod(case: &Case) -> Pod {
    wait_for(format!("a ready pod of {}", case.ns()), SOON, async || {
        let all = pods(case).list(&ListParams::default()).await.unwrap();
        let ready = |pod: &Pod| {
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            pod.metadata.deletion_timestamp.is_none()
                && conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
        };
        all.items.into_iter().find(ready).ok_or_else(|| "none yet".to_owned())
    })
    .await
    .unwrap()
}

/// Writes the pod status that a kubelet or the node controller would write.
async fn report(case: &Case, pod: &str, status: &Value) {
    let patch = Patch::Strategic(json!({ "status": status }));
    pods(case).patch_status(pod, &PatchParams::default(), &patch).await.unwrap();
}

fn container(state: &Value) -> Value {
    let mut status =
        json!({ "name": "logpilot", "image": IMAGE, "imageID": "", "ready": false, "restartCount": 0 });
    status.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    json!({ "containerStatuses": [status], "conditions": [
        { "type": "ContainersReady", "status": "False", "reason": "ContainersNotReady" },
        { "type": "Ready", "status": "False", "reason": "ContainersNotReady" },
    ] })
}

fn waiting(reason: &str, message: &str) -> Value {
    container(&json!({ "state": { "waiting": { "reason": reason, "message": message } } }))
}

fn crashed(code: i32, reason: &str, words: &str) -> Value {
    container(&json!({
        "restartCount": 3,
        "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container" } },
        "lastState": { "terminated": { "exitCode": code, "reason": reason, "message": words } },
    }))
}

/// A container that was killed after this many seconds.
fn killed(code: i32, seconds: i64) -> Value {
    let mut status = crashed(code, "Error", STARTED);
    let began = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let end = &mut status["containerStatuses"][0]["lastState"]["terminated"];
    end["startedAt"] = json!(began);
    end["finishedAt"] = json!(began + SignedDuration::from_secs(seconds));
    status
}

/// The end of the log of a running server.
const STARTED: &str = include_str!("../../src/logpilot/tests/last_words/terminated.txt");
/// The ends of logs of servers that do not start: 2,048 bytes, most of them stack frames.
const NO_DATABASE: &str = include_str!("../../src/logpilot/tests/last_words/sqlite_not_a_database.txt");
const DENIED: &str = include_str!("../../src/logpilot/tests/last_words/sqlite_denied.txt");
const FULL: &str = include_str!("../../src/logpilot/tests/last_words/sqlite_full.txt");
const FRAMES: &str = include_str!("../../src/logpilot/tests/last_words/yaml_broken.txt");

/// A container that runs, and is not ready since this moment.
fn unready(started: bool, containers: &str, since: &str) -> Value {
    let ready = containers == "True";
    let state = json!({ "state": { "running": { "startedAt": since } }, "started": started, "ready": ready });
    let mut status = container(&state);
    status["conditions"] = json!([
        { "type": "ContainersReady", "status": containers },
        { "type": "Ready", "status": "False", "lastTransitionTime": since },
    ]);
    status
}

#[tokio::test]
async fn kubelet_messages_are_reported_with_actions() {
    let case = case("kubelet").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let long_ago = "2020-01-01T00:00:00Z";
    let at = "Pod kubelet/kubelet-all-";
    let unseen = json!({
        "phase": "Pending", "containerStatuses": null,
        "conditions": [
            { "type": "PodScheduled", "status": "True", "lastTransitionTime": long_ago },
            { "type": "ContainersReady", "status": "False" }, { "type": "Ready", "status": "False" },
        ],
    });
    let evicted = json!({
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "conditions": [{ "type": "Ready", "status": "False" }, { "type": "ContainersReady", "status": "False" }],
    });
    for (status, row) in [
        (
            waiting("ErrImagePull", "failed to authorize: 401 Unauthorized"),
            error(reasons::IMAGE_PULL, at, "401", "spec.imagePullSecrets"),
        ),
        (
            waiting("ImagePullBackOff", "dial tcp: lookup registry.example: no such host"),
            error(reasons::IMAGE_PULL, at, "no such host", "DNS"),
        ),
        (
            crashed(1, "Error", "Failed to bind properties under 'logpilot.port'"),
            error(
                reasons::CRASH_LOOP,
                at,
                "exit code 1 (Error), restarted 3 times: Failed to bind",
                "spec.config or env",
            ),
        ),
        (
            crashed(1, "Error", NO_DATABASE),
            error(
                reasons::DATABASE_INVALID,
                at,
                "restarted 3 times: org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file",
                "spec.restore",
            ),
        ),
        (
            crashed(1, "Error", DENIED),
            error(
                reasons::DATA_NOT_WRITABLE,
                at,
                "opening db: '/data/logpilot.db': Permission denied",
                "fsGroup",
            ),
        ),
        (
            crashed(1, "Error", FULL),
            error(reasons::VOLUME_FULL, at, "[SQLITE_FULL] Insertion failed", "spec.storage.volume.size"),
        ),
        (
            crashed(1, "Error", FRAMES),
            error(
                reasons::CRASH_LOOP,
                at,
                "its termination message names no cause; kubectl logs --previous -n kubelet kubelet-all-",
                "exception-conversion-word",
            ),
        ),
        (
            killed(137, 141),
            error(
                reasons::CRASH_LOOP,
                at,
                "killed after 141 s by its startup probe, which allows 110 s for a start; the probe's last answer: kubectl get \
                 events -n kubelet --field-selector reason=Unhealthy,involvedObject.name=kubelet-all-",
                "probes.startup.failureThreshold",
            ),
        ),
        (
            killed(143, 180),
            error(reasons::CRASH_LOOP, at, "killed after 180 s by its liveness probe", "probes.liveness"),
        ),
        (
            killed(137, 3600),
            error(
                reasons::CRASH_LOOP,
                at,
                "of unknown origin: kubectl get events -n kubelet --field-selector involvedObject.name=kubelet-all-",
                "Killing and Unhealthy",
            ),
        ),
        (
            crashed(143, "Error", ""),
            error(
                reasons::CRASH_LOOP,
                at,
                "liveness or startup probe fails",
                "probes.startup.failureThreshold",
            ),
        ),
        (
            crashed(137, "OOMKilled", ""),
            error(reasons::OOM_KILLED, at, "exit code 137", "raise resources.limits.memory"),
        ),
        (
            waiting("CreateContainerConfigError", "secret \"token\" not found"),
            error(
                reasons::CONTAINER_CONFIG,
                at,
                "secret \"token\" not found",
                "create what the message names",
            ),
        ),
        (
            waiting("RunContainerError", "exec: no such file"),
            error(reasons::CONTAINER_START, at, "no such file", "container runtime"),
        ),
        (unseen, error(reasons::CONTAINER_CREATING, at, "has not started to create it", "kubelet")),
        (
            unready(false, "False", long_ago),
            error(reasons::NOT_READY, at, "startup probe", "failureThreshold"),
        ),
        (
            unready(true, "False", long_ago),
            error(reasons::NOT_READY, at, "readiness probe", "kubectl describe pod"),
        ),
        (
            unready(true, "True", long_ago),
            error(reasons::NODE_LOST, at, "does not answer", "kubectl describe node"),
        ),
        (evicted, warning(reasons::EVICTED, at, "low on resource: memory", "resources.requests")),
    ] {
        let pod = pod(&case).await;
        report(&case, &pod.name_any(), &status).await;
        let problem = told(&case, row).await;
        assert_eq!(problem["object"], format!("Pod {}/{}", case.ns(), pod.name_any()));
        assert_eq!(problem["node"].as_str(), pod.spec.as_ref().unwrap().node_name.as_deref(), "{problem:#}");
        pods(&case).delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await.unwrap();
        healed(&case, row.reason).await;
    }
}

#[tokio::test]
async fn pull_failures_name_missing_pull_secrets() {
    let case = case("pull").await;
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot-image-pull:2");
    spec["imagePullSecrets"] = json!([{ "name": "login" }]);
    case.apply(spec.clone()).await;
    let problem =
        told(&case, error(reasons::IMAGE_PULL, "Pod pull/pull-all-", "not found", "name or tag")).await;
    let missing = |words| {
        warning(reasons::REFERENCE_MISSING, "Secret pull/login", words, "create what the message names")
    };
    told(&case, missing("does not exist, which spec.imagePullSecrets names")).await;
    // The first place users check: kubectl describe pod.
    let name = problem["object"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    wait_for("the event on the pod", SOON, async || {
        let events: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(case.client.clone(), case.ns());
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let ours = all.iter().find(|event| {
            let of = event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref());
            of == Some(&name) && event.reason.as_deref() == Some(reasons::IMAGE_PULL)
        });
        let event = ours.ok_or("none yet")?;
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert!(event.note.as_deref().unwrap().contains(problem["action"].as_str().unwrap()), "{event:#?}");
        Ok::<_, String>(())
    })
    .await
    .unwrap();
    let secret = |data: Value| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "login", "namespace": "pull" }, "stringData": data });
    cluster::apply(&case.client, &secret(json!({ "password": "x" }))).await;
    told(&case, missing("has no key '.dockerconfigjson' or '.dockercfg'")).await;
    cluster::apply(&case.client, &secret(json!({ ".dockerconfigjson": "{}" }))).await;
    spec["image"] = json!(IMAGE);
    case.apply(spec).await;
    healed(&case, reasons::IMAGE_PULL).await;
    healed(&case, reasons::REFERENCE_MISSING).await;
}

#[tokio::test]
async fn mount_failures_are_reported_from_the_pod_alone() {
    let case = case("mount").await;
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot-cannot-mount:2");
    case.apply(spec).await;
    let at = "Pod mount/mount-all-";
    told(&case, error(reasons::CONTAINER_CREATING, at, "volumes or network are not set up", "FailedMount"))
        .await;
    case.apply(quickstart()).await;
    healed(&case, reasons::CONTAINER_CREATING).await;
}

/// A node of this test's own: no other pods select it, or tolerate it.
async fn own_node(case: &Case, taint: bool) -> Node {
    let taints = if taint {
        json!([{ "key": "dedicated", "value": case.name, "effect": "NoSchedule" }])
    } else {
        json!([])
    };
    case.node(&format!("node-of-{}", case.name), &taints).await
}

#[tokio::test]
async fn an_unschedulable_pod_reports_causes_and_actions() {
    let case = case("nowhere").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let node = own_node(&case, true).await.name_any();
    let with = |fields: Value| {
        let mut spec = quickstart();
        spec["components"]["all"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    };
    let huge = json!({ "requests": { "cpu": "5000" }, "limits": { "cpu": "5000" } });
    let own = json!({ "only-for": case.name });
    for (fields, words, advice) in [
        (json!({ "nodeSelector": { "disk": "none" } }), "node affinity/selector", "nodeSelector"),
        (json!({ "resources": huge }), "Insufficient cpu", "lower resources.requests"),
        (json!({ "nodeSelector": own }), "untolerated taint", "add tolerations"),
    ] {
        case.apply(with(fields)).await;
        told(&case, error(reasons::UNSCHEDULABLE, "Pod nowhere/nowhere-all-", words, advice)).await;
    }
    // The advice of the problem; the pods of one volume run on one node, and the old pod still runs
    // elsewhere.
    let toleration = json!([{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }]);
    let mut there = json!({ "nodeSelector": own, "tolerations": toleration });
    case.apply(with(there.clone())).await;
    let at = "Pod nowhere/nowhere-all-";
    told(&case, error(reasons::UNSCHEDULABLE, at, "pod affinity rules", "share a volume run on one node"))
        .await;
    let recreate = json!({ "type": "Recreate" });
    there["strategy"] = recreate.clone();
    case.apply(with(there)).await;
    healed(&case, reasons::UNSCHEDULABLE).await;
    assert_eq!(pod(&case).await.spec.unwrap().node_name.as_deref(), Some(&*node));
    case.apply(with(json!({ "strategy": recreate }))).await;
    case.ready().await;
    case.delete_node(&node).await;
}

pub(super) fn on_class(class: &str) -> Value {
    let mut spec = quickstart();
    spec["storage"] = json!({ "volume": { "storageClassName": class } });
    spec
}

#[tokio::test]
async fn a_pending_pvc_names_class_and_provisioner() {
    let case = case("claims-class").await;
    let claim = "PersistentVolumeClaim claims-class/claims-class-data";
    case.apply(on_class("claims-class")).await;
    let row = error(
        reasons::VOLUME_PENDING,
        claim,
        "storage class claims-class does not exist",
        "kubectl get storageclass",
    );
    told(&case, row).await;
    // The pod that waits for the PVC is no second problem.
    let settled = case.status().await;
    assert!(!problems(&settled).contains(reasons::UNSCHEDULABLE), "{settled:#}");
    // Another size is rejected until there is a volume.
    let mut larger = on_class("claims-class");
    larger["storage"]["volume"]["size"] = json!("30Gi");
    case.apply(larger).await;
    let held = "it requests 10Gi until then, and 30Gi afterwards";
    told(&case, warning(reasons::VOLUME_RESIZE, claim, held, "wait")).await;
    let refused = case.status().await;
    assert!(!problems(&refused).contains("immutable"), "{refused:#}");
    class(&case, "claims-class", local_cluster::volumes::PROVISIONER, "Immediate").await;
    healed(&case, reasons::VOLUME_PENDING).await;
    healed(&case, reasons::VOLUME_RESIZE).await;
    let grown = case.child("PersistentVolumeClaim", "claims-class-data").await;
    assert_eq!(grown.data["spec"]["resources"]["requests"]["storage"], "30Gi");

    let case = self::case("claims-nobody").await;
    let claim = "PersistentVolumeClaim claims-nobody/claims-nobody-data";
    case.apply(on_class(local_cluster::volumes::NEVER)).await;
    told(
        &case,
        error(
            reasons::VOLUME_PENDING,
            claim,
            "has not provisioned a volume of storage class never",
            "of that provisioner",
        ),
    )
    .await;
}

#[tokio::test]
async fn a_pvc_awaiting_its_pod_is_no_cause() {
    let case = case("claims-wait").await;
    class(&case, "claims-wait", local_cluster::volumes::PROVISIONER, "WaitForFirstConsumer").await;
    let mut spec = on_class("claims-wait");
    spec["components"]["all"]["nodeSelector"] = json!({ "disk": "none" });
    case.apply(spec).await;
    let at = "Pod claims-wait/claims-wait-all-";
    told(&case, error(reasons::UNSCHEDULABLE, at, "node affinity/selector", "nodeSelector")).await;
    // Longer than the time that a PVC gets to settle.
    let since = Instant::now();
    case.until("only the pod is blamed", SOON, |status| {
        assert!(!problems(status).contains(reasons::VOLUME_PENDING), "{status:#}");
        since.elapsed() > Duration::from_secs(6)
    })
    .await;
    case.apply(on_class("claims-wait")).await;
    healed(&case, reasons::UNSCHEDULABLE).await;
}

async fn class(case: &Case, name: &str, provisioner: &str, binding: &str) {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": name },
        "provisioner": provisioner, "volumeBindingMode": binding, "reclaimPolicy": "Delete",
        "allowVolumeExpansion": true,
    });
    cluster::apply(&case.client, &class).await;
}

#[tokio::test]
async fn refused_pods_name_what_refuses_them() {
    let case = case("refused").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let set = "ReplicaSet refused/refused-all-";
    let limits = json!([{ "type": "Container", "max": { "memory": "64Mi" } }]);
    let policy = json!({ "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }] },
        "validations": [{ "expression": "false", "message": "no pods today" }] });
    let binding = json!({ "policyName": "refused", "validationActions": ["Deny"],
        "matchResources": { "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "refused" } } } });
    let object = |version: &str, kind: &str, spec: Value| {
        let namespace = (version == "v1").then_some("refused");
        let name = if version == "v1" { "theirs" } else { "refused" };
        json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": namespace }, "spec": spec })
    };
    let admission = "admissionregistration.k8s.io/v1";
    cluster::apply(&case.client, &object(admission, "ValidatingAdmissionPolicy", policy)).await;
    for (refuser, row) in [
        (
            object("v1", "LimitRange", json!({ "limits": limits })),
            error(
                reasons::LIMIT_RANGE,
                set,
                "maximum memory usage per Container is 64Mi",
                "change the resources",
            ),
        ),
        (
            object("v1", "ResourceQuota", json!({ "hard": { "pods": "0" } })),
            error(reasons::QUOTA_EXCEEDED, set, "exceeded quota: theirs", "raise the quota"),
        ),
        (
            object(admission, "ValidatingAdmissionPolicyBinding", binding),
            error(reasons::ADMISSION_DENIED, set, "no pods today", "follow the policy's message"),
        ),
    ] {
        let made = cluster::apply(&case.client, &refuser).await;
        // A policy is in force a moment after its creation, and a quota once it is counted: the pod
        // is deleted until its replacement is rejected.
        wait_for(format!("{} to refuse pods", made.name_any()), SOON, async || {
            if row.of(&case.status().await).is_some() {
                return Ok(());
            }
            let (now, all) = (DeleteParams::default().grace_period(0), ListParams::default());
            pods(&case).delete_collection(&now, &all).await.unwrap();
            Err(format!("{:#}", case.status().await["problems"]))
        })
        .await
        .unwrap();
        told(&case, row).await;
        remove(&case, &refuser).await;
        // A ReplicaSet that was rejected retries with growing pauses, or when it is changed.
        let sets = kinds::api(&case.client, kind("ReplicaSet"), case.ns());
        for set in sets.list(&ListParams::default()).await.unwrap() {
            let nudge = json!({ "metadata": { "annotations": { "nudged": refuser.to_string() } } });
            kinds::edit(&case.client, kind("ReplicaSet"), case.ns(), &set.name_any(), &nudge).await;
        }
        healed(&case, row.reason).await;
    }
}

/// Deletes what was applied.
pub(super) async fn remove(case: &Case, manifest: &Value) {
    let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
    let types = object.types.clone().unwrap();
    let resource = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::try_from(&types).unwrap());
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(case.client.clone(), &namespace, &resource),
        None => Api::all_with(case.client.clone(), &resource),
    };
    api.delete(&object.name_any(), &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_failing_autoscaler_reports_the_cause() {
    let case = case("unscaled").await;
    let fixed = json!({ "image": IMAGE, "components": { "rest": { "replicas": 2 } } });
    let mut spec = fixed.clone();
    spec["components"]["rest"] = json!({ "autoscaling": { "minReplicas": 2, "maxReplicas": 4 } });
    case.apply(spec).await;
    let scaler = "HorizontalPodAutoscaler unscaled/unscaled-rest";
    let deadline = Duration::from_secs(60);
    // There is no metrics-server in this cluster: the autoscaler's own controller reports that.
    let row = warning(reasons::METRICS_UNAVAILABLE, scaler, "metrics.k8s.io", "install metrics-server");
    told_within(&case, row, deadline).await;
    case.ready().await;
    // The controller's report for pods without requests; it overwrites that every 15 s.
    let row =
        warning(reasons::METRICS_UNAVAILABLE, scaler, "missing request for cpu", "set resources.requests");
    let status = json!({ "status": { "conditions": [{
        "type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric",
        "message": "failed to get cpu utilization: missing request for cpu in container logpilot-rest of Pod x",
    }] } });
    let api = kinds::api(&case.client, kind("HorizontalPodAutoscaler"), case.ns());
    wait_for("missing requests to be reported", deadline, async || {
        api.patch_status("unscaled-rest", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        let status = case.status().await;
        row.of(&status).map(drop).ok_or_else(|| format!("{:#}", status["problems"]))
    })
    .await
    .unwrap();
    case.apply(fixed).await;
    healed(&case, reasons::METRICS_UNAVAILABLE).await;
}

/// Fault catalogue: F56.
#[tokio::test]
async fn relabelled_pods_are_replaced_and_reported() {
    let case = case("relabelled").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let stray = pod(&case).await.name_any();
    kinds::edit(
        &case.client,
        Pod::KIND,
        case.ns(),
        &stray,
        &json!({ "metadata": { "labels": { "app": "mine" } } }),
    )
    .await;
    let object = format!("Pod relabelled/{stray}");
    told(&case, warning(reasons::POD_STRAY, &object, "belongs to no workload", "kubectl delete pod")).await;
    let reached = |status: &Value| status["endpoints"][0]["readyAddresses"].as_i64().unwrap_or(0);
    case.until("a new pod takes its place", SOON, |status| {
        condition(status, "Ready").0 == "True" && reached(status) >= 1
    })
    .await;
    pods(&case).delete(&stray, &DeleteParams::default().grace_period(0)).await.unwrap();
    healed(&case, reasons::POD_STRAY).await;
    // A selector that finds nothing is reverted.
    let narrow = json!({ "spec": { "selector": { "app.kubernetes.io/component": "nobody" } } });
    kinds::edit(&case.client, kind("Service"), case.ns(), "relabelled-all", &narrow).await;
    case.child_until("Service", "relabelled-all", "repaired", REPAIR, |seen| {
        seen.data["spec"]["selector"]["app.kubernetes.io/component"] == "all"
    })
    .await;
    case.until("reached", SOON, |status| reached(status) == 1).await;
    // No pod, no address: the pods' problem is the cause.
    let mut broken = quickstart();
    broken["image"] = json!("danpung2/logpilot-crash-loop:2");
    broken["components"]["all"]["strategy"] = json!({ "type": "Recreate" });
    case.apply(broken).await;
    told(
        &case,
        error(
            reasons::CRASH_LOOP,
            "Pod relabelled/",
            "boom: could not open database",
            "kubectl logs --previous",
        ),
    )
    .await;
    case.until("nothing reached", SOON, |status| reached(status) == 0).await;
    case.apply(quickstart()).await;
    healed(&case, reasons::CRASH_LOOP).await;
}

#[tokio::test]
async fn blocked_clients_and_moving_tags_are_reported() {
    let case = case("cut").await;
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot:latest");
    spec["components"]["all"]["loadBalancer"] = json!({});
    spec["networkPolicy"] = json!({ "clients": [] });
    case.apply(spec.clone()).await;
    let policy = "NetworkPolicy cut/cut-all";
    told(&case, warning(reasons::CLIENTS_MAY_BE_CUT, policy, "allows no address", "networkPolicy.clients"))
        .await;
    told(
        &case,
        warning(reasons::IMAGE_TAG_LATEST, "Deployment cut/cut-all", "cannot be rolled back", "version tag"),
    )
    .await;
    spec["image"] = json!(IMAGE);
    spec["networkPolicy"] = json!({ "clients": [{ "cidr": "10.0.0.0/8" }] });
    case.apply(spec).await;
    healed(&case, reasons::CLIENTS_MAY_BE_CUT).await;
    healed(&case, reasons::IMAGE_TAG_LATEST).await;
}

#[tokio::test]
async fn a_stuck_terminating_pod_reports_the_cause() {
    let case = case("undying").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let name = pod(&case).await.name_any();
    let hold = |finalizers: Value| json!({ "metadata": { "finalizers": finalizers } });
    kinds::edit(&case.client, Pod::KIND, case.ns(), &name, &hold(json!(["example.com/theirs"]))).await;
    pods(&case).delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
    let object = format!("Pod undying/{name}");
    let row = warning(reasons::TERMINATING_STUCK, &object, "example.com/theirs", "finalizer");
    told_within(&case, row, Duration::from_secs(60)).await;
    kinds::edit(&case.client, Pod::KIND, case.ns(), &name, &hold(Value::Null)).await;
    healed(&case, reasons::TERMINATING_STUCK).await;
}
