//! The bundled monitoring as ordinary components, before anything is resolved.
//!
//! The rest of the operator cannot tell them from components that the user wrote: they have the same
//! tiers, network rules, status and exposure. Prometheus finds pods by DNS, so that no part needs a
//! ServiceAccount token or a Role.

mod config;
mod dashboards;
mod programs;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{is_enabled, names, probes};
use crate::{
    stack::api::{
        ServiceStack,
        component::{ComponentKind, ComponentSpec, Metrics, Port},
        monitoring::{Grafana, Prometheus},
        spec::SecretEntry,
    },
    workload::{
        model::{Monitor, ProbeType},
        resolve::{
            Violation, Violations,
            monitoring::{Defaults, monitor, seconds},
        },
        scope::Scope,
    },
};
use programs::{BLACKBOX, GRAFANA, PROMETHEUS, of_blackbox, of_grafana, of_prometheus};

/// The only bundled program with a login.
pub const FIELD_OF_GRAFANA: &str = "spec.monitoring.grafana";

const INTERVAL: &str = "30s";
const SCRAPE_TIMEOUT: &str = "10s";
/// Prometheus forgets a series after 5 minutes without a sample.
const LONGEST_INTERVAL: u64 = 240;
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
            FIELD_OF_GRAFANA,
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
    // The one that lacks its Prometheus is refused above, and its references would be refused once more.
    let complete = |grafana: &&Grafana| wanted(prometheus.enabled) || !wanted(grafana.enabled);
    if let Some(grafana) = given.grafana.as_ref().filter(complete) {
        let name = grafana.name.as_deref().unwrap_or(GRAFANA.name);
        let component = of_grafana(&all.cr, grafana, files.grafana());
        all.add(name, component, FIELD_OF_GRAFANA, violations);
    }
    all
}

/// Objections to a component in the words of the field that it comes from.
pub fn in_the_users_words(found: Violations, name: &str, field: Option<&'static str>) -> Vec<Violation> {
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

/// Returns the metrics of a component whose pods run until they are stopped.
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
        let port = ports.find(|it| port == IntOrString::String(it.name.clone()))?.port;
        let url = format!("http://{}:{port}{}", names::component(cr, name), config::literal(&path));
        Some(Probed { name: name.clone(), url })
    };
    cr.spec.components.iter().filter_map(probed).collect()
}

fn interval<'a>(given: &'a Prometheus, violations: &mut Violations) -> &'a str {
    let interval = given.scrape_interval.as_deref().unwrap_or(INTERVAL);
    violations.require(
        seconds(interval).is_some_and(|seconds| (1..=LONGEST_INTERVAL).contains(&seconds)),
        "spec.monitoring.prometheus.scrapeInterval",
        format!(
            "'{interval}' must be a duration from 1s to 4m: \
             Prometheus forgets a series after 5 minutes without a sample"
        ),
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
        "is the entry of the bundled Grafana's password; \
         rename it, or give `spec.monitoring.grafana.adminSecret`",
    );
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "specs are written where they are used")]
mod tests;
