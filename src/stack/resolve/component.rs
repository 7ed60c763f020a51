//! One component of a stack.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Toleration, apimachinery::pkg::util::intstr::IntOrString};

use super::{
    environment, is_enabled,
    names::{self, Known},
    network::Edges,
    probes, scaling,
    texts::Texts,
    volumes,
};
use crate::{
    stack::{
        api::{
            ServiceStack,
            component::{ComponentKind, ComponentSpec, PortProtocol},
            spec::{Defaults, Environment},
        },
        model::{Files, StackComponent},
    },
    workload::{
        StringMap,
        api::component::{PodDisruptionBudget, Strategy},
        build::job::Attempts,
        image::Image,
        model::{Component, Identity, LoadBalancer, PdbPolicy, Port, PublishedPort, Rollout},
        names::{is_dns_1035, short_hash},
        resolve::{Violations, rollout, scheduling},
    },
};

/// User of a container, where none is given.
const USER: i64 = 10001;
const GRACE_SECONDS: i64 = 30;
const PROGRESS_SECONDS: i32 = 600;
const REVISIONS: i32 = 10;
const RETRIES: i32 = 3;
const JOB_SECONDS: i64 = 600;

pub fn resolve(
    cr: &ServiceStack,
    known: &Known,
    name: &str,
    given: &ComponentSpec,
    tier: i32,
    edges: &mut Edges,
    violations: &mut Violations,
) -> StackComponent {
    let path = format!("spec.components.{name}");
    let kind = given.kind();
    let full_name = names::component(cr, name);
    check_name(&full_name, &path, violations);
    check_dependencies(cr, name, given, &path, violations);
    let mut component = described(name, given, tier);
    let enabled = component.enabled;
    if kind == ComponentKind::External {
        return component;
    }
    let none = Defaults::default();
    let defaults = cr.spec.defaults.as_ref().filter(|_| kind == ComponentKind::Deployment).unwrap_or(&none);
    let mut texts = Texts::new(known, enabled);
    volumes::check_files(given, &path, violations);
    component.files = files(given, &full_name, &mut texts, &path, violations);
    let volumes = volumes::resolve(cr, name, given, component.files.as_ref(), &path, violations);
    component.claims = volumes.claims;
    let mut variables = defaults.env.clone();
    variables.extend(given.env.clone());
    let variables = environment::resolve(&variables, &mut texts, &format!("{path}.env"), violations);
    let mut list = |list: Option<&Vec<String>>, field: &str| -> Vec<String> {
        let texts = &mut texts;
        let resolve = |(index, text): (usize, &String)| {
            texts.argument(text, &format!("{path}.{field}[{index}]"), violations)
        };
        list.into_iter().flatten().enumerate().map(resolve).collect()
    };
    let (command, args) = (list(given.command.as_ref(), "command"), list(given.args.as_ref(), "args"));
    for other in &texts.named {
        edges.add(name, other);
    }
    component.secrets = secrets(cr, given, &texts.entries);
    let env = texts.hidden().into_iter().chain(variables).collect();
    let resources = scaling::resources(given, defaults, cr.spec.environment);
    let (scale, capped) = scaling::scale(given, defaults, cr.spec.environment, &resources, &path, violations);
    component.capped = capped;
    let Some(image) = image(cr, given, &path, violations).filter(|_| enabled) else { return component };
    let user = given.user.or(defaults.user).unwrap_or(USER);
    let group = given.group.unwrap_or(user);
    one_writer(kind, scale.most(), &volumes.single_writer, &path, violations);
    let own_claim = !component.claims.is_empty();
    let ports = ports(given);
    let rollout = strategy(given.strategy.as_ref(), own_claim && scale.most() <= 1, &path, violations);
    let asked_budget = given.pod_disruption_budget.as_ref().or(defaults.pod_disruption_budget.as_ref());
    let mut node_selector = defaults.node_selector.clone();
    node_selector.extend(given.node_selector.clone());
    let tolerations = given.tolerations.as_ref().or(defaults.tolerations.as_ref());
    component.workload = Some(Component {
        name: full_name,
        kind: name.to_owned(),
        image,
        container: name.to_owned(),
        command,
        args,
        read_only_root_filesystem: given.read_only_root_filesystem == Some(true),
        load_balancer: load_balancer(given, &ports, &path, violations),
        env,
        env_from: environment::sources(given.env_from.as_deref().unwrap_or_default()),
        mounts: volumes.mounts,
        volumes: volumes.all,
        probes: probes::resolve(
            given,
            cr.spec.defaults.as_ref().and_then(|defaults| defaults.probes.as_ref()),
            &path,
            violations,
        ),
        resources,
        identity: Identity {
            user: Some(user),
            group: Some(group),
            fs_group: Some(group),
            supplemental_groups: volumes.groups,
        },
        pod_labels: StringMap::new(),
        pod_annotations: StringMap::new(),
        co_scheduled: volumes.one_node.is_some() && kind != ComponentKind::Job,
        claim: volumes.one_node,
        node_selector,
        tolerations: tolerations
            .into_iter()
            .flatten()
            .map(scheduling::toleration)
            .collect::<Vec<Toleration>>(),
        topology_spread: scheduling::spread(given.topology_spread.as_ref(), &path, violations),
        priority_class_name: None,
        grace_period_seconds: given.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS),
        rollout,
        min_ready_seconds: given.min_ready_seconds,
        progress_deadline_seconds: Some(given.progress_deadline_seconds.unwrap_or(PROGRESS_SECONDS)),
        revision_history_limit: Some(REVISIONS),
        budget: budget(asked_budget, cr.spec.environment, &path, violations),
        unhealthy_pod_eviction_policy: rollout::unhealthy_pods(asked_budget).to_owned(),
        scale,
        ports,
        node_port: None,
        network_policy: None,
        stopped: false,
    });
    component
}

