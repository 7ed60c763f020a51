//! Name conflicts: no own object uses or acts on foreign objects, and objects that can be adopted
//! are adopted.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject},
};

use super::*;

/// The limit for recreating an object, after the longest backoff for a name.
const RELEASED: Duration = Duration::from_secs(40);

async fn namespace(case: &Case) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": case.ns() } });
    cluster::apply(&case.client, &namespace).await;
}

/// A Deployment that a user created by hand, under the name and with the labels of the operator's.
fn by_hand(case: &Case) -> Value {
    let app = format!("{}-all", case.name);
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": app, "namespace": case.ns() },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": app } },
            "template": {
                "metadata": { "labels": { "app": app } },
                "spec": { "containers": [{ "name": "c", "image": IMAGE }] },
            },
        },
    })
}

/// Everything that acts on a Deployment.
fn acting(name: &str) -> Value {
    let mut spec = quickstart();
    spec["components"]["all"] = json!({ "autoscaling": { "minReplicas": 2, "maxReplicas": 4 }, "podDisruptionBudget": { "maxUnavailable": 1 } });
    spec["monitoring"] = json!({ "serviceMonitor": {} });
    spec["exposure"] =
        json!({ "ingress": { "className": "nginx", "rules": [{ "host": format!("{name}.example.com") }] } });
    spec
}

const ACTING: [&str; 4] = ["HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Service"];

async fn is_there(case: &Case, kind_name: &str, name: &str) -> bool {
    kinds::get(&case.client, kind(kind_name), case.ns(), name).await.is_some()
}

/// Returns reason and message of the problem of an object.
fn told(status: &Value, object: &str) -> (String, String) {
    let all = status["problems"].as_array().into_iter().flatten();
    let found = all.into_iter().find(|it| it["object"].as_str() == Some(object));
    let text = |field: &str| found.and_then(|it| it[field].as_str()).unwrap_or_default().to_owned();
    (text("reason"), text("message"))
}

async fn behind(case: &Case, object: &str) -> Value {
    case.until(&format!("{object} is behind"), SOON, |status| told(status, object).0 == "ConflictBehind")
        .await
}

#[tokio::test]
async fn no_own_object_acts_on_foreign_deployments() {
    let case = case("behind").await;
    namespace(&case).await;
    cluster::apply(&case.client, &by_hand(&case)).await;
    let running = |seen: &DynamicObject| seen.data.pointer("/status/readyReplicas") == Some(&json!(1));
    let before = case.child_until("Deployment", "behind-all", "running", SOON, running).await;
    case.apply(acting(&case.name)).await;
    let status = behind(&case, "NetworkPolicy behind/behind-all").await;
    assert_eq!(condition(&status, "Stalled"), ("True".into(), "NameConflict".into()));
    assert_eq!(told(&status, "Deployment behind/behind-all").0, "NameConflict");
    for name in ACTING {
        let (reason, message) = told(&status, &format!("{name} behind/behind-all"));
        assert_eq!(reason, "ConflictBehind", "{name}: {status:#}");
        assert!(message.contains("Deployment behind/behind-all"), "{message}");
        assert!(!is_there(&case, name, "behind-all").await, "{name}");
    }
    for name in ["Ingress", "ServiceMonitor"] {
        assert!(!is_there(&case, name, "behind").await, "{name}");
    }
    kinds::assert_same(&case.child("Deployment", "behind-all").await, &before);
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "behind-all").await;
    case.until("Ready", RELEASED, |status| condition(status, "Ready").0 == "True").await;
    for name in ACTING {
        assert!(is_there(&case, name, "behind-all").await, "{name}");
    }
}

#[tokio::test]
async fn objects_acting_on_replaced_deployments_are_deleted() {
    let case = case("replaced").await;
    case.apply(acting(&case.name)).await;
    case.until("two pods", SOON, |status| status["pods"] == "2/2").await;
    let mut paused = acting(&case.name);
    paused["operation"] = json!({ "paused": true });
    case.apply(paused.clone()).await;
    case.until("paused", SOON, |status| status["summary"] == "Paused").await;
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "replaced-all").await;
    case.gone("Deployment", "replaced-all", SOON).await;
    cluster::apply(&case.client, &by_hand(&case)).await;
    paused["operation"] = json!({ "paused": false });
    case.apply(paused).await;
    for name in ACTING {
        case.gone(name, "replaced-all", SOON).await;
    }
    // The Ingress points to a Service that does not exist, and to no foreign object.
    let status = behind(&case, "Ingress replaced/replaced").await;
    assert!(is_there(&case, "Ingress", "replaced").await);
    assert_eq!(told(&status, "Deployment replaced/replaced-all").0, "NameConflict");
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "replaced-all").await;
    case.until("Ready", RELEASED, |status| condition(status, "Ready").0 == "True").await;
}

