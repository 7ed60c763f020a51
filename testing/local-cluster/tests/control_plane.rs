//! The properties of the local control plane on which the suites rely.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::SelfSubjectReview,
    batch::v1::Job,
    core::v1::{
        ConfigMap, ContainerState, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Service,
        ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use local_cluster::{
    ControlPlane, Env, Error, Identity, Options, nodes, wait_for, wait_for_absence, wait_for_object,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const SOON: Duration = Duration::from_secs(30);

static ENV: OnceCell<Env> = OnceCell::const_new();

async fn env() -> &'static Env {
    ENV.get_or_init(|| async { Env::local(Options::default()).await.expect("a control plane") }).await
}

async fn control_plane() -> &'static ControlPlane {
    env().await.control_plane().expect("a local one")
}

/// A client of the administrator and a namespace for this test.
async fn namespace(name: &str) -> Client {
    let client = env().await.client().await.expect("a client");
    create::<Namespace>(&Api::all(client.clone()), json!({ "metadata": { "name": name } })).await;
    client
}

async fn create<K>(api: &Api<K>, object: Value) -> K
where
    K: Resource + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object: K = serde_json::from_value(object).expect("a valid object");
    api.create(&PostParams::default(), &object).await.expect("created")
}

fn pod(name: &str, image: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "app", "image": image }] } })
}

fn claim(class: &str, size: &str) -> Value {
    json!({ "metadata": { "name": "data" }, "spec": {
        "storageClassName": class, "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } } })
}

fn waits_for(pod: &Pod, reason: &str) -> bool {
    state(pod).and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref())
        == Some(reason)
}

fn state(pod: &Pod) -> Option<&ContainerState> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()?.state.as_ref()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The time from the pod's start to its readiness; the API server keeps whole seconds.
fn seconds_to_ready(pod: &Pod) -> Option<i64> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.as_ref()?.iter().find(|condition| condition.type_ == "Ready")?;
    Some(ready.last_transition_time.as_ref()?.0.as_second() - status.start_time.as_ref()?.0.as_second())
}

/// Exit code, reason and message of a container's last termination, and its restarts.
fn last_end(pod: &Pod) -> Option<(i32, String, String, i32)> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let end = status.last_state.as_ref()?.terminated.as_ref()?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Some((end.exit_code, text(&end.reason), text(&end.message), status.restart_count))
}

#[tokio::test]
async fn five_replicas_become_ready_with_five_endpoints() {
    let client = namespace("deployment").await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "deployment");
    let labels: BTreeMap<_, _> = [("app", "web")].into();
    create(
        &deployments,
        json!({ "metadata": { "name": "web" }, "spec": { "replicas": 5, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "web", "image": "registry.test/web:1" }] } } } }),
    )
    .await;
    let services: Api<Service> = Api::namespaced(client.clone(), "deployment");
    create(
        &services,
        json!({ "metadata": { "name": "web" }, "spec": { "selector": labels, "ports": [{ "port": 80 }] } }),
    )
    .await;

    wait_for_object(&deployments, "web", "5 ready", SOON, |found| {
        found.status.as_ref().and_then(|status| status.ready_replicas) == Some(5)
    })
    .await
    .expect("ready");

    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "deployment");
    wait_for("5 ready addresses", SOON, || async {
        let list = slices.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let endpoints = list.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        let ready =
            endpoints.filter(|endpoint| endpoint.conditions.as_ref().and_then(|it| it.ready) == Some(true));
        match ready
            .flat_map(|endpoint| endpoint.addresses.iter())
            .collect::<std::collections::BTreeSet<_>>()
            .len()
        {
            5 => Ok(()),
            other => Err(format!("{other} different addresses")),
        }
    })
    .await
    .expect("addresses");

    let pods: Api<Pod> = Api::namespaced(client, "deployment");
    let all = pods.list(&ListParams::default()).await.expect("pods").items;
    for pod in &all {
        let status = pod
            .status
            .as_ref()
            .and_then(|status| status.container_statuses.as_ref()?.first())
            .expect("a status");
        assert_eq!((status.ready, status.started), (true, Some(true)));
        assert!(status.image_id.starts_with("registry.test/web:1@sha256:"), "{}", status.image_id);
    }
    let used: std::collections::BTreeSet<_> =
        all.iter().filter_map(|pod| pod.spec.as_ref()?.node_name.clone()).collect();
    assert!(used.len() > 1, "the scheduler spreads pods: {used:?}");
}