/// Several pods of a database on one volume destroy its data. A rule of the API server refuses it for
/// `size`, where no other object has to be known.
fn one_writer(kind: ComponentKind, pods: i32, volumes: &[String], path: &str, violations: &mut Violations) {
    let several = kind == ComponentKind::StatefulSet && pods > 1;
    for volume in volumes.iter().filter(|_| several) {
        violations.add(
            format!("{path}.replicas"),
            format!("may not be more than 1 for a StatefulSet that writes to the PVC of volume '{volume}'; set `volumes.{volume}.readOnly: true`, or mount an entry of `spec.volumes` with `accessMode: ReadWriteMany`"),
        );
    }
}

/// Returns the component without its workload.
fn described(name: &str, given: &ComponentSpec, tier: i32) -> StackComponent {
    let kind = given.kind();
    StackComponent {
        name: name.to_owned(),
        kind,
        enabled: is_enabled(given),
        tier,
        depends_on: given.depends_on.iter().flatten().cloned().collect(),
        workload: None,
        claims: Vec::new(),
        files: None,
        attempts: Attempts {
            retries: given.job.as_ref().and_then(|job| job.retries).unwrap_or(RETRIES),
            timeout_seconds: given.job.as_ref().and_then(|job| job.timeout_seconds).unwrap_or(JOB_SECONDS),
        },
        has_service: given.ports.iter().flatten().next().is_some() && kind != ComponentKind::Job,
        headless: kind == ComponentKind::StatefulSet
            || given.metrics.as_ref().is_some_and(|metrics| metrics.enabled != Some(false)),
        policy: None,
        monitor: None,
        secrets: BTreeSet::new(),
        capped: None,
        host_paths: given.host_paths.iter().flatten().map(|host| host.path.clone()).collect(),
        bundled: None,
    }
}

fn check_name(full_name: &str, path: &str, violations: &mut Violations) {
    violations.require(
        full_name.len() <= names::COMPONENT && is_dns_1035(full_name),
        path,
        format!(
            "'{full_name}' must be a DNS label of at most {} characters, `namePrefix` included; names of Services are made from it",
            names::COMPONENT
        ),
    );
}

fn check_dependencies(
    cr: &ServiceStack,
    name: &str,
    given: &ComponentSpec,
    path: &str,
    violations: &mut Violations,
) {
    for dependency in given.depends_on.iter().flatten() {
        let Some(other) = cr.spec.components.get(dependency) else {
            let known = cr.spec.components.keys().map(String::as_str);
            violations.add(
                format!("{path}.dependsOn"),
                format!("no component '{dependency}'{}", names::hint(dependency, known)),
            );
            continue;
        };
        violations.require(
            is_enabled(other) || !is_enabled(given),
            format!("{path}.dependsOn"),
            format!("component '{dependency}' is switched off, so that '{name}' could never start; enable it, or remove it here"),
        );
    }
}

fn files(
    given: &ComponentSpec,
    full_name: &str,
    texts: &mut Texts<'_>,
    path: &str,
    violations: &mut Violations,
) -> Option<Files> {
    if given.files.is_empty() {
        return None;
    }
    let file = |(index, (name, text)): (usize, (&String, &String))| {
        let content = texts.file(text, &format!("{path}.files.{name}"), violations);
        (volumes::file_key(index, name), content)
    };
    let data: BTreeMap<String, String> = given.files.iter().enumerate().map(file).collect();
    let hash = short_hash(serde_json::to_string(&data).unwrap_or_default().as_bytes());
    Some(Files { config_map: format!("{full_name}-files-{hash}"), data })
}