#[tokio::test]
async fn no_own_pod_mounts_a_foreign_pvc() {
    let case = case("foreign-claim").await;
    namespace(&case).await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "foreign-claim-data", "namespace": case.ns() },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    cluster::apply(&case.client, &claim).await;
    let mut spec = quickstart();
    spec["backup"] = json!({});
    case.apply(spec).await;
    let status = behind(&case, "Deployment foreign-claim/foreign-claim-all").await;
    let claim = "PersistentVolumeClaim foreign-claim/foreign-claim-data";
    let (reason, message) = told(&status, claim);
    assert_eq!(reason, "NameConflict");
    assert!(message.contains("spec.storage.volume.existingClaim of a new resource"), "{message}");
    assert!(!message.contains("delete"), "{message}");
    let cron = told(&status, "CronJob foreign-claim/foreign-claim-backup");
    assert!(cron.0 == "ConflictBehind" && cron.1.contains(claim), "{cron:?}");
    assert!(!is_there(&case, "Deployment", "foreign-claim-all").await);
    assert!(!is_there(&case, "CronJob", "foreign-claim-backup").await);
    kinds::delete(&case.client, kind("PersistentVolumeClaim"), case.ns(), "foreign-claim-data").await;
    case.until("Ready", RELEASED, |status| condition(status, "Ready").0 == "True").await;
}

#[tokio::test]
async fn a_foreign_secret_is_used_only_when_named() {
    let case = case("foreign-key").await;
    namespace(&case).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "foreign-key-api-key", "namespace": case.ns() },
        "stringData": { "api-key": "known-to-somebody-else" },
    });
    cluster::apply(&case.client, &secret).await;
    case.apply(quickstart()).await;
    let status = behind(&case, "Deployment foreign-key/foreign-key-all").await;
    assert_eq!(condition(&status, "Stalled"), ("True".into(), "NameConflict".into()));
    let (reason, message) = told(&status, "Secret foreign-key/foreign-key-api-key");
    assert!(reason == "NameConflict" && message.contains("kubectl patch lpc foreign-key"), "{message}");
    assert!(!is_there(&case, "Deployment", "foreign-key-all").await);
    let mut named = quickstart();
    named["auth"] = json!({ "apiKeySecret": { "name": "foreign-key-api-key", "key": "api-key" } });
    case.apply(named).await;
    case.ready().await;
}

/// No watch reports its release, so it is polled: rarely, but it is healed within 30 s.
#[tokio::test]
async fn a_foreign_key_is_read_every_30_s() {
    let case = case("rare-key").await;
    namespace(&case).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "rare-key-api-key", "namespace": case.ns() },
        "stringData": { "api-key": "known-to-somebody-else" },
    });
    cluster::apply(&case.client, &secret).await;
    let mut spec = acting(&case.name);
    spec.as_object_mut().unwrap().remove("exposure");
    spec["components"] = json!({ "rest": { "replicas": 1 }, "grpc": { "replicas": 1 } });
    case.apply(spec).await;
    behind(&case, "Deployment rare-key/rare-key-rest").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let since = case.world.marker().await;
    let watched = Duration::from_secs(40);
    tokio::time::sleep(watched).await;
    let requests = case.requests(since.as_ref()).await;
    let lines: Vec<String> =
        requests.iter().map(|it| format!("{} {} {}", it.verb, it.resource, it.name)).collect();
    println!(
        "FIGURE conflicts: {} requests in {watched:?} while the key is foreign: {lines:#?}",
        lines.len()
    );
    let looks = requests.iter().filter(|it| it.resource == "secrets").count();
    assert!((1..=2).contains(&looks), "{lines:#?}");
    assert!(lines.len() <= 3 * looks, "the Secret and each Deployment that it holds: {lines:#?}");
    let client = case.client.clone();
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client, case.ns());
    secrets.delete("rare-key-api-key", &DeleteParams::default()).await.unwrap();
    case.until("Ready", RELEASED, |status| condition(status, "Ready").0 == "True").await;
}

#[tokio::test]
async fn limits_in_a_shared_namespace_are_a_warning() {
    let case = case("shared-limits").await;
    namespace(&case).await;
    let mut spec = quickstart();
    spec["limits"] = json!({ "defaults": { "limits": { "memory": "600Mi" } } });
    case.apply(spec).await;
    let status = case.ready().await;
    let (reason, message) = told(&status, "Namespace shared-limits");
    assert!(reason == "LimitsShared" && message.contains("other users"), "{status:#}");
}