#[tokio::test]
async fn a_pvc_is_bound_resized_and_deleted() {
    let client = namespace("storage").await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "storage");
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    create(&claims, claim("standard", "1Gi")).await;
    let capacity = |found: &PersistentVolumeClaim, size: &str| {
        let capacity = found.status.as_ref().and_then(|status| status.capacity.as_ref());
        capacity.and_then(|capacity| capacity.get("storage")).is_some_and(|found| found.0 == size)
    };
    let bound = wait_for_object(&claims, "data", "bound with 1Gi", SOON, |found| capacity(found, "1Gi"))
        .await
        .expect("bound");
    let volume = bound.spec.and_then(|spec| spec.volume_name).expect("a volume");

    let larger = json!({ "spec": { "resources": { "requests": { "storage": "2Gi" } } } });
    claims.patch("data", &PatchParams::default(), &Patch::Merge(&larger)).await.expect("a larger request");
    wait_for_object(&claims, "data", "grown to 2Gi", SOON, |found| capacity(found, "2Gi"))
        .await
        .expect("grown");
    let grown = volumes
        .get(&volume)
        .await
        .expect("the volume")
        .spec
        .and_then(|spec| spec.capacity)
        .expect("a capacity");
    assert_eq!(grown.get("storage").map(|size| size.0.as_str()), Some("2Gi"));

    claims.delete("data", &DeleteParams::default()).await.expect("deleted");
    wait_for_absence(&volumes, &volume, SOON).await.expect("the volume is deleted with its PVC");
}

#[tokio::test]
async fn storage_classes_differ_in_expansion_and_provisioning() {
    let client = namespace("classes").await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "classes");
    create(&claims, claim("no-expansion", "1Gi")).await;
    wait_for_object(&claims, "data", "bound", SOON, |found| {
        found.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
    })
    .await
    .expect("bound");
    let larger = json!({ "spec": { "resources": { "requests": { "storage": "2Gi" } } } });
    let refused =
        claims.patch("data", &PatchParams::default(), &Patch::Merge(&larger)).await.expect_err("refused");
    assert!(refused.to_string().contains("resize"), "{refused}");

    let mut pending = claim("never", "1Gi");
    pending["metadata"]["name"] = json!("pending");
    create(&claims, pending).await;
    let ours = "volume.kubernetes.io/storage-provisioner";
    let seen = wait_for_object(&claims, "pending", "seen by the volume controller", SOON, |found| {
        found.annotations().contains_key(ours)
    })
    .await
    .expect("seen");
    assert_eq!(seen.spec.and_then(|spec| spec.volume_name), None);

    let default = create(
        &claims,
        json!({ "metadata": { "name": "default" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }),
    )
    .await;
    assert_eq!(default.spec.and_then(|spec| spec.storage_class_name).as_deref(), Some("standard"));
    let classes: Api<StorageClass> = Api::all(client);
    let all = classes.list(&ListParams::default()).await.expect("classes");
    let names: Vec<_> = all.items.into_iter().filter_map(|class| class.metadata.name).collect();
    assert_eq!(names, ["never", "never-grows", "no-expansion", "standard"]);
}

#[tokio::test]
async fn each_image_marker_produces_its_pod_failure() {
    let client = namespace("stages").await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "stages");
    for marker in local_cluster::stages::MARKERS {
        let mut pod = pod(marker, &format!("registry.test/logpilot:{marker}"));
        if marker == "job-fail" {
            pod["spec"]["restartPolicy"] = json!("Never");
        }
        create(&pods, pod).await;
    }
    create(&pods, pod("good", "registry.test/zoom:1")).await;

    let expect = |name: &'static str, what: &'static str, holds: fn(&Pod) -> bool| {
        let pods = pods.clone();
        async move { wait_for_object(&pods, name, what, SOON, holds).await.expect("the state of its stage") }
    };
    let good = expect("good", "ready", is_ready).await;
    let conditions = good.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let reasons: Vec<_> = conditions.filter_map(|condition| condition.reason.as_deref()).collect();
    assert_eq!(reasons, [""; 0], "nothing is left of the time before it was ready");
    let running =
        |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let unready = expect("never-ready", "running", running).await;
    assert!(!is_ready(&unready));
    expect("image-pull", "ImagePullBackOff", |pod| waits_for(pod, "ImagePullBackOff")).await;
    expect("create-config-error", "its reason", |pod| waits_for(pod, "CreateContainerConfigError")).await;
    let killed = expect("oom", "CrashLoopBackOff", |pod| waits_for(pod, "CrashLoopBackOff")).await;
    assert_eq!(last_end(&killed), Some((137, "OOMKilled".to_owned(), String::new(), 1)));
    expect("flapping", "ready", is_ready).await;
    expect("flapping", "not ready", |pod| !is_ready(pod)).await;
    expect("flapping", "ready again", is_ready).await;
    let crashed =
        expect("crash-loop", "a second restart", |pod| last_end(pod).is_some_and(|end| end.3 == 2)).await;
    assert!(waits_for(&crashed, "CrashLoopBackOff"));
    assert_eq!(
        last_end(&crashed),
        Some((1, "Error".to_owned(), "boom: could not open database".to_owned(), 2))
    );
    let slow = expect("slow-5s", "ready", is_ready).await;
    assert!(seconds_to_ready(&slow) >= Some(4), "5 s, in whole seconds: {:?}", slow.status);
    assert!(seconds_to_ready(&good) < Some(4), "{:?}", good.status);
    expect("job-fail", "failed", |pod| {
        pod.status.as_ref().and_then(|it| it.phase.as_deref()) == Some("Failed")
    })
    .await;
    let still = pods.get("never-ready").await.expect("the pod");
    assert!(!is_ready(&still), "never means never");
}

