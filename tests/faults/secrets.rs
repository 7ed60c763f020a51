//! The contents of a user's Secret are in no request, neither without faults nor with them.

use fault_proxy::{Record, Times, When};
use serde_json::{Value, json};

use super::{
    cluster::{self, case::SOON},
    quickstart,
    trial::{Trial, refused},
};

/// Long and random enough not to occur by chance.
const VALUES: [&str; 3] = ["secret-Lk4wE9rY2u", "secret-Tg7mC1vB6n", "secret-Pa3xS8dF5j"];

#[tokio::test]
async fn secret_contents_are_in_no_request() {
    let trial = Trial::behind(Vec::new()).await;
    // The resource's own name is found, so the search works.
    let name = format!("{}-all", trial.case.name);
    let texts = VALUES.iter().flat_map(|value| [(*value).to_owned(), cluster::encoded(value)]);
    trial.slot.proxy.listen_for(texts.chain([name.clone()]).collect());
    let secret = async |key: &str, value: &str| {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": { key: value },
            "metadata": { "name": "clients", "namespace": trial.case.ns() },
        });
        cluster::apply(&trial.case.client, &manifest).await;
    };
    let [first, next, wrong] = VALUES;
    let mut spec = quickstart();
    spec["auth"] = json!({ "apiKeySecret": { "name": "clients", "key": "api-key" } });
    trial.case.apply(spec.clone()).await;
    trial.case.until("the Secret to be missed", SOON, |status| status.to_string().contains("clients")).await;
    secret("another-key", wrong).await;
    trial.case.annotate("look", "again").await;
    let told = |status: &Value| status.to_string().contains("has no key 'api-key'");
    trial.case.until("the key to be missed", SOON, told).await;
    secret("api-key", first).await;
    trial.is_settled(&spec).await;
    // A rejection is reported with its reason: in the status, and in an event.
    let refusal = trial.rule(When::of("patch", "deployments"), Times::Every, refused(422, "Invalid"));
    secret("api-key", next).await;
    spec["components"]["all"]["terminationGracePeriodSeconds"] = json!(40);
    trial.case.apply(spec.clone()).await;
    trial.hit(refusal).await;
    trial.slot.proxy.lift(refusal);
    trial.case.annotate("look", "once more").await;
    trial.is_settled(&spec).await;

    let said = |of: &dyn Fn(&String) -> bool| -> Vec<Record> {
        trial.requests(|record| record.heard.iter().any(of))
    };
    let secrets = said(&|text| *text != name);
    assert!(secrets.is_empty(), "{secrets:#?}");
    assert!(said(&|text| *text == name).iter().any(|record| record.asked.verb == "patch"));
    trial.end().await;
}
