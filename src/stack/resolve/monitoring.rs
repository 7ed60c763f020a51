//! The bundled monitoring as ordinary components, before anything is resolved.
//!
//! The rest of the operator cannot tell them from components that the user wrote: same tiers, network rules, status and
//! exposure. Prometheus finds pods by DNS, so that no part has a ServiceAccount token or a Role.

mod config;
mod dashboards;

use std::collections::BTreeMap;

use super::{is_enabled, names, probes};
use crate::{
    stack::api::{
        ServiceStack,
        component::{ComponentKind, ComponentSpec, Metrics, Port, Probe, Probes, Resources},
        monitoring::{Grafana, Prometheus},
        spec::SecretEntry,
        volume::ComponentVolume,
    },
    workload::{
        StringMap,
        api::common::{Quantity, ResourceList},
        model::{Monitor, ProbeType},
        quantity::{nano, units},
        resolve::{
            Violations,
            monitoring::{Defaults, monitor, seconds},
        },
        scope::Scope,
    },
};

/// A program that the operator brings: its name, image, user, port, requests and memory limit.
struct Program {
    name: &'static str,
    image: &'static str,
    user: i64,
    port: i32,
    cpu: &'static str,
    memory: (&'static str, &'static str),
}

const PROMETHEUS: Program = Program {
    name: "prometheus",
    image: "prom/prometheus:v3.5.0",
    user: 65534,
    port: 9090,
    cpu: "100m",
    memory: ("256Mi", "1Gi"),
};
const GRAFANA: Program = Program {
    name: "grafana",
    image: "grafana/grafana:12.1.1",
    user: 472,
    port: 3000,
    cpu: "100m",
    memory: ("256Mi", "512Mi"),
};
const BLACKBOX: Program = Program {
    name: "blackbox",
    image: "prom/blackbox-exporter:v0.27.0",
    user: 65534,
    port: 9115,
    cpu: "20m",
    memory: ("32Mi", "128Mi"),
};

const INTERVAL: &str = "30s";
const SCRAPE_TIMEOUT: &str = "10s";
/// Prometheus forgets a series after 5 minutes without a sample.
const LONGEST_INTERVAL: u64 = 240;
const RETENTION: &str = "15d";
/// Size of the directory that is deleted with its pod, where `size` is not given.
const SCRATCH: &str = "2Gi";
/// Name of the volume with the data.
const DATA: &str = "data";
const METRICS_PATH: &str = "/metrics";
/// Names that mean something else in a reference.
const RESERVED: [&str; 3] = ["secrets", "pod", "stack"];
/// Entry of `spec.secrets`, and key, of the administrator's password.
const ADMIN: &str = "grafana";
const ADMIN_KEY: &str = "admin-password";
/// Entry that stands for a Secret of the user's. No entry that a user can write has this name.
const OWN_ADMIN: &str = "grafana_admin";

/// A stack with its monitoring as components.
pub struct Expanded {
    pub cr: ServiceStack,
    /// The components that were added, with the field that each one comes from.
    pub bundled: BTreeMap<String, &'static str>,
    /// Connections that no text names: from a component, and to one.
    pub edges: Vec<(String, String)>,
}

impl Expanded {
    /// The stack for bundled components: `spec.defaults` are about the programs of the user.
    pub fn without_defaults(&self) -> ServiceStack {
        let mut cr = self.cr.clone();
        cr.spec.defaults = None;
        cr
    }

    /// Adds a component, unless its name is taken.
    fn add(
        &mut self,
        name: &str,
        component: ComponentSpec,
        field: &'static str,
        violations: &mut Violations,
    ) {
        let taken = self.cr.spec.components.contains_key(name);
        let remedy =
            if field == "spec.monitoring" { "rename the component" } else { "give `name` another value" };
        violations.require(
            !taken,
            if field == "spec.monitoring" { field.to_owned() } else { format!("{field}.name") },
            format!("adds a component '{name}', and the stack has one of this name already; {remedy}"),
        );
        violations.require(
            !RESERVED.contains(&name),
            format!("{field}.name"),
            format!("'{name}' has another meaning in references; use another name"),
        );
        if !taken {
            self.cr.spec.components.insert(name.to_owned(), component);
            self.bundled.insert(name.to_owned(), field);
        }
    }
}

/// A component whose pods are scraped one by one.
struct Scraped<'a> {
    name: &'a str,
    /// Number of the container's port.
    port: i32,
    path: &'a str,
    /// It has at least one pod, unless the stack is stopped.
    runs: bool,
}

