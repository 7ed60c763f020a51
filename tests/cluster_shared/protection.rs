//! `spec.deletionProtection` and the admission policy that enforces it.

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};

use super::*;

const LABEL: &str = "logpilot.io/deletion-protection";

fn protected(on: bool) -> Value {
    let mut spec = quickstart();
    spec["deletionProtection"] = json!(on);
    spec
}

/// Installs the policy unmodified; it affects only protected objects, and so no other test.
pub async fn with_policy(client: &Client) {
    let text = std::fs::read_to_string("config/admission/deletion_protection.yaml").unwrap();
    for manifest in cluster::documents(&text) {
        cluster::apply(client, &manifest).await;
    }
}

/// Waits until the API server enforces the policy, with a dry-run delete, and returns the message.
pub async fn refusal(what: &str, delete: impl AsyncFn(DeleteParams) -> Result<(), kube::Error>) -> String {
    wait_for(format!("the refusal of {what}"), SOON, async || {
        match delete(DeleteParams::default().dry_run()).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(status.message.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap()
}

fn labelled(object: &kube::api::DynamicObject) -> bool {
    object.metadata.labels.as_ref().is_some_and(|labels| labels.get(LABEL).is_some_and(|it| it == "true"))
}

#[tokio::test]
async fn deletion_protection_blocks_until_the_field_changes() {
    let case = case("protected").await;
    with_policy(&case.client).await;
    case.apply(protected(true)).await;
    case.ready().await;
    assert!(labelled(&case.child("PersistentVolumeClaim", "protected-data").await));
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(case.client.clone(), case.ns());
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let api = case.api();
    for (said, way_out) in [
        (
            refusal("the resource", async |how| api.delete("protected", &how).await.map(drop)).await,
            "kubectl patch logpilotcluster protected --type=merge -p '{\"spec\":{\"deletionProtection\":false}}'",
        ),
        (
            refusal("the claim", async |how| claims.delete("protected-data", &how).await.map(drop)).await,
            "kubectl label persistentvolumeclaims protected-data -n protected logpilot.io/deletion-protection-",
        ),
        (
            refusal("all claims", async |how| {
                claims.delete_collection(&how, &ListParams::default()).await.map(drop)
            })
            .await,
            "kubectl label persistentvolumeclaims protected-data",
        ),
        (
            refusal("the namespace", async |how| namespaces.delete("protected", &how).await.map(drop)).await,
            "kubectl label namespaces protected logpilot.io/deletion-protection-",
        ),
    ] {
        assert!(said.contains("LogPilotCluster 'protected'"), "{said}");
        assert!(said.contains("set") && said.contains("spec.deletionProtection to false first"), "{said}");
        assert!(said.contains(way_out), "{said}");
    }
    // A removed label is restored, like every field that the operator owns.
    let edit = json!({ "metadata": { "labels": { LABEL: null } } });
    kinds::edit(&case.client, kind("PersistentVolumeClaim"), case.ns(), "protected-data", &edit).await;
    case.child_until("PersistentVolumeClaim", "protected-data", "labelled", REPAIR, labelled).await;

    case.apply(protected(false)).await;
    case.child_until("PersistentVolumeClaim", "protected-data", "free", SOON, |it| !labelled(it)).await;
    case.child_until("Namespace", "protected", "free", SOON, |it| !labelled(it)).await;
    claims.delete("protected-data", &DeleteParams::default().dry_run()).await.unwrap();
    case.delete().await;
    // Created by the test's own operator, and in no other test's way: the namespace controller
    // deletes it.
    case.delete_namespace().await;
    gone(&namespaces, "protected").await;
}

/// A permitted deletion completes, whatever label is left on the PVCs: nothing hangs.
#[tokio::test]
async fn unprotected_owners_delete_protected_pvcs() {
    let client = shared_operator().await.client().await;
    with_policy(&client).await;
    // A foreign namespace: it carries no label of the operator's.
    let theirs = case("protected-in-theirs").await;
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "protected-in-theirs" } });
    cluster::apply(&client, &namespace).await;
    theirs.apply(protected(true)).await;
    theirs.ready().await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), theirs.ns());
    refusal("the claim", async |how| claims.delete("protected-in-theirs-data", &how).await.map(drop)).await;
    // Nothing is written during the deletion, so that only the namespace controller acts here.
    let mut off = protected(true);
    off["operation"] = json!({ "paused": true });
    theirs.apply(off.clone()).await;
    theirs.until("Paused", SOON, |status| status["summary"] == "Paused").await;
    theirs.delete_namespace().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    gone(&namespaces, theirs.ns()).await;
    off["deletionProtection"] = json!(false);
    theirs.apply(off).await;
    theirs.delete().await;

    // A PVC that is deleted with its resource, and whose label is not removed before.
    let owner = case("protected-owned").await;
    let mut spec = protected(true);
    spec["storage"] = json!({ "volume": { "deletionPolicy": "Delete" } });
    owner.apply(spec.clone()).await;
    owner.ready().await;
    spec["operation"] = json!({ "paused": true });
    owner.apply(spec.clone()).await;
    owner.until("Paused", SOON, |status| status["summary"] == "Paused").await;
    spec["deletionProtection"] = json!(false);
    owner.apply(spec).await;
    owner.until("seen", SOON, |_| true).await;
    assert!(labelled(&owner.child("PersistentVolumeClaim", "protected-owned-data").await));
    owner.delete().await;
    owner.gone("PersistentVolumeClaim", "protected-owned-data", SOON).await;
}

async fn gone(namespaces: &Api<Namespace>, name: &str) {
    wait_for(format!("namespace {name} to be deleted"), Duration::from_secs(60), async || {
        match namespaces.get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(left) => Err(format!("{:?}", left.status)),
        }
    })
    .await
    .unwrap();
}
