//! Generated Secrets: how long they are kept, and when one is lost.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    kinds::Managed,
    stack::{
        api::ServiceStack,
        facts::{Facts, SecretFact},
        model::Stack,
        plan,
        resolve::resolve,
    },
};

/// A stack with a generated password, and one component with these volumes.
fn stack(volumes: &Value) -> Stack {
    let cr: ServiceStack = serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "h", "namespace": "n", "uid": "u" },
        "spec": {
            "secrets": { "db": { "generate": ["password"] } },
            "components": { "db": {
                "kind": "StatefulSet", "image": "a:1", "volumes": volumes,
                "env": { "PASSWORD": "$(secrets.db.password)" },
            } },
        },
    }))
    .unwrap();
    resolve(&cr).unwrap()
}

#[rstest]
#[case::without_volumes(json!({}))]
#[case::deleted_with_the_stack(json!({ "data": { "path": "/d", "size": "1Gi", "deletionPolicy": "Delete" } }))]
#[case::kept(json!({ "data": { "path": "/d", "size": "1Gi" } }))]
#[case::existing(json!({ "data": { "path": "/d", "existingClaim": "c" } }))]
fn a_generated_secret_outlives_its_stack(#[case] volumes: Value) {
    let stack = stack(&volumes);
    let fact = SecretFact::Generate { values: BTreeMap::new(), replaces: None };
    let facts = Facts { secrets: [("h-db".to_owned(), fact)].into(), ..Facts::default() };
    let plan = plan::plan(&stack, &facts);
    let secret = plan.objects.iter().find(|it| it.kind == Secret::KIND).unwrap();
    assert_eq!(secret.body.pointer("/metadata/ownerReferences"), None);
}
