//! The table against a real API server. The CRD must be installed and served.
//!
//! Objects are sent as a dry run. A row about a change needs its first state stored: that object is
//! created under a name of its own with `operation.paused: true`, so that a running operator does
//! not touch it, and is deleted afterwards.

#![allow(clippy::indexing_slicing, reason = "absent JSON reads as null")]

use std::collections::BTreeMap;

use kube::{
    Client,
    api::{DeleteParams, PostParams},
    core::{Request, Status},
};
use logpilot_operator::manifest::plain_path;
use serde_json::{Value, json};

use super::table::{Layer, Of, Row, rows, stack_rows, valid_rows, valid_stacks};

fn collection(row: &Row) -> &'static str {
    match row.of {
        Of::Cluster => "/apis/logpilot.io/v1alpha1/logpilotclusters",
        Of::Stack => "/apis/logpilot.io/v1alpha1/namespaces/default/servicestacks",
    }
}

/// Runs every row; fails with all failures. Returns the number of rows of each layer.
pub async fn run_online(client: Client) -> BTreeMap<Layer, usize> {
    let run = std::process::id();
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    let stacks = stack_rows().into_iter().chain(valid_stacks());
    for (index, row) in rows().into_iter().chain(valid_rows()).chain(stacks).enumerate() {
        *counts.entry(row.layer).or_default() += 1;
        let name = format!("bad-input-{run}-{index}");
        if let Err(problem) = check(&client, &row, &name).await {
            wrong.push(format!("{}: {problem}", row.label()));
        }
    }
    println!("inputs by layer, against the API server: {counts:?}");
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    counts
}

async fn check(client: &Client, row: &Row, name: &str) -> Result<(), String> {
    let object = row.object(name);
    let Some(existing) = row.existing(name) else {
        let answer = send(client, collection(row), None, object).await?;
        return judge(row, answer.as_ref());
    };
    // A row about `operation` itself defines the state after the pause.
    let of_operation = existing["spec"].get("operation").is_some();
    let stored = send_for_real(client, collection(row), paused(existing)).await?;
    let mut object = if of_operation { object } else { paused(object) };
    object["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
    let answer = send(client, collection(row), Some(name), object).await;
    let delete = Request::new(collection(row)).delete(name, &DeleteParams::default());
    let delete = delete.map_err(|error| error.to_string())?;
    client.request_text(delete).await.map_err(|error| format!("cannot be cleaned up: {error}"))?;
    judge(row, answer?.as_ref())
}

fn paused(mut object: Value) -> Value {
    object["spec"]["operation"]["paused"] = json!(true);
    object
}

fn judge(row: &Row, refusal: Option<&Status>) -> Result<(), String> {
    let code = match row.layer {
        Layer::Operator | Layer::Valid => {
            return refusal.map_or(Ok(()), |status| Err(format!("refused: {}", status.message)));
        }
        Layer::Strict => 400,
        Layer::Schema | Layer::Cel => 422,
    };
    let Some(status) = refusal else {
        return Err("accepted".to_owned());
    };
    if status.code != code {
        return Err(format!("want {code}, got {}: {}", status.code, status.message));
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut texts: Vec<(String, &str)> =
        causes.map(|cause| (plain_path(&cause.field), cause.message.as_str())).collect();
    let path = plain_path(&row.path);
    if row.layer == Layer::Strict && status.message.contains(&format!("\"{}\"", row.path)) {
        texts = vec![(path.clone(), status.message.as_str())];
    }
    let found = texts
        .iter()
        .any(|(field, message)| *field == path && row.words.iter().all(|word| message.contains(word)));
    if found { Ok(()) } else { Err(format!("want {path} with {:?}, got: {}", row.words, status.message)) }
}

/// A dry run with strict field validation: `None` if the server accepts. Creates, or replaces the
/// object of that name.
async fn send(
    client: &Client,
    collection: &str,
    name: Option<&str>,
    object: Value,
) -> Result<Option<Status>, String> {
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let body = serde_json::to_vec(&object).map_err(|error| error.to_string())?;
    let request = match name {
        Some(name) => Request::new(collection).replace(name, &parameters, body),
        None => Request::new(collection).create(&parameters, body),
    };
    let mut request = request.map_err(|error| error.to_string())?;
    // kube's parameters of create and replace have no field validation.
    let uri = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = uri.parse().map_err(|_| "no address".to_owned())?;
    match client.request_text(request).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(*status)),
        Err(error) => Err(error.to_string()),
    }
}

async fn send_for_real(client: &Client, collection: &str, object: Value) -> Result<Value, String> {
    let body = serde_json::to_vec(&object).map_err(|error| error.to_string())?;
    let request =
        Request::new(collection).create(&PostParams::default(), body).map_err(|error| error.to_string())?;
    let text =
        client.request_text(request).await.map_err(|error| format!("the first state is refused: {error}"))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
