//! The operator's work at the moment of a crash.

use logpilot_operator::{
    engine::resource::ResourceKind,
    kinds::{LOGPILOT_CLUSTER, SERVICE_STACK},
};
use serde_json::{Value, json};

/// A change of one resource, from a state reached without faults.
pub struct Workload {
    pub name: &'static str,
    pub of: &'static ResourceKind,
    /// The specs before the change, in order.
    pub from: Vec<Value>,
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

/// Three tiers, with a Job between them. Another version is another image of each component, and another
/// file.
fn shop(version: &str) -> Value {
    let image = |name: &str| format!("example/{name}:{version}");
    let url = "db://user:$(secrets.db.password)@$(db.address)/shop";
    json!({
        "secrets": { "db": { "generate": ["password"] } },
        "components": {
            "db": {
                "kind": "StatefulSet", "image": image("db"), "ports": [{ "name": "db", "port": 5432 }],
                "env": { "PASSWORD": "$(secrets.db.password)" },
                "volumes": { "data": { "path": "/data", "size": "1Gi" } },
            },
            "migrate": { "kind": "Job", "image": image("migrate"), "dependsOn": ["db"], "env": { "URL": url } },
            "api": {
                "image": image("api"), "dependsOn": ["db", "migrate"], "replicas": 2,
                "ports": [{ "name": "http", "port": 8080 }], "env": { "URL": url },
                "files": { "/etc/api.conf": format!("version: {version}") },
            },
            "web": {
                "image": image("web"), "dependsOn": ["api"], "ports": [{ "name": "http", "port": 80 }],
                "env": { "API": "http://$(api.address)" }, "autoscaling": { "minReplicas": 1, "maxReplicas": 3 },
            },
        },
        "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": "L.example.com", "component": "web" }] } },
    })
}

/// A stack with a shared volume, an address outside, and bundled monitoring.
fn workers() -> Value {
    let on_volume = json!({ "data": { "path": "/data", "shared": "data" } });
    json!({
        "volumes": { "data": { "size": "1Gi", "accessMode": "ReadWriteMany" } },
        "components": {
            "mail": { "kind": "External", "external": { "host": "mail.example.com", "port": 25 } },
            "queue": { "kind": "StatefulSet", "image": "example/queue:1", "ports": [{ "name": "queue", "port": 6379 }] },
            "worker": {
                "image": "example/worker:1", "dependsOn": ["queue", "mail"], "replicas": 2, "volumes": on_volume,
                "env": { "QUEUE": "$(queue.address)", "MAIL": "$(mail.address)" },
            },
            "api": {
                "image": "example/api:1", "dependsOn": ["queue"], "ports": [{ "name": "http", "port": 8080 }],
                "volumes": on_volume, "metrics": {}, "loadBalancer": {}, "env": { "QUEUE": "$(queue.address)" },
            },
        },
        "monitoring": { "prometheus": {}, "grafana": {} },
    })
}

fn of_stacks() -> Vec<Workload> {
    let stack = |name, from: Vec<Value>, to: Value| Workload {
        name,
        of: &SERVICE_STACK,
        from,
        to,
        again: false,
        upgrade: false,
    };
    let stopped = || with(shop("1"), &json!({ "operation": { "stopped": true } }));
    let fewer = json!({
        "components": { "worker": null, "api": { "replicas": 3, "loadBalancer": null } },
        "commonLabels": { "team": "shops" }, "monitoring": { "grafana": { "enabled": false } },
    });
    vec![
        stack("stack edit", vec![shop("1")], shop("2")),
        stack("stack stop", vec![shop("1")], stopped()),
        stack("stack start", vec![shop("1"), stopped()], shop("1")),
        stack("stack create", vec![], shop("1")),
        Workload { again: true, ..stack("stack recreate", vec![shop("1")], shop("1")) },
        stack("workers create", vec![], workers()),
        stack("workers change", vec![workers()], with(workers(), &fewer)),
    ]
}

pub fn all() -> Vec<Workload> {
    let mut all = of_clusters();
    all.extend(of_stacks());
    all
}

fn of_clusters() -> Vec<Workload> {
    let change = |name, from: Value, to: &Value| Workload {
        name,
        of: &LOGPILOT_CLUSTER,
        to: with(from.clone(), to),
        from: vec![from],
        again: false,
        upgrade: false,
    };
    let create = |name, to| Workload {
        name,
        of: &LOGPILOT_CLUSTER,
        from: Vec::new(),
        to,
        again: false,
        upgrade: false,
    };
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
        Workload {
            name: "features on",
            of: &LOGPILOT_CLUSTER,
            from: vec![modes()],
            to: everything(),
            again: false,
            upgrade: false,
        },
        Workload {
            name: "features off",
            of: &LOGPILOT_CLUSTER,
            from: vec![everything()],
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
            of: &LOGPILOT_CLUSTER,
            from: vec![quickstart()],
            to: quickstart(),
            again: true,
            upgrade: false,
        },
        Workload {
            name: "everything made again",
            of: &LOGPILOT_CLUSTER,
            from: vec![everything()],
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

mod tests {
    use super::{super::in_sample, *};

    #[test]
    fn every_sample_contains_a_stack() {
        for seed in 0..20 {
            let sample = all().into_iter().enumerate().filter(|(place, _)| in_sample(*place, seed));
            let stacks = sample.filter(|(_, workload)| *workload.of == SERVICE_STACK).count();
            assert!(stacks > 0, "seed {seed}");
        }
    }
}