#[tokio::test]
async fn a_job_completes_and_a_failing_one_fails() {
    let client = namespace("jobs").await;
    let jobs: Api<Job> = Api::namespaced(client, "jobs");
    for (name, image) in [("good", "registry.test/backup:1"), ("bad", "registry.test/backup:job-fail")] {
        create(
            &jobs,
            json!({ "metadata": { "name": name }, "spec": { "backoffLimit": 0, "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "backup", "image": image }] } } } }),
        )
        .await;
    }
    let count = |job: &Job| job.status.as_ref().map(|status| (status.succeeded, status.failed));
    wait_for_object(&jobs, "good", "succeeded", SOON, |job| count(job) == Some((Some(1), None)))
        .await
        .expect("succeeded");
    wait_for_object(&jobs, "bad", "failed", SOON, |job| count(job) == Some((None, Some(1))))
        .await
        .expect("failed");
}

#[tokio::test]
async fn audit_counts_each_request_of_a_user_once() {
    let client = namespace("audit").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "audit");
    create(&accounts, json!({ "metadata": { "name": "counted" } })).await;
    let counted = env().await.client_for_service_account("audit", "counted").await.expect("a client");
    let user = "system:serviceaccount:audit:counted";
    let control_plane = control_plane().await;

    let marker = control_plane.audit_marker().await.expect("a marker");
    let configs: Api<ConfigMap> = Api::namespaced(counted, "audit");
    for number in 0..20 {
        let refused = configs.get(&format!("c-{number}")).await.expect_err("no rights");
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    }
    let requests = control_plane.requests_of(user, marker).await.expect("requests");
    assert_eq!(requests.len(), 20, "{requests:#?}");
    let last = requests.last().expect("one");
    assert_eq!(
        (last.verb.as_str(), last.resource.as_str(), last.namespace.as_str(), last.name.as_str(), last.code),
        ("get", "configmaps", "audit", "c-19", 403)
    );
    let marker = control_plane.audit_marker().await.expect("a marker");
    assert_eq!(control_plane.requests_of(user, marker).await.expect("requests"), []);
}

#[tokio::test]
async fn each_kubeconfig_has_its_user() {
    let client = namespace("identities").await;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "identities");
    create(&accounts, json!({ "metadata": { "name": "operator" } })).await;
    let who = |client: Client| async {
        let reviews: Api<SelfSubjectReview> = Api::all(client);
        let review =
            reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.expect("a review");
        let user = review.status.and_then(|status| status.user_info).expect("a user");
        (user.username.unwrap_or_default(), user.groups.unwrap_or_default())
    };
    let (name, groups) = who(client.clone()).await;
    assert_eq!(
        (name.as_str(), groups),
        ("admin", vec!["system:authenticated".to_owned()]),
        "not system:masters"
    );
    let token = env().await.client_for_service_account("identities", "operator").await.expect("a client");
    assert_eq!(who(token).await.0, "system:serviceaccount:identities:operator");
    let identity = Identity::user("alice").in_group("devs");
    let (name, groups) = who(control_plane().await.client_for(&identity).await.expect("a client")).await;
    assert_eq!(name, "alice");
    assert!(groups.contains(&"devs".to_owned()), "{groups:?}");
    let (name, groups) = who(env().await.client_as("bob", &["one", "two"]).await.expect("a client")).await;
    assert_eq!(name, "bob");
    assert!(groups.contains(&"one".to_owned()) && groups.contains(&"two".to_owned()), "{groups:?}");
}

#[tokio::test]
async fn a_cordoned_node_takes_no_new_pod() {
    let client = namespace("cordon").await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "cordon");
    nodes::cordon(&client, "node-3").await.expect("cordoned");
    let mut pinned = pod("pinned", "registry.test/web:1");
    pinned["spec"]["nodeSelector"] = json!({ "kubernetes.io/hostname": "node-3" });
    create(&pods, pinned).await;
    let unschedulable = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|condition| condition.reason.as_deref() == Some("Unschedulable"))
    };
    wait_for_object(&pods, "pinned", "unschedulable", SOON, unschedulable).await.expect("held back");
    nodes::uncordon(&client, "node-3").await.expect("uncordoned");
    wait_for_object(&pods, "pinned", "ready", SOON, is_ready).await.expect("let on");
}

#[tokio::test]
async fn a_failed_wait_reports_the_last_state() {
    let error =
        wait_for::<(), _, _>("rain", Duration::from_millis(100), || async { Err("sunshine".to_owned()) })
            .await
            .expect_err("no rain");
    assert!(matches!(error, Error::Timeout { .. }));
    let text = error.to_string();
    assert!(text.contains("rain") && text.contains("sunshine"), "{text}");
}