/// A component that is probed through its Service.
struct Probed {
    name: String,
    url: String,
}

/// Adds the components of `spec.monitoring`.
pub fn expand(cr: &ServiceStack, violations: &mut Violations) -> Expanded {
    let mut all = Expanded { cr: cr.clone(), bundled: BTreeMap::new(), edges: Vec::new() };
    let scraped = scraped(cr, violations);
    let Some(given) = &cr.spec.monitoring else { return all };
    let wanted = |enabled: Option<bool>| enabled != Some(false);
    if let Some(grafana) = given.grafana.as_ref().filter(|it| wanted(it.enabled)) {
        violations.require(
            given.prometheus.as_ref().is_some_and(|it| wanted(it.enabled)),
            "spec.monitoring.grafana",
            "needs a Prometheus to query; add `spec.monitoring.prometheus`, or remove `grafana`",
        );
        add_password(&mut all, grafana, violations);
    }
    let Some(prometheus) = &given.prometheus else { return all };
    let interval = interval(prometheus, violations);
    let name = prometheus.name.as_deref().unwrap_or(PROMETHEUS.name);
    let probed = if wanted(prometheus.enabled) { probed(cr) } else { Vec::new() };
    let files = config::Config {
        stack: cr.metadata.name.as_deref().unwrap_or_default(),
        prometheus: name,
        interval,
        scraped: &scraped,
        probed: &probed,
    };
    let field = "spec.monitoring.prometheus";
    all.add(name, of_prometheus(&all.cr, prometheus, files.prometheus()), field, violations);
    if !probed.is_empty() {
        all.add(BLACKBOX.name, of_blackbox(&all.cr), "spec.monitoring", violations);
        all.edges.extend(probed.iter().map(|it| (BLACKBOX.name.to_owned(), it.name.clone())));
    }
    if let Some(grafana) = &given.grafana {
        let name = grafana.name.as_deref().unwrap_or(GRAFANA.name);
        let component = of_grafana(&all.cr, grafana, files.grafana());
        all.add(name, component, "spec.monitoring.grafana", violations);
    }
    all
}

/// Objections to a component in the words of the field that it comes from.
pub fn in_the_users_words(
    found: Violations,
    name: &str,
    field: Option<&'static str>,
) -> Vec<crate::workload::resolve::Violation> {
    let mut found = found.0;
    let Some(field) = field else { return found };
    let own = format!("spec.components.{name}");
    for violation in &mut found {
        if let Some(rest) = violation.path.strip_prefix(&own) {
            violation.path = format!("{field}{rest}");
        }
    }
    found
}

/// ServiceMonitors: one for each component with metrics, because each has a port and a path of its own.
pub struct Monitors(Option<Monitor>);

impl Monitors {
    pub fn new(cr: &ServiceStack, scope: &Scope, violations: &mut Violations) -> Self {
        let given = cr.spec.monitoring.as_ref().and_then(|it| it.service_monitor.as_ref());
        let defaults =
            Defaults { port: "", path: METRICS_PATH, interval: INTERVAL, scrape_timeout: SCRAPE_TIMEOUT };
        let path = "spec.monitoring.serviceMonitor";
        Self(monitor(given, &scope.namespace, &defaults, path, violations))
    }

    /// The monitor of a component. `None` where it has no metrics, or no monitor is wanted.
    pub fn of(&self, component: &ComponentSpec) -> Option<Monitor> {
        let common = self.0.as_ref()?;
        let metrics = served_metrics(component)?;
        Some(Monitor {
            port: metrics_port(component, metrics)?.name.clone(),
            path: metrics.path.clone().unwrap_or_else(|| METRICS_PATH.to_owned()),
            ..common.clone()
        })
    }
}

/// What a component with pods that go on running says about its metrics.
fn served_metrics(component: &ComponentSpec) -> Option<&Metrics> {
    let serves = matches!(component.kind(), ComponentKind::Deployment | ComponentKind::StatefulSet);
    component.metrics.as_ref().filter(|metrics| serves && metrics.enabled != Some(false))
}

fn metrics_port<'a>(component: &'a ComponentSpec, metrics: &Metrics) -> Option<&'a Port> {
    let mut ports = component.ports.iter().flatten();
    match &metrics.port {
        None => ports.next(),
        Some(name) => ports.find(|port| port.name == *name),
    }
}

