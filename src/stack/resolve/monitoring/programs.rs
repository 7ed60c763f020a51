//! The bundled programs as components.

use std::collections::BTreeMap;

use super::{ADMIN, ADMIN_KEY, OWN_ADMIN, config};
use crate::{
    stack::api::{
        ServiceStack,
        component::{ComponentKind, ComponentSpec, Port, Probe, Probes, Resources},
        monitoring::{Grafana, Prometheus},
        volume::ComponentVolume,
    },
    workload::{
        StringMap,
        api::common::{Quantity, ResourceList},
        quantity::{nano, units},
    },
};

/// A program that the operator brings: its name, image, user, port, requests and memory limit.
pub struct Program {
    pub name: &'static str,
    image: &'static str,
    user: i64,
    pub port: i32,
    cpu: &'static str,
    memory: (&'static str, &'static str),
}

pub const PROMETHEUS: Program = Program {
    name: "prometheus",
    image: "prom/prometheus:v3.5.0",
    user: 65534,
    port: 9090,
    cpu: "100m",
    memory: ("256Mi", "1Gi"),
};
pub const GRAFANA: Program = Program {
    name: "grafana",
    image: "grafana/grafana:12.1.1",
    user: 472,
    port: 3000,
    cpu: "100m",
    memory: ("256Mi", "512Mi"),
};
pub const BLACKBOX: Program = Program {
    name: "blackbox",
    image: "prom/blackbox-exporter:v0.27.0",
    user: 65534,
    port: 9115,
    cpu: "20m",
    memory: ("32Mi", "128Mi"),
};

const RETENTION: &str = "15d";
/// Size of the directory that is deleted with its pod, where `size` is not given.
const SCRATCH: &str = "2Gi";
/// Name of the volume with the data.
const DATA: &str = "data";

/// Returns what all bundled components have in common: one pod of a known user, on the nodes of the others.
fn component(cr: &ServiceStack, program: &Program, image: Option<&String>) -> ComponentSpec {
    let defaults = cr.spec.defaults.clone().unwrap_or_default();
    let list = |cpu: Option<&str>, memory: &str| ResourceList {
        cpu: cpu.map(|cpu| Quantity(cpu.to_owned())),
        memory: Some(Quantity(memory.to_owned())),
        ephemeral_storage: None,
    };
    ComponentSpec {
        image: Some(image.cloned().unwrap_or_else(|| program.image.to_owned())),
        user: Some(program.user),
        replicas: Some(1),
        ports: Some(vec![Port {
            name: "http".to_owned(),
            port: program.port,
            target_port: None,
            protocol: None,
            app_protocol: None,
        }]),
        resources: Some(Resources {
            requests: Some(list(Some(program.cpu), program.memory.0)),
            limits: Some(list(None, program.memory.1)),
        }),
        node_selector: defaults.node_selector,
        tolerations: defaults.tolerations,
        ..ComponentSpec::default()
    }
}

/// With a size a StatefulSet with a PVC, otherwise a directory that is deleted with its pod.
fn with_data(component: ComponentSpec, path: &str, size: Option<&Quantity>) -> ComponentSpec {
    let volume = ComponentVolume {
        path: path.to_owned(),
        size: size.cloned(),
        scratch: size.is_none().then(|| Quantity(SCRATCH.to_owned())),
        storage_class_name: None,
        access_mode: None,
        deletion_policy: None,
        shared: None,
        existing_claim: None,
        secret: None,
        config_map: None,
        sub_path: None,
        read_only: None,
    };
    ComponentSpec {
        kind: Some(size.map_or(ComponentKind::Deployment, |_| ComponentKind::StatefulSet)),
        volumes: BTreeMap::from([(DATA.to_owned(), volume)]),
        ..component
    }
}

pub fn of_prometheus(cr: &ServiceStack, given: &Prometheus, files: StringMap) -> ComponentSpec {
    let base = component(cr, &PROMETHEUS, given.image.as_ref());
    let size = given.size.as_ref().map_or(SCRATCH, |size| size.0.as_str());
    // A full volume stops Prometheus, and a full directory its pod. The last fifth is for the compaction
    // of blocks.
    let mebibytes = nano(size).unwrap_or_default() / units(1024 * 1024) * 4 / 5;
    let component = ComponentSpec {
        enabled: given.enabled,
        args: Some(vec![
            format!("--config.file={}/prometheus.yml", config::PROMETHEUS_DIRECTORY),
            "--storage.tsdb.path=/prometheus".to_owned(),
            format!("--storage.tsdb.retention.time={}", given.retention.as_deref().unwrap_or(RETENTION)),
            format!("--storage.tsdb.retention.size={}MB", mebibytes.max(1)),
        ]),
        read_only_root_filesystem: Some(true),
        files,
        probes: Some(Probes {
            path: Some("/-/ready".to_owned()),
            liveness: Some(Probe { path: Some("/-/healthy".to_owned()), ..Probe::default() }),
            ..Probes::default()
        }),
        resources: given.resources.clone().or(base.resources.clone()),
        ..base
    };
    with_data(component, "/prometheus", given.size.as_ref())
}

pub fn of_blackbox(cr: &ServiceStack) -> ComponentSpec {
    ComponentSpec {
        args: Some(vec![format!("--config.file={}", config::BLACKBOX_FILE)]),
        read_only_root_filesystem: Some(true),
        files: config::blackbox(),
        probes: Some(Probes { path: Some("/-/healthy".to_owned()), ..Probes::default() }),
        ..component(cr, &BLACKBOX, None)
    }
}

pub fn of_grafana(cr: &ServiceStack, given: &Grafana, files: StringMap) -> ComponentSpec {
    let base = component(cr, &GRAFANA, given.image.as_ref());
    let entry = if given.admin_secret.is_some() { OWN_ADMIN } else { ADMIN };
    let mut env = StringMap::new();
    for (name, value) in [
        ("GF_AUTH_ANONYMOUS_ENABLED", "false"),
        ("GF_USERS_ALLOW_SIGN_UP", "false"),
        ("GF_ANALYTICS_REPORTING_ENABLED", "false"),
        ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
        ("GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    // A Grafana that is switched off needs no password.
    if given.enabled != Some(false) {
        env.insert("GF_SECURITY_ADMIN_PASSWORD".to_owned(), format!("$(secrets.{entry}.{ADMIN_KEY})"));
    }
    let component = ComponentSpec {
        enabled: given.enabled,
        env,
        files,
        probes: Some(Probes { path: Some("/api/health".to_owned()), ..Probes::default() }),
        resources: given.resources.clone().or(base.resources.clone()),
        ..base
    };
    with_data(component, "/var/lib/grafana", given.size.as_ref())
}
