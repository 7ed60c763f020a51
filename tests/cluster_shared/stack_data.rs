//! Passwords, volumes and names of a `ServiceStack`: what outlives it, and what belongs to another resource.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::{
    cluster::stack::{START, Stack, row, two},
    *,
};

fn secrets(stack: &Stack) -> Api<Secret> {
    Api::namespaced(stack.client.clone(), &stack.namespace)
}

/// UIDs of the objects of a kind in the namespace of a stack.
async fn uids(stack: &Stack, of: &str) -> BTreeSet<String> {
    let all = kinds::api(&stack.client, kind(of), &stack.namespace).list(&Default::default()).await.unwrap();
    all.items.iter().map(uid).collect()
}

/// Scenario 11.
#[tokio::test]
async fn a_lost_password_is_never_replaced() {
    let stack = Stack::new("stack-lost", "shop").await;
    stack.apply(&two("example/db:1", "example/app:1")).await;
    stack.until("the UID is known", SOON, |status| status["secrets"][0]["name"] == "shop-db").await;
    stack.ready().await;
    let mut secret = secrets(&stack).get("shop-db").await.unwrap();
    let pods = uids(&stack, "Pod").await;
    let since = stack.world.marker().await;
    kinds::delete(&stack.client, kind("Secret"), &stack.namespace, "shop-db").await;
    stack.apply(&two("example/db:2", "example/app:2")).await;
    let status = stack.until("lost", SOON, |status| problems(status).contains("GeneratedSecretLost")).await;
    assert_eq!(condition(&status, "Ready"), ("False".to_owned(), "GeneratedSecretLost".to_owned()));
    assert_eq!(status["secrets"][0]["uid"], json!(secret.metadata.uid));
    let writes = stack.object_writes_since(since.as_ref()).await;
    let of_it: Vec<_> = writes
        .iter()
        .filter(|it| ["secrets", "statefulsets", "deployments"].contains(&&*it.resource))
        .collect();
    assert!(of_it.is_empty(), "{of_it:#?}");
    assert_eq!(uids(&stack, "Pod").await, pods, "old pods run on");
    assert_eq!(stack.image("app").await.unwrap(), "example/app:1");

    // Restored from a backup, with its labels.
    secret.metadata.resource_version = None;
    secret.metadata.uid = None;
    secret.metadata.managed_fields = None;
    secrets(&stack).create(&Default::default(), &secret).await.unwrap();
    let status = stack.ready().await;
    assert!(!problems(&status).contains("GeneratedSecretLost"));
    assert_eq!(stack.image("app").await.unwrap(), "example/app:2");
    assert_eq!(secrets(&stack).get("shop-db").await.unwrap().data, secret.data);

    // Lost again, and given up: a new password, and the readers restart.
    kinds::delete(&stack.client, kind("Secret"), &stack.namespace, "shop-db").await;
    let mut spec = two("example/db:2", "example/app:3");
    stack.apply(&spec).await;
    let status = stack.until("lost", SOON, |status| problems(status).contains("GeneratedSecretLost")).await;
    let value = format!("shop-db-{}", &status["secrets"][0]["uid"].as_str().unwrap()[..8]);
    let accept = json!({ "metadata": { "annotations": { "logpilot.io/accept-secret-loss": value } } });
    stack.api().patch("shop", &PatchParams::default(), &Patch::Merge(accept)).await.unwrap();
    let status = stack.ready().await;
    assert!(!problems(&status).contains("GeneratedSecretLost"));
    assert_ne!(secrets(&stack).get("shop-db").await.unwrap().data, secret.data);
    spec["components"]["app"]["image"] = json!("example/app:4");
    stack.apply(&spec).await;
    stack.ready().await;
}

/// Scenario 12.
#[tokio::test]
async fn a_stack_applied_again_finds_its_data() {
    let stack = Stack::new("stack-again", "shop").await;
    let spec = two("example/db:1", "example/app:1");
    stack.apply(&spec).await;
    stack.ready().await;
    let password = secrets(&stack).get("shop-db").await.unwrap().data;
    let claims = uids(&stack, "PersistentVolumeClaim").await;
    let before = uid(&stack.api().get("shop").await.unwrap());
    let service = uid(&stack.object("Service", "db").await.unwrap());
    stack.delete().await;
    stack.apply(&spec).await;
    assert_ne!(uid(&stack.api().get("shop").await.unwrap()), before);
    let status = stack.ready().await;
    assert!(problems(&status).is_empty(), "{status:#}");
    assert_eq!(secrets(&stack).get("shop-db").await.unwrap().data, password);
    assert_eq!(uids(&stack, "PersistentVolumeClaim").await, claims);
    let now = stack.object("Service", "db").await.unwrap();
    let owner = &now.metadata.owner_references.as_ref().unwrap()[0].uid;
    assert!(uid(&now) != service && *owner != before, "{now:?}");
}

