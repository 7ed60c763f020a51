//! Inputs of a stack from outside: objects of the user, annotations, and other autoscalers.

use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::{Api, api::ListParams};

use super::{
    cluster::stack::{Stack, row},
    *,
};

/// The controller's period is 15 s.
const SCALED: Duration = Duration::from_secs(60);

async fn annotate(stack: &Stack, annotations: Value) {
    let patch = json!({ "metadata": { "annotations": annotations } });
    stack.api().patch(&stack.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn template(stack: &Stack, name: &str) -> Value {
    let template = stack.deployment(name).await.unwrap().spec.unwrap().template;
    serde_json::to_value(template).unwrap()
}

/// Waits until the template of a Deployment is another one.
async fn changed(stack: &Stack, name: &str, before: &Value) {
    wait_for(format!("the template of {name} to change"), SOON, async || {
        let now = template(stack, name).await;
        (now != *before).then_some(()).ok_or(now.to_string())
    })
    .await
    .unwrap();
}

async fn secret(stack: &Stack, value: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": { "key": value },
        "metadata": { "name": "stripe-keys", "namespace": stack.namespace },
    });
    cluster::apply(&stack.client, &secret).await;
}

#[tokio::test]
async fn a_changed_secret_restarts_its_readers_only() {
    let stack = Stack::new("stack-references", "shop").await;
    let spec = json!({
        "secrets": { "stripe": { "existing": "stripe-keys" } },
        "components": {
            "reader": { "image": "example/app:1", "env": { "KEY": "$(secrets.stripe.key)" } },
            "other": { "image": "example/app:1" },
        },
    });
    stack.apply(&spec).await;
    let status =
        stack.until("a missing Secret", SOON, |status| problems(status).contains("ReferenceMissing")).await;
    let problem = &status["problems"][0];
    assert_eq!(problem["component"], "reader", "{status:#}");
    assert_eq!(problem["object"], "Secret stack-references/stripe-keys");
    assert!(problem["action"].as_str().unwrap().contains("create what the message names"), "{problem:#}");
    stack.until("the other component", SOON, |status| row(status, "other")["phase"] == "Ready").await;
    assert!(stack.deployment("reader").await.is_none());

    secret(&stack, "one").await;
    stack.ready().await;
    let (reader, other) = (template(&stack, "reader").await, template(&stack, "other").await);
    let marker = stack.world.marker().await;
    secret(&stack, "two").await;
    annotate(&stack, json!({ "logpilot.io/refresh": "1" })).await;
    changed(&stack, "reader", &reader).await;
    stack.ready().await;
    assert_eq!(template(&stack, "other").await, other);
    let writes = stack.writes_since(marker.as_ref()).await;
    if marker.is_some() {
        let objects: Vec<_> = writes.iter().filter(|it| it.resource != "servicestacks").collect();
        assert_eq!(objects.len(), 1, "{objects:#?}");
    }

    // Without its Secret the component is left as it is, and reported.
    let reader = template(&stack, "reader").await;
    kinds::delete(&stack.client, kind("Secret"), &stack.namespace, "stripe-keys").await;
    annotate(&stack, json!({ "logpilot.io/refresh": "2" })).await;
    stack.until("the loss", SOON, |status| problems(status).contains("ReferenceMissing")).await;
    assert_eq!(template(&stack, "reader").await, reader);
    secret(&stack, "two").await;
    stack.ready().await;
}

#[tokio::test]
async fn annotations_restart_components_and_jobs() {
    let stack = Stack::new("stack-restart", "shop").await;
    let spec = json!({ "components": {
        "migrate": { "kind": "Job", "image": "example/completes:1" },
        "back": { "image": "example/app:1", "dependsOn": ["migrate"] },
        "front": { "image": "example/app:1", "dependsOn": ["back"] },
    } });
    stack.apply(&spec).await;
    stack.ready().await;
    let jobs: Api<Job> = Api::namespaced(stack.client.clone(), &stack.namespace);
    let job = async || {
        let all = jobs.list(&ListParams::default()).await.unwrap();
        all.items.into_iter().map(|it| it.metadata.name.unwrap()).collect::<Vec<_>>()
    };
    let (first, back, front) = (job().await, template(&stack, "back").await, template(&stack, "front").await);

    annotate(&stack, json!({ "logpilot.io/restart": "front" })).await;
    changed(&stack, "front", &front).await;
    stack.ready().await;
    assert_eq!(template(&stack, "back").await, back);

    // A restart of all goes tier by tier.
    let front = template(&stack, "front").await;
    let marker = stack.world.marker().await;
    annotate(&stack, json!({ "logpilot.io/restart": "" })).await;
    changed(&stack, "front", &front).await;
    assert_ne!(template(&stack, "back").await, back);
    stack.ready().await;
    let writes = stack.writes_since(marker.as_ref()).await;
    let order: Vec<_> =
        writes.iter().filter(|it| it.resource == "deployments").map(|it| it.name.as_str()).collect();
    if marker.is_some() {
        assert_eq!(order, ["back", "front"]);
    }
    assert_eq!(job().await, first, "no migration runs again");
    let front = template(&stack, "front").await;
    annotate(&stack, json!({ "logpilot.io/restart": null, "logpilot.io/rerun": "migrate-1" })).await;
    wait_for("another Job", SOON, async || {
        let now = job().await;
        (now.len() == 1 && now != first).then_some(()).ok_or(format!("{now:?}"))
    })
    .await
    .unwrap();
    let status = stack.ready().await;
    assert_eq!(row(&status, "migrate")["phase"], "Completed");
    assert_eq!(template(&stack, "front").await, front, "a removed annotation restarts nothing");
}

