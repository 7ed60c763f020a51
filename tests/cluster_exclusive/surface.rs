//! The API on which the operator depends: CRDs that are created late, deleted, or serve another
//! version; a discovery that partly fails; a control plane whose controllers are stopped.

use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind},
};
use local_cluster::{Component, wait_for, wait_for_absence};
use logpilot_operator::{api, kinds::SERVICE_STACK, logpilot::plan::planner, stack};
use serde_json::{Value, json};

use super::{
    alone,
    cluster::{
        self,
        case::{Case, SOON, condition, problems},
        install_service_monitors,
        kinds::{self, kind},
    },
    quickstart,
};

const OWN: &str = "logpilotclusters.logpilot.io";
pub const STACKS: &str = "servicestacks.logpilot.io";
const MONITORS: &str = "servicemonitors.monitoring.coreos.com";

pub async fn remove(client: &Client, definition: &str) {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let _ = crds.delete(definition, &DeleteParams::default()).await;
    wait_for_absence(&crds, definition, SOON).await.unwrap();
}

/// Applies a resource whose CRD will be served in a moment.
async fn apply_soon(case: &Case) {
    wait_for("the resource to be accepted", SOON, async || {
        case.try_apply(quickstart()).await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
}

/// An upgrade may replace the operator before the CRDs are applied.
#[tokio::test]
async fn a_missing_stack_crd_blocks_no_other_kind() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    remove(&client, STACKS).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "without-stacks").await;
    case.apply(quickstart()).await;
    case.ready().await;

    // Stacks work as soon as their CRD is served.
    cluster::apply(&client, &serde_json::to_value(stack::api::crd()).unwrap()).await;
    let manifest = json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "late-stack", "namespace": "default" },
        "spec": { "components": { "web": { "image": "example/web:1", "ports": [{ "name": "http", "port": 80 }] } } },
    });
    wait_for("the stack to be accepted", SOON, async || {
        cluster::try_apply(&client, &manifest).await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    let stacks: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "default", &SERVICE_STACK.api_resource());
    wait_for("the stack to be Ready", Duration::from_secs(60), async || {
        let status = stacks.get("late-stack").await.unwrap().data["status"].clone();
        (condition(&status, "Ready").0 == "True").then_some(()).ok_or(status.to_string())
    })
    .await
    .unwrap();
    stacks.delete("late-stack", &DeleteParams::default()).await.unwrap();
    case.delete().await;
    operator.kill();
}

/// Fault catalogue: F44, F45.
#[tokio::test]
async fn the_own_crd_may_be_deleted_and_recreated() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let definition = serde_json::to_value(api::crd::crd()).unwrap();
    remove(&client, OWN).await;
    let since = world.marker().await;
    let operator = world.start_early(planner()).await;
    let looked = async || {
        let requests = world.requests(since.as_ref()).await;
        requests.iter().filter(|it| it.resource == api::PLURAL && it.code == 404).count()
    };
    wait_for("three reads of it", SOON, async || match looked().await {
        looks if looks >= 3 || since.is_none() => Ok(()),
        looks => Err(format!("{looks} looks")),
    })
    .await
    .unwrap();
    assert!(!operator.is_ready(), "it can do nothing yet");
    cluster::apply(&client, &definition).await;
    let installed = Instant::now();
    let case = Case::new(world, "late").await;
    apply_soon(&case).await;
    case.ready().await;
    println!("FIGURE surface: Ready {} s after the own CRD", installed.elapsed().as_secs());
    assert!(operator.is_ready() && looked().await <= 12, "{} looks", looked().await);

    remove(&client, OWN).await;
    assert!(kinds::get(&client, kind("Namespace"), "", "late").await.is_some(), "the namespace is kept");
    cluster::apply(&client, &definition).await;
    let installed = Instant::now();
    apply_soon(&case).await;
    // Without the CRD the garbage collector cannot know that the owner is deleted: it deletes the
    // old objects only now.
    case.until("Ready", Duration::from_secs(120), |status| condition(status, "Ready").0 == "True").await;
    println!("FIGURE surface: Ready {} s after it was back", installed.elapsed().as_secs());
    case.delete().await;
    operator.kill();
}

/// The CRD with these versions, the first of them stored.
fn monitors(versions: &[&str]) -> Value {
    let all = local_cluster::prometheus_operator::crds();
    let mut definition = all.into_iter().find(|it| it["metadata"]["name"] == MONITORS).unwrap();
    let version = definition["spec"]["versions"][0].clone();
    let versions = versions.iter().enumerate().map(|(place, name)| {
        let mut version = version.clone();
        version["name"] = json!(name);
        version["storage"] = json!(place == 0);
        version
    });
    definition["spec"]["versions"] = versions.collect();
    definition
}

