//! The actions of other clients on a resource and its objects: immediate recreation, changes during
//! admission.

use std::time::Duration;

use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Preconditions},
};
use local_cluster::wait_for;
use logpilot_operator::{engine::kind::Management, kinds::of_management};
use serde_json::{Value, json};

use super::{
    cluster::{
        apply, behind,
        case::{REPAIR, SOON, problems, uid},
        kinds::{self, kind},
    },
    fleet::Fleet,
    quickstart, size,
};

/// The garbage collector learns late of a new owner kind.
const COLLECTED: Duration = Duration::from_secs(90);

fn owner(object: &DynamicObject) -> Option<&str> {
    object.metadata.owner_references.iter().flatten().map(|owner| owner.uid.as_str()).next()
}

/// Every object of the old resource is deleted whenever the garbage collector handles it; the new
/// resource has objects of its own.
/// Fault catalogue: F60.
#[tokio::test]
async fn a_recreated_resource_gets_new_objects_and_data() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("again").await;
    let operator = fleet.operator().await;
    let case = fleet.case("again").await;
    let first = fleet.apply(&case, &quickstart()).await;
    let before = case.ready().await;
    case.delete().await;
    let second = wait_for("the second one", Duration::from_millis(500), async || {
        let made = super::cluster::try_apply(&fleet.client, &fleet.manifest(&case.name, &quickstart())).await;
        match made {
            Ok(object) if object.metadata.uid != first.metadata.uid => Ok(uid(&object)),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    let secrets = kinds::api(&case.client, kind("Secret"), case.ns());
    wait_for("children of the second one", COLLECTED, async || {
        for kind in of_management(Management::Managed).filter(|kind| !kind.optional) {
            for child in case.children(kind).await {
                if owner(&child) != Some(&second) {
                    return Err(format!("{} {:?} of {:?}", kind.kind, child.metadata.name, owner(&child)));
                }
            }
        }
        // Pods with a key that can no longer be read would reject every new client.
        match secrets.get_opt("again-api-key").await.unwrap() {
            Some(secret) if owner(&secret) == Some(&second) => Ok(()),
            Some(secret) => Err(format!("the key of {:?}", owner(&secret))),
            None => Err("no key".to_owned()),
        }
    })
    .await
    .unwrap();
    let after = case.ready().await;
    assert_eq!(after["volumes"], before["volumes"], "the data is kept");
    assert_eq!(after["pods"], "1/1");
    fleet.quiet(Duration::from_secs(1), SOON).await;
    fleet.unmake().await;
    operator.kill();
}

/// A foreign finalizer keeps it: the operator waits, reports that in one sentence, and sends no
/// request.
/// Fault catalogue: F59, F63.
#[tokio::test]
async fn a_stuck_object_delays_only_its_replacement() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("stuck").await;
    let operator = fleet.operator().await;
    let case = fleet.case("stuck").await;
    fleet.apply(&case, &quickstart()).await;
    case.ready().await;
    let services = kind("Service");
    let hold = |by: Value| json!({ "metadata": { "finalizers": by } });
    kinds::edit(&case.client, services, "stuck", "stuck-all", &hold(json!(["example.com/hold"]))).await;
    let before = fleet.writes().len();
    kinds::delete(&case.client, services, "stuck", "stuck-all").await;
    case.until("the wait", SOON, |status| problems(status).contains("ChildTerminating")).await;
    for number in 0..5 {
        case.annotate("look", &number.to_string()).await;
    }
    fleet.quiet(Duration::from_secs(2), SOON).await;
    let written: Vec<String> = fleet.writes().split_off(before).iter().map(behind::shown).collect();
    assert!(written.is_empty(), "{written:#?}");
    let old = case.child("Service", "stuck-all").await;
    kinds::edit(&case.client, services, "stuck", "stuck-all", &hold(Value::Null)).await;
    case.child_until("Service", "stuck-all", "made again", REPAIR, |seen| {
        seen.metadata.uid != old.metadata.uid
    })
    .await;
    case.ready().await;

    operator.kill();
    case.delete().await;
    wait_for("the resource to be deleted", SOON, async || match case.api().get_opt("stuck").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    case.gone("Deployment", "stuck-all", COLLECTED).await;
}

/// Two writers with conflicting goals: the operator backs off, and reports the contested object.
/// Fault catalogue: F55.
#[tokio::test]
async fn a_reverting_client_is_named_with_growing_backoff() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("contested").await;
    let operator = fleet.operator().await;
    let case = fleet.case("contested").await;
    fleet.apply(&case, &quickstart()).await;
    case.ready().await;
    fleet.quiet(Duration::from_secs(1), SOON).await;
    let before = fleet.writes().len();
    let label = |by: &str| json!({ "metadata": { "labels": { "app.kubernetes.io/component": by } } });
    let opponent = tokio::spawn({
        let client = case.client.clone();
        let services = kinds::api(&client, kind("Service"), "contested");
        async move {
            loop {
                let seen = services.get("contested-all").await.unwrap();
                if seen.metadata.labels.unwrap()["app.kubernetes.io/component"] != "theirs" {
                    kinds::edit(&client, kind("Service"), "contested", "contested-all", &label("theirs"))
                        .await;
                }
            }
        }
    });
    case.until("the dispute is reported", SOON, |status| problems(status).contains("Contested")).await;
    let policy = case.child("NetworkPolicy", "contested-all").await;
    kinds::delete(&case.client, kind("NetworkPolicy"), "contested", "contested-all").await;
    case.child_until("NetworkPolicy", "contested-all", "made again", REPAIR, |seen| {
        seen.metadata.uid != policy.metadata.uid
    })
    .await;
    // The promise is about this time window, so the sleep is not a wait for a condition.
    tokio::time::sleep(Duration::from_secs(size(10, 60))).await;
    opponent.abort();
    let of_service = |record: &&fault_proxy::Record| record.asked.resource == "services";
    let written = fleet.writes()[before..].iter().filter(of_service).count();
    println!("FIGURE storm: {written} reverts against a client that undoes each immediately");
    // Ten immediately, then after 1 + 2 + 4 + 8 … s, less a quarter.
    assert!((11..=size(15, 18)).contains(&written), "{written}");
    // A new spec is a new attempt.
    let mut next = quickstart();
    next["commonAnnotations"] = json!({ "next": "one" });
    fleet.apply(&case, &next).await;
    let status = case.ready().await;
    assert!(!problems(&status).contains("Contested"), "{status:#}");
    fleet.unmake().await;
    operator.kill();
}

/// A policy that changes writes: the operator neither removes what it adds nor contests what it
/// overrides.
/// Fault catalogue: F65.
#[tokio::test]
async fn a_mutating_policy_causes_no_write_loop() {
    let Some(_turn) = super::beside_others().await else { return };
    let fleet = Fleet::new("mutated").await;
    let operator = fleet.operator().await;
    let case = fleet.case("mutated").await;
    let object = |kind: &str, spec: Value| json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": "mutated" }, "spec": spec });
    let policy = object(
        "MutatingAdmissionPolicy",
        json!({
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
            }] },
            "mutations": [
                { "patchType": "ApplyConfiguration", "applyConfiguration": { "expression":
                    "Object{metadata: Object.metadata{annotations: {'added': 'by a policy'}}, \
                     spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{\
                     containers: [Object.spec.template.spec.containers{name: 'sidecar', image: 'sidecar:1'}]}}}}" } },
                { "patchType": "JSONPatch", "jsonPatch": { "expression":
                    "[JSONPatch{op: 'replace', path: '/spec/template/spec/terminationGracePeriodSeconds', value: 77}]" } },
            ],
        }),
    );
    let binding = object(
        "MutatingAdmissionPolicyBinding",
        json!({ "policyName": "mutated", "matchResources": {
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "mutated" } } } }),
    );
    apply(
        &case.client,
        &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "mutated" } }),
    )
    .await;
    for manifest in [&policy, &binding] {
        apply(&case.client, manifest).await;
    }
    let probe = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "probe", "namespace": "mutated" },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": {
                "terminationGracePeriodSeconds": 5, "containers": [{ "name": "c", "image": "i" }] } },
        },
    });
    // A policy is in force a moment after its creation.
    wait_for("the policy", SOON, async || {
        let made = apply(&case.client, &probe).await;
        let api: Api<DynamicObject> = kinds::api(&case.client, kind("Deployment"), "mutated");
        let changed = made.data["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 77;
        let uid = Preconditions { uid: made.metadata.uid.clone(), ..Preconditions::default() };
        api.delete("probe", &DeleteParams { preconditions: Some(uid), ..DeleteParams::default() })
            .await
            .unwrap();
        if changed { Ok(()) } else { Err(format!("{:#}", made.data)) }
    })
    .await
    .unwrap();
    fleet.apply(&case, &quickstart()).await;
    case.ready().await;
    fleet.quiet(Duration::from_secs(1), SOON).await;
    let made = case.child("Deployment", "mutated-all").await;
    let pod = &made.data["spec"]["template"]["spec"];
    assert_eq!(
        (pod["containers"].as_array().unwrap().len(), &pod["terminationGracePeriodSeconds"]),
        (2, &json!(77))
    );
    let writes = fleet.writes().len();
    for number in 0..5 {
        case.annotate("look", &number.to_string()).await;
    }
    fleet.quiet(Duration::from_secs(2), SOON).await;
    let again: Vec<String> = fleet.writes().split_off(writes).iter().map(behind::shown).collect();
    assert!(again.is_empty(), "{again:#?}");
    // The operator still owns what the policy leaves alone, and a new spec reaches the pods.
    let mut spec = quickstart();
    spec["image"] = json!("danpung2/logpilot:1.2.1");
    fleet.apply(&case, &spec).await;
    assert_eq!(case.ready().await["version"], "1.2.1");
    for manifest in [&binding, &policy] {
        let kind = manifest["kind"].as_str().unwrap();
        let gvk = kube::api::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let api =
            Api::<DynamicObject>::all_with(case.client.clone(), &kube::api::ApiResource::from_gvk(&gvk));
        api.delete("mutated", &DeleteParams::default()).await.unwrap();
    }
    fleet.unmake().await;
    operator.kill();
}
