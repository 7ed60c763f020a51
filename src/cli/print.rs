//! A plan as YAML that a server-side dry run accepts, with nothing secret in it.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::{
    engine::{kind::Management, plan::Plan},
    logpilot::{
        config,
        facts::{ApiKeyFact, Facts, Redacted},
        model::Cluster,
        plan,
    },
};

/// Stands for a secret value. It ends with a line break, which no header can carry: applied by mistake it is refused as
/// a key, and opens nothing.
const PLACEHOLDER: &str = "(hidden)\n";
/// Stands for the hash of a key that is not known here.
const HASH: &str = "(hidden)";

/// What would be made where nothing exists yet.
pub fn planned(cluster: &Cluster) -> Plan {
    plan::plan(cluster, &without_cluster(cluster))
}

/// A plan as YAML documents, in apply order.
pub fn print(plan: &Plan) -> String {
    let mut text = String::new();
    for planned in plan.in_apply_order() {
        let mut body = planned.body.clone();
        if planned.kind.management == Management::CreateOnly {
            hide(&mut body);
        }
        text.push_str("---\n");
        text.push_str(&config::render(&body));
    }
    text
}

/// A world in which nothing exists yet, but the Secret that the spec names.
fn without_cluster(cluster: &Cluster) -> Facts {
    let hash = HASH.to_owned();
    let api_key = if cluster.api_key.generated {
        ApiKeyFact::Generate { value: Redacted(PLACEHOLDER.to_owned()), hash }
    } else {
        ApiKeyFact::Present { hash }
    };
    Facts { api_key, ..Facts::default() }
}

fn hide(body: &mut Value) {
    for (field, hidden) in
        [("data", json!(ByteString(PLACEHOLDER.into()))), ("stringData", json!(PLACEHOLDER))]
    {
        if let Some(data) = body.get_mut(field).and_then(Value::as_object_mut) {
            data.values_mut().for_each(|value| *value = hidden.clone());
        }
    }
}
