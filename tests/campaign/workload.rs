//! The operator's work at the moment of a crash.

use serde_json::{Value, json};

/// A change of one resource, from a state reached without faults.
pub struct Workload {
    pub name: &'static str,
    pub from: Option<Value>,
    pub to: Value,
    /// The resource is deleted and recreated under its name before the new spec.
    pub again: bool,
    /// The operator after the crash is a newer version.
    pub upgrade: bool,
}

const IMAGE: &str = "danpung2/logpilot:1.2.0";

fn quickstart() -> Value {
    json!({ "image": IMAGE, "components": { "all": { "replicas": 1 } } })
}

fn modes() -> Value {
    json!({
        "image": IMAGE,
        "components": { "all": { "replicas": 1 }, "rest": { "replicas": 1 }, "grpc": { "replicas": 1 } },
    })
}

fn everything() -> Value {
    with(
        modes(),
        &json!({
            "components": {
                "all": { "podDisruptionBudget": { "maxUnavailable": 1 }, "loadBalancer": {}, "nodePort": {} },
                "rest": { "replicas": null, "autoscaling": { "minReplicas": 1, "maxReplicas": 3 } },
            },
            "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": "L.example.com", "component": "rest" }] } },
            "monitoring": { "serviceMonitor": {}, "rules": {}, "dashboards": {} },
            "networkPolicy": { "clients": [{ "namespaceSelector": {} }] },
            "limits": { "defaults": {} },
            "backup": {},
        }),
    )
}

fn observed() -> Value {
    json!({
        "monitoring": { "serviceMonitor": {}, "rules": {}, "slo": {}, "dashboards": {} },
        "backup": {},
        "limits": { "defaults": {}, "quota": { "pods": 50 } },
    })
}

fn reachable() -> Value {
    json!({
        "components": { "all": { "loadBalancer": {}, "nodePort": {} }, "rest": { "loadBalancer": {} }, "grpc": { "nodePort": {} } },
        "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": "L.example.com", "component": "rest" }] } },
        "networkPolicy": { "clients": [{ "namespaceSelector": {} }] },
    })
}

fn with(mut base: Value, change: &Value) -> Value {
    merge(&mut base, change);
    base
}

fn merge(base: &mut Value, change: &Value) {
    let Some(fields) = change.as_object() else {
        *base = change.clone();
        return;
    };
    if !base.is_object() {
        *base = json!({});
    }
    for (field, value) in fields {
        if value.is_null() {
            base.as_object_mut().unwrap().remove(field);
        } else {
            merge(&mut base[field], value);
        }
    }
}

pub fn all() -> Vec<Workload> {
    let change = |name, from: Value, to: &Value| Workload {
        name,
        to: with(from.clone(), to),
        from: Some(from),
        again: false,
        upgrade: false,
    };
    let create = |name, to| Workload { name, from: None, to, again: false, upgrade: false };
    vec![
        create("create one", quickstart()),
        create("create modes", modes()),
        create("create apart", with(modes(), &json!({ "storage": { "sharing": "PerComponent" } }))),
        create("create observed", with(modes(), &observed())),
        create("create reachable", with(modes(), &reachable())),
        create("create everything", everything()),
        change("scale", quickstart(), &json!({ "components": { "all": { "replicas": 3 } } })),
        change("image", modes(), &json!({ "image": "danpung2/logpilot:1.2.1" })),
        change("configuration", modes(), &json!({ "config": { "logLevels": { "com.logpilot": "DEBUG" } } })),
        Workload { name: "features on", from: Some(modes()), to: everything(), again: false, upgrade: false },
        Workload {
            name: "features off",
            from: Some(everything()),
            // A protective setting is turned off explicitly and not omitted.
            to: with(
                modes(),
                &json!({ "backup": { "enabled": false }, "networkPolicy": { "clients": [{ "namespaceSelector": {} }] } }),
            ),
            again: false,
            upgrade: false,
        },
        change(
            "autoscaler on",
            quickstart(),
            &json!({
                "components": { "all": { "replicas": null, "autoscaling": { "minReplicas": 1, "maxReplicas": 3 } } },
            }),
        ),
        change("volume grows", quickstart(), &json!({ "storage": { "volume": { "size": "20Gi" } } })),
        change("backup on", quickstart(), &json!({ "backup": {} })),
        change("component off", modes(), &json!({ "components": { "grpc": null } })),
        change("stop", modes(), &json!({ "operation": { "stopped": true } })),
        // Every object is written.
        change("annotations", everything(), &json!({ "commonAnnotations": { "team": "logs" } })),
        Workload {
            upgrade: true,
            ..change(
                "annotations and upgrade",
                with(modes(), &observed()),
                &json!({ "commonAnnotations": { "team": "logs" } }),
            )
        },
        change("image of everything", everything(), &json!({ "image": "danpung2/logpilot:1.2.1" })),
        Workload {
            name: "deleted and made again",
            from: Some(quickstart()),
            to: quickstart(),
            again: true,
            upgrade: false,
        },
        Workload {
            name: "everything made again",
            from: Some(everything()),
            to: everything(),
            again: true,
            upgrade: false,
        },
        Workload {
            upgrade: true,
            ..change(
                "operator upgrade",
                with(modes(), &json!({ "backup": {} })),
                &json!({ "image": "danpung2/logpilot:1.2.1" }),
            )
        },
    ]
}