#[tokio::test]
async fn a_foreign_pod_with_our_labels_is_reported() {
    let case = case("copied").await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "podSecurity": "Privileged" });
    case.apply(spec).await;
    case.ready().await;
    let mut theirs = by_hand(&case);
    let labels = json!({
        "theirs": "true", "app.kubernetes.io/managed-by": "logpilot-operator", "app.kubernetes.io/instance": case.name,
        "app.kubernetes.io/component": "all",
    });
    theirs["metadata"]["name"] = json!("theirs");
    theirs["spec"]["selector"]["matchLabels"] = json!({ "theirs": "true" });
    theirs["spec"]["template"]["metadata"]["labels"] = labels;
    cluster::apply(&case.client, &theirs).await;
    let found = |status: &Value| problems(status).contains("ForeignPod");
    let status = case.until("it is reported", SOON, found).await;
    let problem =
        status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "ForeignPod").unwrap();
    assert!(problem["message"].as_str().unwrap().contains("belongs to Deployment theirs"), "{problem:#}");
    assert!(problem["object"].as_str().unwrap().starts_with("Pod copied/theirs-"), "{problem:#}");
    assert_eq!(problem["severity"], "Warning");
    assert_eq!(condition(&status, "Ready").0, "True", "{status:#}");
    kinds::delete(&case.client, kind("Deployment"), case.ns(), "theirs").await;
    case.until("healed", SOON, |status| !found(status)).await;
}

/// Recreates an object as a backup tool does: with labels and annotations, without an owner, and
/// under its own field manager.
async fn restore(case: &Case, kind_name: &str, name: &str) -> String {
    let mut object = serde_json::to_value(case.child(kind_name, name).await).unwrap();
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .retain(|field, _| ["name", "namespace", "labels", "annotations"].contains(&field.as_str()));
    object.as_object_mut().unwrap().remove("status");
    for field in ["clusterIP", "clusterIPs"] {
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            spec.remove(field);
        }
    }
    kinds::delete(&case.client, kind(kind_name), case.ns(), name).await;
    case.gone(kind_name, name, SOON).await;
    uid(&cluster::apply(&case.client, &object).await)
}

#[tokio::test]
async fn restored_objects_are_adopted_unchanged() {
    let case = case("taken-back").await;
    let spec = everything(&case.name);
    case.apply(spec.clone()).await;
    case.ready().await;
    let mut paused = spec.clone();
    paused["operation"] = json!({ "paused": true });
    case.apply(paused.clone()).await;
    case.until("paused", SOON, |status| status["summary"] == "Paused").await;
    let mut restored = Vec::new();
    for kind in of_management(Management::Managed) {
        for child in case.children(kind).await {
            let name = child.metadata.name.unwrap();
            restored.push((kind.kind, name.clone(), restore(&case, kind.kind, &name).await));
        }
    }
    let kinds_restored: std::collections::BTreeSet<&str> = restored.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds_restored.len(), of_clusters().count() - 1, "all but PodMonitor: {kinds_restored:?}");
    paused["operation"] = json!({ "paused": false });
    case.apply(paused).await;
    let status = case.ready().await;
    assert!(!problems(&status).contains("NameConflict"), "{status:#}");
    for (kind_name, name, uid_before) in restored {
        let now = case.child(kind_name, &name).await;
        assert_eq!(uid(&now), uid_before, "{kind_name} {name}");
        assert!(now.metadata.owner_references.is_some(), "{kind_name}");
    }
}

#[tokio::test]
async fn data_retained_after_deletion_is_adopted_as_advised() {
    let old = case("kept-old").await;
    old.apply(quickstart()).await;
    let claim = old.ready().await["volumes"][0]["uid"].as_str().unwrap().to_owned();
    let renamed = case("kept-new").await;
    let mut spec = quickstart();
    spec["nameOverride"] = json!("kept-old");
    spec["namespace"] = json!({ "name": "kept-old" });
    // While the other resource exists, the object is in use.
    renamed.apply(spec).await;
    let object = "PersistentVolumeClaim kept-old/kept-old-data";
    let status = renamed.until("the conflict", SOON, |status| told(status, object).0 == "NameConflict").await;
    assert!(!told(&status, object).1.contains("kubectl label"), "{status:#}");
    old.delete().await;
    let command =
        |what: &str| format!("kubectl label {what} app.kubernetes.io/instance=kept-new --overwrite");
    let told_both = |status: &Value| {
        told(status, object).1.contains(&command("pvc kept-old-data -n kept-old"))
            && told(status, "Namespace kept-old").1.contains(&command("namespace kept-old"))
    };
    renamed.until("told how", RELEASED, told_both).await;
    let began = Instant::now();
    old.gone("Deployment", "kept-old-all", Duration::from_secs(60)).await;
    println!("the garbage collector needed {:?}", began.elapsed());
    let over = json!({ "metadata": { "labels": { "app.kubernetes.io/instance": "kept-new" } } });
    kinds::edit(&old.client, kind("PersistentVolumeClaim"), "kept-old", "kept-old-data", &over).await;
    let namespaces: Api<Namespace> = Api::all(old.client.clone());
    namespaces.patch("kept-old", &PatchParams::default(), &Patch::Merge(over)).await.unwrap();
    let status = renamed.until("Ready", RELEASED, |status| condition(status, "Ready").0 == "True").await;
    assert_eq!(status["volumes"][0]["uid"], claim.as_str());
    assert!(!problems(&status).contains("NamespaceKept"), "{status:#}");
}
