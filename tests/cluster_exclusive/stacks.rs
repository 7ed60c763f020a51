//! ServiceStacks while the operator stops, is killed and is installed.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{WatchEvent, WatchParams};

use super::{
    cluster::{
        Running,
        stack::{START, Stack, example, row},
    },
    surface::{STACKS, remove},
    *,
};

async fn killed(operator: Running, world: &'static World) -> Running {
    operator.crash();
    world.start_operator(planner()).await
}

/// UIDs of the Jobs of a stack.
async fn jobs(stack: &Stack) -> BTreeSet<String> {
    let all = kinds::api(&stack.client, kind("Job"), &stack.namespace).list(&ListParams::default()).await;
    all.unwrap().items.into_iter().filter_map(|it| it.metadata.uid).collect()
}

async fn delete_jobs(stack: &Stack) {
    let api = kinds::api(&stack.client, kind("Job"), &stack.namespace);
    for job in api.list(&ListParams::default()).await.unwrap() {
        let name = job.metadata.name.unwrap();
        kinds::delete(&stack.client, kind("Job"), &stack.namespace, &name).await;
        stack.gone("Job", &name, SOON).await;
    }
}

async fn clear_status(stack: &Stack) {
    let none = Patch::Merge(json!({ "status": null }));
    stack.api().patch_status(&stack.name, &PatchParams::default(), &none).await.unwrap();
}

/// Scenario 9.
#[tokio::test]
async fn a_completed_job_does_not_run_again() {
    let (_alone, world) = alone().await;
    let mut operator = world.start_operator(planner()).await;
    let stack = Stack::of(world, "stack-job", "shop").await;
    let spec = |migration: &str, app: &str| {
        json!({ "components": {
            "migrate": { "kind": "Job", "image": migration },
            "app": { "image": app, "dependsOn": ["migrate"] },
        } })
    };
    let since = world.marker().await;
    let created = async || {
        let writes = stack.object_writes_since(since.as_ref()).await;
        writes.iter().filter(|it| it.resource == "jobs" && it.verb != "delete").count()
    };
    stack.apply(&spec("example/migrate:1", "example/app:1")).await;
    stack.ready().await;
    assert_eq!(jobs(&stack).await.len(), 1);
    delete_jobs(&stack).await;
    for app in ["example/app:2", "example/app:3"] {
        stack.apply(&spec("example/migrate:1", app)).await;
        let status = stack.ready().await;
        assert_eq!(row(&status, "migrate")["phase"], "Completed");
        assert!(jobs(&stack).await.is_empty());
        operator = killed(operator, world).await;
    }
    assert!(since.is_none() || created().await == 1);

    // The status is cleared, and the Job exists: it counts.
    stack.apply(&spec("example/migrate:2", "example/app:3")).await;
    stack.ready().await;
    let second = jobs(&stack).await;
    operator.crash();
    clear_status(&stack).await;
    let operator = world.start_operator(planner()).await;
    stack.ready().await;
    assert_eq!(jobs(&stack).await, second);
    assert!(since.is_none() || created().await == 2);

    // Neither exists: it runs once more.
    operator.crash();
    clear_status(&stack).await;
    delete_jobs(&stack).await;
    let operator = world.start_operator(planner()).await;
    let status = stack.ready().await;
    assert_eq!(row(&status, "migrate")["phase"], "Completed");
    assert!(since.is_none() || created().await == 3);
    stack.delete().await;
    operator.kill();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Added,
    Ready,
    Ending,
    Gone,
}

/// The events of the pods of a namespace, in order: component and step.
#[derive(Clone, Default)]
struct History(Arc<std::sync::Mutex<Vec<(String, Step)>>>);

