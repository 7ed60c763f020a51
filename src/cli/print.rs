//! Prints a plan as YAML that a server-side dry run accepts, without secret values.

use k8s_openapi::ByteString;
use std::{collections::BTreeMap, fmt::Write as _};

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
/// Placeholder for a generated value of a stack.
const GENERATED: &str = "<generated>";
/// Placeholder for the hash of an unknown key.
const HASH: &str = "(hidden)";

/// Returns the plan for a Kubernetes cluster in which nothing exists yet.
pub fn planned(cluster: &Cluster) -> Plan {
    plan::plan(cluster, &without_cluster(cluster))
}

/// Returns a plan as YAML documents, in apply order.
pub fn print(plan: &Plan) -> String {
    let mut text = String::new();
    for planned in plan.in_apply_order() {
        let mut body = planned.body.clone();
        if planned.kind.management == Management::CreateOnly {
            hide(&mut body);
        }
        document(&mut text, &body);
    }
    text
}

/// Returns the plan of a stack as YAML documents, in apply order, after a comment that lists the
/// tiers.
pub fn stack(stack: &Stack) -> String {
    let mut tiers: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for (component, _) in stack.running() {
        tiers.entry(component.tier).or_default().push(&component.name);
    }
    let mut text = format!("# {}\n", stack.resource());
    for (tier, names) in tiers {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# tier {tier}: {}", names.join(", "));
    }
    for planned in stack::plan::plan(stack, &before_first_write(stack)).in_apply_order() {
        document(&mut text, &planned.body);
    }
    text
}

/// The state of a Kubernetes cluster in which nothing of the stack exists yet, and no component
/// waits: the plan shows every object.
pub fn before_first_write(stack: &Stack) -> stack::facts::Facts {
    let values = |secret: &GeneratedSecret| {
        secret.keys.iter().map(|key| (key.clone(), GENERATED.to_owned())).collect()
    };
    let secrets = stack.secrets.iter();
    let facts =
        secrets.map(|it| (it.name.clone(), SecretFact::Generate { values: values(it), replaces: None }));
    stack::facts::Facts { secrets: facts.collect(), ..stack::facts::Facts::default() }
}

fn document(text: &mut String, body: &Value) {
    text.push_str("---\n");
    text.push_str(&config::render(body));
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