/// The enabled components with metrics.
fn scraped<'a>(cr: &'a ServiceStack, violations: &mut Violations) -> Vec<Scraped<'a>> {
    let mut all = Vec::new();
    for (name, component) in &cr.spec.components {
        let Some(metrics) = served_metrics(component) else { continue };
        let Some(port) = metrics_port(component, metrics) else {
            let message = match &metrics.port {
                Some(port) => format!("the component has no port '{port}'"),
                None => "needs a port; give `ports`, or remove `metrics`".to_owned(),
            };
            violations.add(format!("spec.components.{name}.metrics.port"), message);
            continue;
        };
        if is_enabled(component) {
            all.push(Scraped {
                name,
                port: port.target_port.unwrap_or(port.port),
                path: metrics.path.as_deref().unwrap_or(METRICS_PATH),
                runs: component.replicas != Some(0),
            });
        }
    }
    all
}

/// The enabled components with an HTTP readiness path and no metrics.
fn probed(cr: &ServiceStack) -> Vec<Probed> {
    let defaults = cr.spec.defaults.as_ref().and_then(|defaults| defaults.probes.as_ref());
    let probed = |(name, component): (&String, &ComponentSpec)| {
        if !is_enabled(component) || served_metrics(component).is_some() {
            return None;
        }
        // Objections are reported with the component itself.
        let readiness = probes::resolve(component, defaults, "", &mut Violations::default()).readiness?;
        let ProbeType::Http { path, port } = readiness.check else { return None };
        let mut ports = component.ports.iter().flatten();
        let port = ports.find(|it| port == intstr(&it.name))?.port;
        let url = format!("http://{}:{port}{}", names::component(cr, name), config::literal(&path));
        Some(Probed { name: name.clone(), url })
    };
    cr.spec.components.iter().filter_map(probed).collect()
}

fn intstr(name: &str) -> k8s_openapi::apimachinery::pkg::util::intstr::IntOrString {
    k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String(name.to_owned())
}

fn interval<'a>(given: &'a Prometheus, violations: &mut Violations) -> &'a str {
    let interval = given.scrape_interval.as_deref().unwrap_or(INTERVAL);
    violations.require(
        seconds(interval).is_some_and(|seconds| (1..=LONGEST_INTERVAL).contains(&seconds)),
        "spec.monitoring.prometheus.scrapeInterval",
        format!("'{interval}' must be a duration from 1s to 4m: Prometheus forgets a series after 5 minutes without a sample"),
    );
    interval
}

/// The Secret with the administrator's password, as an entry of `spec.secrets`.
fn add_password(all: &mut Expanded, grafana: &Grafana, violations: &mut Violations) {
    let secrets = &mut all.cr.spec.secrets;
    if let Some(existing) = &grafana.admin_secret {
        let entry = SecretEntry { generate: None, existing: Some(existing.clone()) };
        secrets.insert(OWN_ADMIN.to_owned(), entry);
        return;
    }
    let entry = SecretEntry { generate: Some(vec![ADMIN_KEY.to_owned()]), existing: None };
    let taken = secrets.insert(ADMIN.to_owned(), entry).is_some();
    violations.require(
        !taken,
        format!("spec.secrets.{ADMIN}"),
        "is the entry of the bundled Grafana's password; rename it, or give `spec.monitoring.grafana.adminSecret`",
    );
}

/// What all bundled components have in common: one pod of a known user, on the nodes of the others.
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

fn of_prometheus(cr: &ServiceStack, given: &Prometheus, files: StringMap) -> ComponentSpec {
    let base = component(cr, &PROMETHEUS, given.image.as_ref());
    let size = given.size.as_ref().map_or(SCRATCH, |size| size.0.as_str());
    // A full volume stops Prometheus, and a full directory its pod. The last fifth is for the compaction of blocks.
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

fn of_blackbox(cr: &ServiceStack) -> ComponentSpec {
    ComponentSpec {
        args: Some(vec![format!("--config.file={}", config::BLACKBOX_FILE)]),
        read_only_root_filesystem: Some(true),
        files: config::blackbox(),
        probes: Some(Probes { path: Some("/-/healthy".to_owned()), ..Probes::default() }),
        ..component(cr, &BLACKBOX, None)
    }
}

fn of_grafana(cr: &ServiceStack, given: &Grafana, files: StringMap) -> ComponentSpec {
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

#[cfg(test)]
mod tests;
