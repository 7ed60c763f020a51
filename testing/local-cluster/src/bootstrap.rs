//! The initial contents of a new control plane: RBAC, storage classes, nodes.

use std::time::Duration;

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::{
    Identity, Result,
    error::{Context, Error},
    nodes, volumes, wait_for_object,
};

const DEADLINE: Duration = Duration::from_mins(1);

/// Binds the administrator and the volume binder. `client` is the bootstrap identity's.
pub(crate) async fn grant(client: &Client) -> Result<()> {
    let role: ClusterRole = object(json!({
        "metadata": { "name": volumes::USER },
        "rules": [
            { "apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list", "watch", "create", "patch", "delete"] },
            { "apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "watch"] },
            { "apiGroups": [""], "resources": ["persistentvolumeclaims/status"], "verbs": ["patch"] },
        ],
    }))?;
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles
        .create(&PostParams::default(), &role)
        .await
        .during(format!("create ClusterRole {}", volumes::USER))?;

    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let admin = Identity::admin();
    for (name, role, user) in [
        ("local-cluster:admin", "cluster-admin", admin.name()),
        (volumes::USER, volumes::USER, volumes::USER),
    ] {
        let binding: ClusterRoleBinding = object(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
        }))?;
        bindings
            .create(&PostParams::default(), &binding)
            .await
            .during(format!("create ClusterRoleBinding {name}"))?;
    }
    Ok(())
}

/// Creates storage classes and nodes; returns when a pod could be created and would run.
pub(crate) async fn furnish(client: &Client, node_count: usize) -> Result<()> {
    volumes::create_classes(client).await?;
    nodes::create(client, node_count).await?;
    nodes::wait_until_ready(client, node_count, DEADLINE).await?;
    // Pods are rejected until the controller-manager has created the namespace's ServiceAccount.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    wait_for_object(&accounts, "default", "exists", DEADLINE, |_| true).await?;
    Ok(())
}

fn object<K: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<K> {
    serde_json::from_value(value).map_err(|error| Error::Request {
        step: "create the first objects".to_owned(),
        source: Box::new(kube::Error::SerdeError(error)),
    })
}