#[tokio::test]
async fn another_autoscaler_decides_while_it_exists() {
    let stack = Stack::new("stack-scaled", "shop").await;
    stack.apply(&json!({ "components": { "app": { "image": "example/app:1", "replicas": 4 } } })).await;
    stack.ready().await;
    let scaler = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "theirs", "namespace": stack.namespace },
        "spec": {
            "minReplicas": 1, "maxReplicas": 2,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "app" },
        },
    });
    cluster::apply(&stack.client, &scaler).await;
    let runs = async |pods: &str| {
        stack
            .until(&format!("{pods} pods"), SCALED, |status| {
                row(status, "app")["ready"] == pods && condition(status, "Ready").0 == "True"
            })
            .await;
    };
    runs("2/2").await;
    // An edit does not take the number back either.
    stack.apply(&json!({ "components": { "app": { "image": "example/app:2", "replicas": 5 } } })).await;
    runs("2/2").await;
    kinds::delete(&stack.client, kind("HorizontalPodAutoscaler"), &stack.namespace, "theirs").await;
    stack.apply(&json!({ "components": { "app": { "image": "example/app:2", "replicas": 3 } } })).await;
    runs("3/3").await;
}

#[tokio::test]
async fn an_administrator_restricts_the_hosts_of_a_namespace() {
    let stack = Stack::new("stack-hosts", "web").await;
    let exposed = |host: &str| {
        json!({
            "components": { "web": { "image": "example/web:1", "ports": [{ "name": "http", "port": 80 }] } },
            "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": host, "component": "web" }] } },
        })
    };
    let ingress_host = async || {
        let ingress = kinds::get(&stack.client, kind("Ingress"), &stack.namespace, "web").await?;
        Some(ingress.data.pointer("/spec/rules/0/host")?.as_str()?.to_owned())
    };
    let allow = async |hosts: Value| {
        let patch = json!({ "metadata": { "annotations": { "logpilot.io/hosts": hosts } } });
        kinds::edit(&stack.client, kind("Namespace"), "", &stack.namespace, &patch).await;
    };
    stack.apply(&exposed("a.hosts.example")).await;
    stack.ready().await;
    allow(json!("b.hosts.example, *.team.hosts.example")).await;
    let refused = |status: &Value| condition(status, "Ready").1 == "HostNotAllowed";
    let status = stack.until("the refusal", SOON, refused).await;
    let message = message(&status, "Ready");
    assert!(message.contains("kubectl annotate namespace stack-hosts"), "{message}");
    assert_eq!(ingress_host().await.as_deref(), Some("a.hosts.example"), "what exists stays");

    stack.apply(&exposed("x.team.hosts.example")).await;
    stack.ready().await;
    assert_eq!(ingress_host().await.as_deref(), Some("x.team.hosts.example"));
    stack.apply(&exposed("c.hosts.example")).await;
    stack.until("the refusal", SOON, refused).await;
    assert_eq!(ingress_host().await.as_deref(), Some("x.team.hosts.example"));
    allow(Value::Null).await;
    stack.ready().await;
    assert_eq!(ingress_host().await.as_deref(), Some("c.hosts.example"));
}

#[tokio::test]
async fn settings_without_effect_are_warnings() {
    let stack = Stack::new("stack-warns", "web").await;
    let spec = json!({
        "components": {
            "web": {
                "image": "example/web:latest", "ports": [{ "name": "http", "port": 80 }], "replicas": 2,
                "volumes": { "data": { "path": "/data", "size": "1Gi" } },
            },
        },
        "exposure": { "ingress": {
            "className": "traefik",
            "tls": { "secretName": "t", "issuerRef": { "name": "letsencrypt" } },
            "rules": [{
                "host": "web.local", "path": "/a", "rewrite": "/b", "component": "web",
                "rateLimit": { "requestsPerMinute": 100 },
            }],
        } },
    });
    stack.apply(&spec).await;
    let status = stack.ready().await;
    let all = problems(&status);
    for reason in [
        "RewriteUnsupported",
        "RateLimitUnsupported",
        "CertificatePending",
        "StorageSingleNode",
        "ImageTagLatest",
    ] {
        assert!(all.contains(reason), "{reason}: {status:#}");
    }
    assert_eq!(status["problemCount"], 0);
    let deployments: Api<Deployment> = Api::namespaced(stack.client.clone(), &stack.namespace);
    assert_eq!(deployments.get("web").await.unwrap().status.unwrap().ready_replicas, Some(2));
}