/// Scenario 16: two stacks and a LogPilotCluster of one name, of which two are in one namespace.
#[tokio::test]
async fn one_name_in_every_place_is_three_resources() {
    let (a, b) = (Stack::new("one-a", "one").await, Stack::new("one-b", "one").await);
    let spec = two("example/db:1", "example/app:1");
    for stack in [&a, &b] {
        stack.apply(&spec).await;
        stack.ready().await;
    }
    let cluster = case("one").await;
    let since = a.world.marker().await;
    let mut server = quickstart();
    server["namespace"] = json!({ "name": "one-a" });
    cluster.apply(server).await;
    // Only the ServiceAccount has the same name. It stays with the resource that had it.
    let status = cluster.until("a conflict", SOON, |status| problems(status).contains("NameConflict")).await;
    let told = status["problems"].to_string();
    assert!(told.contains("ServiceAccount one-a/one") && told.contains("ServiceStack 'one'"), "{told}");
    assert!(kinds::get(&a.client, kind("Deployment"), "one-a", "one-all").await.is_none());
    let of = async |stack: &Stack| {
        let object = stack.api().get("one").await.unwrap();
        let owned = async |kind_: &str| {
            let all =
                kinds::api(&stack.client, kind(kind_), &stack.namespace).list(&Default::default()).await;
            let ours = all.unwrap().items.into_iter().filter(|it| {
                it.metadata.labels.as_ref().is_some_and(|it| it.get("logpilot.io/stack") == Some(&stack.name))
            });
            ours.map(|it| (uid(&it), it.metadata.resource_version)).collect::<Vec<_>>()
        };
        (
            object.metadata.resource_version,
            owned("Deployment").await,
            owned("Service").await,
            owned("Secret").await,
        )
    };
    let (in_a, in_b) = (of(&a).await, of(&b).await);
    // Drift of one is not the business of the others.
    kinds::delete(&a.client, kind("Service"), "one-a", "app").await;
    wait_for("the Service to be repaired", REPAIR, async || {
        a.object("Service", "app").await.map(drop).ok_or("not yet".to_owned())
    })
    .await
    .unwrap();
    assert_eq!(of(&b).await, in_b);
    assert_eq!(of(&a).await.1, in_a.1);
    let writes = a.object_writes_since(since.as_ref()).await;
    let of_stack = writes.iter().filter(|it| !it.name.starts_with("one")).count();
    assert!(since.is_none() || of_stack == 1, "{writes:#?}");

    // The name is free when the stack is deleted.
    a.delete().await;
    cluster.until("Ready", START, |status| condition(status, "Ready").0 == "True").await;
    let secret = secrets(&a).get("one-db").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["logpilot.io/stack"], "one", "what is kept is not adopted");
    cluster.delete().await;
    a.gone("Deployment", "one-all", Duration::from_secs(90)).await;
    assert_eq!(of(&b).await, in_b);
    b.ready().await;
}

/// Scenario 17.
#[tokio::test]
async fn a_kept_pvc_of_the_other_kind_is_not_mounted() {
    let cluster = case("kept-by").await;
    let stack = Stack::new("kept-by", "kept-by").await;
    cluster.apply(quickstart()).await;
    cluster.ready().await;
    let claim = cluster.child("PersistentVolumeClaim", "kept-by-data").await;
    cluster.delete().await;
    stack.gone("ServiceAccount", "kept-by", Duration::from_secs(90)).await;
    let spec = json!({
        "volumes": { "data": { "size": "10Gi", "accessMode": "ReadWriteOnce" } },
        "components": {
            "web": { "image": "example/web:1", "volumes": { "data": { "path": "/data", "shared": "data" } } },
            "other": { "image": "example/other:1" },
        },
    });
    stack.apply(&spec).await;
    let status = stack
        .until("a conflict", SOON, |status| {
            problems(status).contains("NameConflict") && row(status, "other")["phase"] == "Ready"
        })
        .await;
    assert!(status["problems"].to_string().contains("LogPilotCluster 'kept-by'"), "{status:#}");
    assert!(stack.deployment("web").await.is_none(), "it would mount the data of another resource");
    kinds::assert_same(&cluster.child("PersistentVolumeClaim", "kept-by-data").await, &claim);
    stack.delete().await;
    kinds::delete(&stack.client, kind("PersistentVolumeClaim"), "kept-by", "kept-by-data").await;
    stack.gone("PersistentVolumeClaim", "kept-by-data", SOON).await;
    stack.gone("ServiceAccount", "kept-by", Duration::from_secs(90)).await;

    // And the reverse.
    stack.apply(&spec).await;
    stack.ready().await;
    let claim = cluster.child("PersistentVolumeClaim", "kept-by-data").await;
    stack.delete().await;
    stack.gone("ServiceAccount", "kept-by", Duration::from_secs(90)).await;
    cluster.apply(quickstart()).await;
    let status = cluster.until("a conflict", SOON, |status| problems(status).contains("NameConflict")).await;
    assert!(status["problems"].to_string().contains("ServiceStack 'kept-by/kept-by'"), "{status:#}");
    assert!(kinds::get(&stack.client, kind("Deployment"), "kept-by", "kept-by-all").await.is_none());
    kinds::assert_same(&cluster.child("PersistentVolumeClaim", "kept-by-data").await, &claim);
    cluster.delete().await;
}
