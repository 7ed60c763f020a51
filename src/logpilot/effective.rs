//! The effective values: those of presets and defaults, as the planned objects have them after every
//! patch. Pure.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::model::{Cluster, Component};
use crate::{
    api::status::{Effective, EffectiveComponent},
    engine::plan::Plan,
    kinds::Managed,
    workload::{
        build::probes,
        model::{Probe, Rollout, Scale},
    },
};

/// Text for a resource that has no value.
const NONE: &str = "none";

#[must_use]
pub fn of(cluster: &Cluster, plan: &Plan) -> Effective {
    let component =
        |component: &Component| (component.role.name.to_owned(), of_component(cluster, component, plan));
    Effective {
        environment: format!("{:?}", cluster.environment),
        components: cluster.components.iter().map(component).collect(),
    }
}

fn of_component(cluster: &Cluster, component: &Component, plan: &Plan) -> EffectiveComponent {
    let planned = plan.objects.iter().find(|planned| {
        planned.kind == Deployment::KIND && planned.key == cluster.key(component.name.as_str())
    });
    let container = server(planned.map_or(&Value::Null, |planned| &planned.body), component.role.container);
    EffectiveComponent {
        // No patch may change these two.
        replicas: match &component.scale {
            Scale::Fixed(replicas) => replicas.to_string(),
            Scale::Autoscaled(scaler) => format!("{}-{}", scaler.min, scaler.max),
        },
        strategy: match component.rollout {
            Rollout::Recreate => "Recreate",
            Rollout::RollingUpdate { .. } => "RollingUpdate",
        }
        .into(),
        cpu: pair(container, "cpu"),
        memory: pair(container, "memory"),
        probes: modes(component, container),
    }
}

/// Returns the server among the containers, to which a patch may have added others.
fn server<'a>(deployment: &'a Value, name: &str) -> &'a Value {
    let containers = deployment.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let named = |container: &&Value| container.get("name").and_then(Value::as_str) == Some(name);
    containers.into_iter().flatten().find(named).unwrap_or(&Value::Null)
}

/// Returns `request/limit`.
fn pair(container: &Value, resource: &str) -> String {
    let text = |list: &str| {
        let value = container.pointer(&format!("/resources/{list}/{resource}"));
        value.map_or_else(|| NONE.to_owned(), |it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
    };
    format!("{}/{}", text("requests"), text("limits"))
}

/// Returns each mode once, in the order liveness, readiness, startup.
fn modes(component: &Component, container: &Value) -> String {
    let of = &component.probes;
    let probes = [("liveness", &of.liveness), ("readiness", &of.readiness), ("startup", &of.startup)];
    let mut found: Vec<String> = Vec::new();
    for (name, own) in probes {
        let mode = container.get(format!("{name}Probe")).map(|live| mode(own.as_ref(), live));
        found.extend(mode.filter(|mode| !found.contains(mode)));
    }
    if found.is_empty() { NONE.to_owned() } else { found.join("/") }
}

/// Returns the mode by its name in the spec, unless a patch changes the probe.
fn mode(own: Option<&Probe>, live: &Value) -> String {
    let asked = |probe: &Value| ["httpGet", "tcpSocket", "grpc", "exec"].map(|kind| probe.get(kind).cloned());
    let planned = serde_json::to_value(probes::build(own)).unwrap_or_default();
    if let Some(own) = own.filter(|_| asked(&planned) == asked(live)) {
        return own.mode.clone();
    }
    let kinds = [("httpGet", "Http"), ("tcpSocket", "Tcp"), ("grpc", "Grpc"), ("exec", "Exec")];
    let kind = kinds.iter().find(|(field, _)| live.get(field).is_some());
    kind.map_or(NONE, |(_, mode)| mode).to_owned()
}
