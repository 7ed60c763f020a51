//! Prints a plan as YAML that a server-side dry run accepts, without secret values.

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
    stack::{
        self,
        facts::SecretFact,
        model::{GeneratedSecret, Stack},
    },
};

/// Placeholder for a secret value. It ends with a line break, which no header can contain. If it is
/// applied by mistake, the server rejects it as a key.
const PLACEHOLDER: &str = "(hidden)\n";
/// Placeholder for the hash of an unknown key.
const HASH: &str = "(hidden)";

/// Returns the plan for a Kubernetes cluster in which nothing exists yet.
pub fn planned(cluster: &Cluster) -> Plan {
    plan::plan(cluster, &without_cluster(cluster))
}

/// Returns the plan of a stack for a Kubernetes cluster in which nothing exists yet. No component waits in it.
pub fn planned_stack(stack: &Stack) -> Plan {
    let hidden = |secret: &GeneratedSecret| {
        let values = secret.keys.iter().map(|key| (key.clone(), PLACEHOLDER.to_owned())).collect();
        (secret.name.clone(), SecretFact::Generate { values })
    };
    let secrets = stack.secrets.iter().map(hidden).collect();
    stack::plan::plan(stack, &stack::facts::Facts { secrets, ..Default::default() })
}

/// Returns the tiers of a stack as comments, one line for each.
pub fn tiers(stack: &Stack) -> String {
    let line = |tier: i32| {
        let names = stack.components.values().filter(|it| it.enabled && it.tier == tier);
        let names: Vec<&str> = names.map(|it| it.name.as_str()).collect();
        format!("# tier {tier}: {}\n", names.join(", "))
    };
    (1..=stack.tiers()).map(line).collect()
}

/// Returns a plan as YAML documents, in apply order.
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

/// The state of a Kubernetes cluster in which nothing exists yet, except the Secret that the spec
/// names.
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
