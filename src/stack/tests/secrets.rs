//! Generated Secrets: how long they are kept, and when one is lost.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    stack::{
        api::{ServiceStack, ServiceStackStatus, status::SecretStatus},
        facts::{Facts, SecretFact},
        model::Stack,
        plan,
        resolve::resolve,
        secrets::{Asked, absent, acceptance, adoption},
    },
    workload::references::read_cache::Moment,
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

/// The state of the Secret of a stack with these volumes, after it was deleted. `claims`: PVCs that exist.
fn after_deletion(volumes: &Value, claims: &[&str], accepted: Option<&str>) -> SecretFact {
    let stack = stack(volumes);
    let children = claims.iter().map(|name| {
        let live = json!({ "metadata": { "name": name, "namespace": "n", "uid": "c" } });
        let child = Child::read(PersistentVolumeClaim::KIND, &live).unwrap();
        ((child.kind.plural, child.key.clone()), child.into())
    });
    let snapshot = Snapshot { children: children.collect(), ..Snapshot::default() };
    let before = ServiceStackStatus {
        secrets: vec![SecretStatus { name: "h-db".into(), uid: "0a1b2c3d-4e5f".into() }],
        ..ServiceStackStatus::default()
    };
    let moment = Moment::default();
    let asked = Asked { before: &before, snapshot: &snapshot, moment, suspect: false, accepted };
    absent(&stack, &stack.secrets[0], &asked)
}

#[rstest]
#[case::no_data(json!({}), &[], false)]
#[case::its_volume(json!({ "data": { "path": "/d", "size": "1Gi" } }), &["db-data"], true)]
#[case::a_removed_component(json!({}), &["gone-data"], true)]
#[case::an_existing_claim(json!({ "data": { "path": "/d", "existingClaim": "c" } }), &[], true)]
fn a_secret_is_lost_while_data_exists(#[case] volumes: Value, #[case] claims: &[&str], #[case] lost: bool) {
    let fact = after_deletion(&volumes, claims, None);
    assert_eq!(matches!(fact, SecretFact::Lost { .. }), lost, "{fact:?}");
}

#[rstest]
#[case::this_loss("h-db-0a1b2c3d", true)]
#[case::an_earlier_loss("h-db-99999999", false)]
#[case::every_loss("h-db", false)]
fn one_loss_is_accepted_at_a_time(#[case] value: &str, #[case] accepted: bool) {
    let fact = after_deletion(&json!({}), &["db-data"], Some(value));
    assert_eq!(fact.replaces().is_some(), accepted, "{fact:?}");
    assert_eq!(acceptance("h-db", "0a1b2c3d-4e5f"), "h-db-0a1b2c3d");
}

#[test]
fn the_labels_of_the_command_make_a_secret_one_of_the_stack() {
    let stack = stack(&json!({}));
    let command = adoption(&stack, "h-db");
    let labels = command.strip_prefix("kubectl label secret h-db -n n ").unwrap().split(' ');
    let labels: BTreeMap<&str, &str> = labels.map(|label| label.split_once('=').unwrap()).collect();
    let live = json!({ "metadata": { "name": "h-db", "namespace": "n", "uid": "s", "labels": labels } });
    let child = Child::read(Secret::KIND, &live).unwrap();
    assert_eq!(child.labelled, Some(stack.resource()));
}
