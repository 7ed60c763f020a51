//! Contents of Secrets appear nowhere: not in logs, events, status, or any object, in any state of
//! the resource. For a value in use, its salted hash is in the pods' annotations, so that a change
//! rolls them.

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use logpilot_operator::kinds::KINDS;

use super::*;

/// Values of Secrets, each with its use; long and random enough not to occur by chance.
const CANARIES: [(&str, &str); 7] = [
    ("the first API key", "canary-Zk3nQ8vT1x-first"),
    ("a later API key", "canary-Wm7cR2yB5p-later"),
    ("what stands under a wrong key", "canary-Hd9sL4gJ6f-wrong"),
    ("a variable", "canary-Ub5tN1aE8k-variable"),
    ("a login of a registry", "canary-Qo2zX6iC3w-login"),
    ("the id of a bucket's key", "canary-Fy8pM0hV7d-id"),
    ("a bucket's key", "canary-Sr4jG9bK2u-bucket"),
];

async fn secret(case: &Case, name: &str, key: &str, value: &str) {
    apply_in(case, name, &json!({ key: value })).await;
}

async fn apply_in(case: &Case, name: &str, data: &Value) {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": case.ns() }, "stringData": data,
    });
    cluster::apply(&case.client, &manifest).await;
}

/// Returns the canaries found in a text, with its place.
fn leaks(place: &str, text: &str) -> Vec<String> {
    CANARIES
        .iter()
        .filter(|(_, value)| text.contains(value) || text.contains(&cluster::encoded(value)))
        .map(|(what, _)| format!("{what} is in {place}"))
        .collect()
}

/// Returns everything that the operator wrote or caused to be written, except Secrets.
async fn everywhere(case: &Case) -> Vec<(String, String)> {
    let all = ListParams::default();
    let events: kube::Api<Event> = kube::Api::all(case.client.clone());
    let mut places = vec![
        ("the operator's log".to_owned(), case.world.log()),
        ("an event".to_owned(), text(&events.list(&all).await.unwrap().items)),
        ("the resource".to_owned(), text(&case.get().await)),
    ];
    for kind in KINDS.iter().filter(|kind| kind.kind != "Secret") {
        let list = kinds::api(&case.client, kind, case.ns()).list(&all).await.unwrap();
        places.push((format!("a {}", kind.kind), text(&list.items)));
    }
    if let Some(plane) = case.world.env.control_plane() {
        // Paths and queries; the log contains no bodies.
        places.push(("the audit log".to_owned(), std::fs::read_to_string(plane.audit().path()).unwrap()));
    }
    places
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[tokio::test]
async fn secret_contents_appear_only_as_a_hash() {
    let case = case("canary").await;
    let [first, later, wrong, variable, login, id, bucket] = CANARIES.map(|(_, value)| value);
    let mut spec = quickstart();
    spec["auth"] = json!({ "apiKeySecret": { "name": "clients", "key": "api-key" } });
    spec["imagePullSecrets"] = json!([{ "name": "login" }]);
    spec["components"]["all"]["env"] = json!([{ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "variables", "key": "token" } } }]);
    spec["components"]["all"]["envFrom"] = json!([{ "secretRef": { "name": "variables" } }]);
    spec["backup"] = json!({ "s3": { "bucket": "copies", "credentialsSecret": { "name": "bucket" } } });
    case.apply(spec.clone()).await;
    case.until("the missing value to be reported", SOON, |status| problems(status).contains("ApiKeyInvalid"))
        .await;

    // Wrong in every way that a Secret can be.
    secret(&case, "clients", "apikey", wrong).await;
    secret(&case, "variables", "tokens", wrong).await;
    secret(&case, "login", "config.json", login).await;
    apply_in(&case, "bucket", &json!({ "access-key-id": id, "secret-access-key": bucket })).await;
    case.annotate("look", "again").await;
    case.until("the wrong value to be reported", SOON, |status| {
        let told = status.to_string();
        told.contains("has no key 'api-key'") && told.contains("has no key '.dockerconfigjson'")
    })
    .await;
    // Then right, and then another value.
    secret(&case, "clients", "api-key", first).await;
    secret(&case, "variables", "token", variable).await;
    case.ready().await;
    let annotations = async || {
        let deployment = case.child("Deployment", "canary-all").await;
        deployment.data["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let before = annotations().await;
    secret(&case, "clients", "api-key", later).await;
    // The operator reads it after an edit of the spec.
    spec["components"]["all"]["terminationGracePeriodSeconds"] = json!(40);
    case.apply(spec).await;
    case.child_until("Deployment", "canary-all", "rolled for the new key", SOON, |seen| {
        let now = &seen.data["spec"]["template"]["metadata"]["annotations"];
        now != &before && now.is_object()
    })
    .await;
    case.ready().await;

    let places = everywhere(&case).await;
    assert!(places.iter().filter(|(_, text)| text.len() > 2).count() > 12, "too little was searched");
    let found: Vec<_> = places.iter().flat_map(|(place, text)| leaks(place, text)).collect();
    assert!(found.is_empty(), "{found:#?}");
    // The search works: the value is found where it belongs.
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(case.client.clone(), case.ns());
    let seen = leaks("a Secret", &text(&secrets.list(&ListParams::default()).await.unwrap().items));
    assert_eq!(
        seen.len(),
        CANARIES.len() - 1,
        "all but the first API key, which no longer exists: {seen:#?}"
    );
}