impl History {
    async fn of(stack: &Stack) -> Self {
        let history = Self::default();
        let pods = stack.pods();
        let mut from = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        let to = history.clone();
        tokio::spawn(async move {
            loop {
                let Ok(stream) = pods.watch(&WatchParams::default(), &from).await else { continue };
                let mut stream = stream.boxed();
                while let Some(Ok(event)) = stream.next().await {
                    let (pod, step) = match event {
                        WatchEvent::Added(pod) => (pod, Step::Added),
                        WatchEvent::Deleted(pod) => (pod, Step::Gone),
                        WatchEvent::Modified(pod) if pod.metadata.deletion_timestamp.is_some() => {
                            (pod, Step::Ending)
                        }
                        WatchEvent::Modified(pod) if is_ready(&pod) => (pod, Step::Ready),
                        WatchEvent::Modified(_) | WatchEvent::Bookmark(_) => continue,
                        WatchEvent::Error(_) => break,
                    };
                    from = pod.metadata.resource_version.clone().unwrap();
                    let component = pod.metadata.labels.unwrap()["app.kubernetes.io/component"].clone();
                    to.0.lock().unwrap().push((component, step));
                }
            }
        });
        history
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    fn first(&self, component: &str, step: Step) -> Option<usize> {
        self.0.lock().unwrap().iter().position(|it| *it == (component.to_owned(), step))
    }

    fn last(&self, component: &str, step: Step) -> Option<usize> {
        self.0.lock().unwrap().iter().rposition(|it| *it == (component.to_owned(), step))
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Scenario 23.
#[tokio::test]
async fn erp_stops_and_starts_in_order_under_kills() {
    let (_alone, world) = alone().await;
    let mut operator = world.start_operator(planner()).await;
    let stack = Stack::of(world, "stack-kills", "erp").await;
    let history = History::of(&stack).await;
    let mut spec = example("erp");
    let edges: Vec<(String, String)> = spec["components"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(name, it)| {
            let on = it["dependsOn"].as_array().into_iter().flatten();
            on.map(|on| (name.clone(), on.as_str().unwrap().to_owned()))
        })
        .collect();
    assert_eq!(edges.len(), 13);
    stack.apply(&spec).await;
    let status = stack.until("the tiers", SOON, |status| status["tiers"] == 6).await;
    let mut tiers: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in status["components"].as_array().unwrap() {
        tiers
            .entry(row["tier"].as_i64().unwrap())
            .or_default()
            .push(row["name"].as_str().unwrap().to_owned());
    }
    let pods_of = async |tier: i64| {
        let mut count = 0;
        for component in &tiers[&tier] {
            count += stack.pods_of(component).await.len();
        }
        count
    };
    for turn in ["the first start", "the start after a stop"] {
        // Killed while each tier starts.
        for tier in 1..=6 {
            wait_for(format!("{turn}: pods of tier {tier}"), START, async || {
                (pods_of(tier).await > 0).then_some(()).ok_or("none yet".to_owned())
            })
            .await
            .unwrap();
            operator = killed(operator, world).await;
        }
        stack.ready().await;
        for (component, on) in &edges {
            let (made, ready) = (history.first(component, Step::Added), history.first(on, Step::Ready));
            assert!(ready.is_some() && made > ready, "{turn}: {component} before {on}: {history:?}");
        }
        history.clear();
        if turn == "the start after a stop" {
            break;
        }
        spec["operation"] = json!({ "stopped": true });
        stack.apply(&spec).await;
        for tier in (1..=6).rev() {
            wait_for(format!("no pods of tier {tier}"), START, async || match pods_of(tier).await {
                0 => Ok(()),
                left => Err(format!("{left} left")),
            })
            .await
            .unwrap();
            operator = killed(operator, world).await;
        }
        stack
            .until("stopped", START, |status| {
                let rows = status["components"].as_array().unwrap();
                rows.iter().all(|row| row["phase"] == "Stopped")
            })
            .await;
        for (component, on) in &edges {
            let (gone, ending) = (history.last(component, Step::Gone), history.first(on, Step::Ending));
            assert!(gone.is_some() && ending > gone, "{on} stopped before {component}: {history:?}");
        }
        history.clear();
        spec["operation"] = json!({ "stopped": false });
        stack.apply(&spec).await;
    }
    stack.delete().await;
    operator.kill();
}

impl std::fmt::Debug for History {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.lock().unwrap().fmt(formatter)
    }
}

/// Scenario 31: an upgrade from a release without stacks.
#[tokio::test]
async fn crd_and_policy_of_stacks_come_in_any_order() {
    let (_alone, world) = alone().await;
    let client = world.client().await;
    let admission = "/apis/admissionregistration.k8s.io/v1";
    let forget = async |plural: &str| {
        let path = format!("{admission}/{plural}/logpilot-operator-stack-author");
        let _ = client.request_text(http::Request::delete(path).body(Vec::new()).unwrap()).await;
    };
    let policy = std::fs::read_to_string(harness::root().join("config/admission/stack_author.yaml")).unwrap();
    let policy = async || {
        for manifest in cluster::documents(&policy) {
            cluster::apply(&client, &manifest).await;
        }
    };
    let crd = async || {
        cluster::apply(&client, &serde_json::to_value(logpilot_operator::stack::api::crd()).unwrap()).await;
    };
    remove(&client, STACKS).await;
    let operator = world.start_operator(planner()).await;
    let case = Case::new(world, "before-stacks").await;
    case.apply(quickstart()).await;
    case.ready().await;
    let since = world.marker().await;
    let stack = Stack::of(world, "upgraded", "shop").await;
    let author = world.env.access().client_as("nobody-in-particular", &[]).await.unwrap();
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": { "name": "stacks", "namespace": "upgraded" },
        "rules": [{ "apiGroups": ["logpilot.io"], "resources": ["servicestacks"], "verbs": ["*"] }],
    });
    let binding = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": { "name": "stacks", "namespace": "upgraded" },
        "roleRef": { "apiGroup": rbac, "kind": "Role", "name": "stacks" },
        "subjects": [{ "apiGroup": rbac, "kind": "User", "name": "nobody-in-particular" }],
    });
    cluster::apply(&client, &role).await;
    cluster::apply(&client, &binding).await;
    let spec = json!({ "components": { "web": { "image": "example/web:1" } } });
    let manifest = json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "shop", "namespace": "upgraded" }, "spec": spec,
    });
    for first in ["policy", "CRD"] {
        remove(&client, STACKS).await;
        forget("validatingadmissionpolicybindings").await;
        forget("validatingadmissionpolicies").await;
        if first == "policy" {
            policy().await;
            crd().await;
        } else {
            crd().await;
            policy().await;
        }
        wait_for(format!("{first} first: the author to be refused"), SOON, async || {
            match cluster::try_apply(&author, &manifest).await {
                Err(error) if error.to_string().contains("you may not create ") => Ok(()),
                Err(error) => Err(error.to_string()),
                // The policy was not in force yet.
                Ok(_) => {
                    stack.delete().await;
                    Err("accepted".to_owned())
                }
            }
        })
        .await
        .unwrap();
        stack.apply(&spec).await;
        stack.ready().await;
        stack.delete().await;
    }
    let writes = case.requests(since.as_ref()).await;
    let writes = writes.iter().filter(|it| !["get", "list"].contains(&it.verb.as_str())).count();
    assert_eq!(writes, 0, "an object of the LogPilotCluster was written");
    case.delete().await;
    operator.kill();
}