/// Fault catalogue: F43.
#[tokio::test]
async fn an_unserved_kind_version_is_reported_until_served() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    remove(&client, MONITORS).await;
    cluster::apply(&client, &monitors(&["v1beta1"])).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "versions").await;
    let mut spec = quickstart();
    spec["monitoring"] = json!({ "serviceMonitor": {} });
    let since = world.marker().await;
    case.apply(spec).await;
    let status = case.ready().await;
    let told = status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "CrdNotInstalled");
    assert!(told.unwrap()["message"].as_str().unwrap().contains("v1"), "{status:#}");
    let looks = world.requests(since.as_ref()).await;
    let looks = looks.iter().filter(|it| it.resource == "servicemonitors").count();
    assert!(looks <= 6, "{looks} looks for a version that is not there");
    cluster::apply(&client, &monitors(&["v1", "v1beta1"])).await;
    let served = Instant::now();
    case.child_until("ServiceMonitor", "versions", "made", Duration::from_secs(30), |_| true).await;
    println!("FIGURE surface: created {} s after its version was served", served.elapsed().as_secs());
    case.until("no warning", SOON, |status| !problems(status).contains("CrdNotInstalled")).await;
    // No longer served, although the CRD still exists.
    let mut gone = monitors(&["v1beta1", "v1"]);
    gone["spec"]["versions"][1]["served"] = json!(false);
    cluster::apply(&client, &gone).await;
    case.until("the warning again", Duration::from_secs(100), |status| {
        problems(status).contains("CrdNotInstalled") && condition(status, "Ready").0 == "True"
    })
    .await;
    remove(&client, MONITORS).await;
    install_service_monitors(&client).await;
    case.child_until("ServiceMonitor", "versions", "made again", Duration::from_secs(30), |_| true).await;
    case.delete().await;
    operator.kill();
}

/// A client that requests all API groups gets an error, as after the removal of a metrics server.
/// Fault catalogue: F46.
#[tokio::test]
async fn a_broken_api_group_affects_no_resource() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let nowhere = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": { "name": "gone", "namespace": "kube-system" },
        },
    });
    cluster::apply(&client, &nowhere).await;
    let services = Api::<DynamicObject>::all_with(
        client.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("apiregistration.k8s.io", "v1", "APIService")),
    );
    wait_for("the group to be dead", SOON, async || {
        let seen = services.get("v1beta1.metrics.k8s.io").await.unwrap();
        if condition(&seen.data["status"], "Available").0 == "False" {
            Ok(())
        } else {
            Err(format!("{:#}", seen.data))
        }
    })
    .await
    .unwrap();
    let since = world.marker().await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "nowhere").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let requests = world.requests(since.as_ref()).await;
    let asked: Vec<_> = requests.iter().filter(|it| it.resource.is_empty()).collect();
    assert!(asked.is_empty(), "discovery: {asked:#?}");
    services.delete("v1beta1.metrics.k8s.io", &DeleteParams::default()).await.unwrap();
    case.delete().await;
    operator.kill();
}

/// Fault catalogue: F78.
#[tokio::test]
async fn with_controllers_stopped_the_operator_deletes_nothing() {
    let (_alone, world) = alone().await;
    let Some(plane) = world.env.control_plane() else {
        println!("skipped: a given cluster's controller-manager is not ours to stop");
        return;
    };
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "still").await;
    plane.stop(Component::ControllerManager).await.unwrap();
    let since = world.marker().await;
    case.apply(quickstart()).await;
    let status = case.until("Applied", SOON, |status| condition(status, "Applied").0 == "True").await;
    assert_eq!(condition(&status, "Ready").0, "False", "{status:#}");
    assert_eq!(condition(&status, "Reconciling").0, "True", "{status:#}");
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot:1.2.1");
    case.apply(spec).await;
    case.until("Applied again", SOON, |status| condition(status, "Applied").0 == "True").await;
    let full = super::cluster::whole_campaign();
    // The promise is about this time window, so the sleep is not a wait for a condition.
    tokio::time::sleep(Duration::from_secs(if full { 60 } else { 5 })).await;
    let status = case.status().await;
    assert_eq!(condition(&status, "Ready").0, "False", "{status:#}");
    let requests = case.requests(since.as_ref()).await;
    assert!(requests.iter().all(|it| it.verb != "delete"), "{requests:#?}");
    plane.start_component(Component::ControllerManager).await.unwrap();
    let back = Instant::now();
    let status =
        case.until("Ready", Duration::from_secs(60), |status| condition(status, "Ready").0 == "True").await;
    println!("FIGURE surface: Ready {} s after the controller-manager was back", back.elapsed().as_secs());
    assert_eq!(status["version"], "1.2.1");
    case.delete().await;
    operator.kill();
}
