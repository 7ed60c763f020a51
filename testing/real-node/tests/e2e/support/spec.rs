//! Small resources, and the servers they request.

use serde_json::{Value, json};

use super::SERVER_IMAGE;

/// A component of one pod that is ready as soon as its server is, even on a busy machine.
pub fn quick(more: &Value) -> Value {
    let mut component = json!({
        "replicas": 1,
        "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
        "probes": {
            "startup": { "initialDelaySeconds": 0, "periodSeconds": 1, "failureThreshold": 100 },
            "readiness": { "initialDelaySeconds": 0, "periodSeconds": 1 },
            "liveness": { "initialDelaySeconds": 0, "periodSeconds": 1 },
        },
    });
    merge(&mut component, more);
    component
}

/// A resource with these components, whose servers accept what the clients here send.
pub fn spec(components: &Value) -> Value {
    json!({
        "image": SERVER_IMAGE,
        "components": components,
        "config": { "serverRateLimit": { "capacity": 1_000_000 } },
    })
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}