/// Names of the Secrets that a component reads and the operator creates.
fn secrets(cr: &ServiceStack, given: &ComponentSpec, entries: &BTreeSet<String>) -> BTreeSet<String> {
    let mounted = given.volumes.values().filter_map(|volume| volume.secret.as_ref());
    let all = entries.iter().chain(mounted);
    let generated =
        all.filter(|entry| cr.spec.secrets.get(*entry).is_some_and(|secret| secret.generate.is_some()));
    generated.map(|entry| names::secret(cr, entry)).collect()
}

/// A short image gets registry and tag of the release; a mirror replaces the registry of any.
fn image(cr: &ServiceStack, given: &ComponentSpec, path: &str, violations: &mut Violations) -> Option<Image> {
    let text = given.image.as_deref().unwrap_or_default();
    let path = format!("{path}.image");
    let Some(mut image) = Image::parse(text) else {
        violations
            .add(path, format!("'{text}' must be an image such as 'mysql:8.0', without scheme or spaces"));
        return None;
    };
    let release = cr.spec.release.clone().unwrap_or_default();
    if !image.is_pinned() {
        if image.registry.is_none()
            && let Some(registry) = &release.registry
        {
            image = image.mirrored(registry);
        }
        image.tag.clone_from(&release.tag);
    }
    violations.require(
        image.is_pinned(),
        path,
        format!("'{text}' needs a tag or a digest; add it, or give `spec.release.tag`"),
    );
    Some(match &cr.spec.image_registry {
        Some(mirror) => image.mirrored(mirror),
        None => image,
    })
}

fn ports(given: &ComponentSpec) -> Vec<Port> {
    let port = |port: &crate::stack::api::component::Port| Port {
        name: port.name.clone(),
        number: port.target_port.unwrap_or(port.port),
        published: port.port,
        protocol: match port.protocol.unwrap_or_default() {
            PortProtocol::Tcp => "TCP",
            PortProtocol::Udp => "UDP",
        }
        .to_owned(),
        app_protocol: port.app_protocol.clone(),
        internal: false,
    };
    given.ports.iter().flatten().map(port).collect()
}

fn load_balancer(
    given: &ComponentSpec,
    ports: &[Port],
    path: &str,
    violations: &mut Violations,
) -> Option<LoadBalancer> {
    let asked = given.load_balancer.as_ref().filter(|asked| asked.enabled != Some(false))?;
    violations.require(
        !ports.is_empty(),
        format!("{path}.loadBalancer"),
        "needs a port: give `ports`, or remove `loadBalancer`",
    );
    let published = |port: &Port| PublishedPort { name: port.name.clone(), number: port.published };
    let mut all = Vec::new();
    match &asked.ports {
        None => all.extend(ports.first().map(published)),
        Some(names) => {
            for name in names {
                let port = ports.iter().find(|port| port.name == *name);
                violations.require(
                    port.is_some(),
                    format!("{path}.loadBalancer.ports"),
                    format!("the component has no port '{name}'"),
                );
                all.extend(port.map(published));
            }
        }
    }
    Some(LoadBalancer {
        ports: all,
        class: None,
        source_ranges: asked.source_ranges.clone().unwrap_or_default(),
        annotations: StringMap::new(),
    })
}

/// Two pods of a rolling update cannot mount the volume of one pod.
fn strategy(
    given: Option<&Strategy>,
    one_pod_with_data: bool,
    path: &str,
    violations: &mut Violations,
) -> Rollout {
    if one_pod_with_data && given.is_none_or(|given| given.type_.is_none()) {
        return Rollout::Recreate;
    }
    let quarter = || IntOrString::String("25%".to_owned());
    let defaults = rollout::Defaults { max_surge: quarter(), max_unavailable: quarter() };
    rollout::strategy(given, &defaults, path, violations)
}

fn budget(
    given: Option<&PodDisruptionBudget>,
    environment: Option<Environment>,
    path: &str,
    violations: &mut Violations,
) -> PdbPolicy {
    if given.is_none() && environment == Some(Environment::Development) {
        return PdbPolicy::Off;
    }
    rollout::budget(given, path, violations)
}

/// Whether a component has pods that a Service can select.
#[must_use]
pub fn serves(component: &StackComponent) -> bool {
    component.workload.as_ref().is_some_and(|workload| !workload.ports.is_empty())
        && component.kind != ComponentKind::Job
}
