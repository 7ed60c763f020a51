//! How the API server stores keys without a value, and objects that are older than a rule.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
    core::Request,
};

use super::{blocks::blocks, *};

/// Creates as a dry run; returns what would be stored.
async fn stored(client: &kube::Client, name: &str, spec: &Value) -> Result<Value, String> {
    let manifest = cluster::manifest(name, spec);
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let request = Request::new("/apis/logpilot.io/v1alpha1/logpilotclusters")
        .create(&parameters, serde_json::to_vec(&manifest).unwrap())
        .unwrap();
    let answer = client.request::<Value>(request).await.map_err(|error| error.to_string())?;
    Ok(answer["spec"].clone())
}

#[tokio::test]
async fn a_null_block_is_stored_as_omitted() {
    let client = shared_operator().await.client().await;
    let (mut wrong, mut both, mut alike) = (Vec::new(), 0, 0);
    for block in blocks() {
        let null = stored(&client, "presence", &block.null()).await;
        let absent = stored(&client, "presence", &block.absent()).await;
        match (null, absent) {
            (Ok(null), Ok(absent)) => {
                alike += 1;
                // A parent that loses its only child is empty in one and omitted in the other.
                if null.pointer(&block.pointer()).is_some() || null != absent {
                    wrong.push(format!("{}: {null} and {absent}", block.path));
                }
            }
            (Err(_), Err(_)) => both += 1,
            (null, absent) => wrong.push(format!("{}: {null:?} and {absent:?}", block.path)),
        }
    }
    println!("{alike} stored alike, {both} refused alike");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(alike > 80, "{alike}");
}

/// An existing namespace is never changed; requested settings that it lacks are reported until they
/// exist.
#[tokio::test]
async fn settings_of_an_existing_namespace_are_reported() {
    let case = case("settled").await;
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": case.name, "labels": { "team": "a" } },
    });
    cluster::apply(&case.client, &namespace).await;
    let mut spec = quickstart();
    spec["namespace"] = json!({ "labels": { "team": "b", "tier": "logs" }, "podSecurity": "Baseline" });
    case.apply(spec).await;
    let named = |status: &Value| {
        let all = status["problems"].as_array()?;
        let found = all.iter().find(|problem| problem["reason"] == "SettingIgnored");
        found.map(|problem| problem["message"].as_str().unwrap().to_owned())
    };
    let status = case.until("named", SOON, |status| named(status).is_some()).await;
    let message = named(&status).unwrap();
    for part in ["team=b", "tier=logs", "pod-security.kubernetes.io/enforce=baseline"] {
        assert!(message.contains(part), "{message}");
    }
    let labels = json!({ "team": "b", "tier": "logs", "pod-security.kubernetes.io/enforce": "baseline" });
    let patch = json!({ "metadata": { "labels": labels } });
    kinds::edit(&case.client, kind("Namespace"), "", &case.name, &patch).await;
    case.until("no longer named", REPAIR, |status| named(status).is_none()).await;
    case.ready().await;
    case.delete().await;
}

#[tokio::test]
async fn a_null_in_free_form_fields_is_kept() {
    let client = shared_operator().await.client().await;
    let patch = json!({ "metadata": { "annotations": null }, "spec": { "template": { "spec": { "hostAliases": null } } } });
    let spec = json!({
        "image": "danpung2/logpilot:1.2.0",
        "config": { "overlay": { "logging": null, "a": { "b": null } } },
        "patches": [{ "target": { "kind": "Deployment", "name": "presence-all" }, "patch": patch }],
    });
    let seen = stored(&client, "presence", &spec).await.unwrap();
    assert_eq!(seen["config"], spec["config"]);
    assert_eq!(seen["patches"], spec["patches"]);
}

/// The CRD of an older release, in a group of its own, stored an empty map; this one replaces it.
#[tokio::test]
async fn an_older_empty_map_is_editable_and_reported() {
    let client = shared_operator().await.client().await;
    let text = serde_json::to_string(&logpilot_operator::api::crd::crd()).unwrap();
    let mut ours: Value = serde_json::from_str(&text.replace("logpilot.io", "older.example.com")).unwrap();
    ours["spec"]["names"]["shortNames"] = json!(["older"]);
    ours["spec"]["names"]["categories"] = json!([]);
    let mut older = ours.clone();
    let of_map = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/components/x-kubernetes-validations";
    let rules = older.pointer_mut(of_map).unwrap().as_array_mut().unwrap();
    let before = rules.len();
    rules.retain(|rule| rule["rule"] != "self.size() > 0");
    assert_eq!(rules.len() + 1, before);
    cluster::apply(&client, &older).await;
    let path = "/apis/older.example.com/v1alpha1/logpilotclusters";
    let mut object =
        cluster::manifest("old", &json!({ "image": "danpung2/logpilot:1.2.0", "components": {} }));
    object["apiVersion"] = json!("older.example.com/v1alpha1");
    let send = async |method: &str, path: &str, body: &Value| {
        let request = http::Request::builder().method(method).uri(path).header(
            "content-type",
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" },
        );
        let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
        client.request::<Value>(request).await.map_err(|error| error.to_string())
    };
    wait_for("the older definition to be served", SOON, async || send("POST", path, &object).await.map(drop))
        .await
        .unwrap();
    cluster::apply(&client, &ours).await;
    let mut new = object.clone();
    new["metadata"]["name"] = json!("second");
    wait_for("the rule to be in effect", SOON, async || {
        match send("POST", &format!("{path}?dryRun=All"), &new).await {
            Err(error) if error.contains("with the braces") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    let one = format!("{path}/old");
    let edited =
        send("PATCH", &one, &json!({ "spec": { "image": "danpung2/logpilot:1.2.1" } })).await.unwrap();
    assert_eq!(edited["spec"]["components"], json!({}));
    send("PATCH", &format!("{one}/status"), &json!({ "status": { "observedGeneration": 2 } })).await.unwrap();
    send("PATCH", &one, &json!({ "spec": { "components": { "rest": {} } } })).await.unwrap();
    let error =
        send("PATCH", &one, &json!({ "spec": { "components": { "rest": null } } })).await.unwrap_err();
    assert!(error.contains("with the braces"), "{error}");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.delete("logpilotclusters.older.example.com", &DeleteParams::default()).await.unwrap();
}
