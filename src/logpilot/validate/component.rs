//! Validation of one component: its defaults, and contradictions after they are applied.

use super::probes;
use crate::{
    api::{
        cluster::{LogPilotClusterSpec, PodSecurity},
        component::{self as given, AssignedBy, ComponentSpec},
        exposure::ComponentKey,
        storage::Storage,
    },
    logpilot::{
        config, defaults,
        environment::{Source, Variable, of_variables},
        model::{Component, Port, ServerRole},
        restart::Restart,
    },
    workload::{
        image::Image,
        model::{Identity, LoadBalancer, NodePort, NodePortEntry, PublishedPort},
        names::NamePrefix,
        resolve::{Violations, limits, resources, rollout, scaling, scheduling},
    },
};

/// Returns `None` only after a violation. [`super::storage`] fills in the PVC and its consequences.
pub(super) fn resolve(
    spec: &LogPilotClusterSpec,
    prefix: &NamePrefix,
    key: ComponentKey,
    given: &ComponentSpec,
    violations: &mut Violations,
) -> Option<Component> {
    let role = defaults::role(key);
    let path = format!("spec.components.{}", role.name);
    let image = image(spec, given, &path, violations);
    let backend = spec.storage.as_ref().and_then(|Storage { backend, .. }| *backend);
    let config =
        config::file(prefix, role, &spec.config.clone().unwrap_or_default(), backend.unwrap_or_default());
    owned_variables(given, &path, violations);
    own_container(role, given, &path, violations);
    let component = Component {
        role,
        name: prefix.component(role.name),
        scale: scaling::resolve(
            given.autoscaling.as_ref(),
            given.replicas,
            defaults::scaling(spec.environment.unwrap_or_default(), key),
            &path,
            violations,
        ),
        rollout: rollout::strategy(given.strategy.as_ref(), &defaults::rollout(), &path, violations),
        resources: resources::resolve(
            given.resources.as_ref(),
            &defaults::resources(role),
            limits::cpu_is_limited(spec.limits.as_ref()),
            &format!("{path}.resources"),
            violations,
        ),
        identity: identity(spec, given, &path, violations),
        probes: probes::resolve(role, given.probes.as_ref(), &format!("{path}.probes"), violations),
        budget: rollout::budget(given.pod_disruption_budget.as_ref(), &path, violations),
        unhealthy_pod_eviction_policy: rollout::unhealthy_pods(given.pod_disruption_budget.as_ref()).into(),
        config,
        claim: String::new(),
        co_scheduled: false,
        env: given.env.clone().unwrap_or_default(),
        env_from: given.env_from.clone().unwrap_or_default(),
        pod_labels: given.pod_labels.clone(),
        pod_annotations: given.pod_annotations.clone(),
        node_selector: given.node_selector.clone(),
        tolerations: given.tolerations.iter().flatten().map(scheduling::toleration).collect(),
        topology_spread: scheduling::spread(given.topology_spread.as_ref(), &path, violations),
        priority_class_name: given.priority_class_name.clone(),
        grace_period_seconds: given
            .termination_grace_period_seconds
            .unwrap_or(defaults::GRACE_PERIOD_SECONDS),
        min_ready_seconds: given.min_ready_seconds,
        progress_deadline_seconds: given.progress_deadline_seconds,
        revision_history_limit: given.revision_history_limit,
        load_balancer: load_balancer(role, given.load_balancer.as_ref(), &path, violations),
        node_port: node_port(role, given.node_port.as_ref(), &path, violations),
        restart: Restart::default(),
        stopped: spec.operation.as_ref().and_then(|operation| operation.stopped) == Some(true),
        image: image?,
    };
    Some(component)
}

fn image(
    spec: &LogPilotClusterSpec,
    given: &ComponentSpec,
    path: &str,
    violations: &mut Violations,
) -> Option<Image> {
    let (path, text) = match &given.image {
        Some(text) => (format!("{path}.image"), text),
        None => ("spec.image".to_owned(), &spec.image),
    };
    let seen = violations.0.iter().any(|objection| objection.path == path);
    if let Some(why) = Image::objection(text, defaults::EXAMPLE_IMAGE).filter(|_| !seen) {
        violations.add(path, why);
    }
    let image = Image::parse(text);
    Some(match &spec.image_registry {
        Some(mirror) => image?.mirrored(mirror),
        None => image?,
    })
}

fn owned_variables(given: &ComponentSpec, path: &str, violations: &mut Violations) {
    let variables: Vec<Variable<'_>> = given.env.iter().flatten().map(Variable::from).collect();
    // The values of a referenced object are checked when it is read.
    let brought = given.env_from.as_ref().map(|_| &Source::Later);
    for finding in of_variables(&variables, brought) {
        let name = finding.variable.as_deref().unwrap_or_default();
        violations.add(format!("{path}.env[{name}]"), finding.message());
    }
}

/// A pod has no other container. A reference to a container that does not exist prevents the server
/// from starting.
fn own_container(role: &ServerRole, given: &ComponentSpec, path: &str, violations: &mut Violations) {
    for variable in given.env.iter().flatten() {
        let reference = variable.value_from.as_ref().and_then(|source| source.resource_field_ref.as_ref());
        let Some(name) = reference.and_then(|reference| reference.container_name.as_ref()) else { continue };
        violations.require(
            name == role.container,
            format!("{path}.env[{}].valueFrom.resourceFieldRef.containerName", variable.name),
            format!(
                "'{name}' is not a container of the pod; use '{}', which is the server's, or remove it",
                role.container
            ),
        );
    }
}

/// `runAsNonRoot` prevents root from starting, and the Restricted standard requires it.
fn identity(
    spec: &LogPilotClusterSpec,
    given: &ComponentSpec,
    path: &str,
    violations: &mut Violations,
) -> Identity {
    let given = given.security_context.clone().unwrap_or_default();
    let path = format!("{path}.securityContext");
    if given.assigned_by == Some(AssignedBy::Platform) {
        violations.require(
            given.run_as_user.or(given.run_as_group).or(given.fs_group).is_none(),
            format!("{path}.assignedBy"),
            "'Platform' assigns user and groups; remove `runAsUser`, `runAsGroup` and `fsGroup`, or use 'Operator'",
        );
        return Identity::default();
    }
    let user = given.run_as_user.unwrap_or(defaults::USER);
    let namespace = spec.namespace.as_ref();
    let security = namespace.and_then(|namespace| namespace.pod_security).unwrap_or_default();
    violations.require(
        user != 0 || security != PodSecurity::Restricted,
        format!("{path}.runAsUser"),
        "may not be 0, which is root, while `spec.namespace.podSecurity` is 'Restricted'; use another user",
    );
    Identity {
        user: Some(user),
        group: Some(given.run_as_group.unwrap_or(user)),
        fs_group: Some(given.fs_group.unwrap_or(user)),
        supplemental_groups: Vec::new(),
    }
}

fn load_balancer(
    role: &ServerRole,
    given: Option<&given::LoadBalancer>,
    path: &str,
    violations: &mut Violations,
) -> Option<LoadBalancer> {
    let given = given.filter(|given| given.enabled != Some(false))?;
    let path = format!("{path}.loadBalancer");
    served(role.http.is_some(), given.http_port, &format!("{path}.httpPort"), "HTTP", violations);
    served(role.grpc.is_some(), given.grpc_port, &format!("{path}.grpcPort"), "gRPC", violations);
    let http_port = given.http_port.unwrap_or(defaults::LOAD_BALANCER_HTTP_PORT);
    let grpc_port = given.grpc_port.unwrap_or(defaults::GRPC.number);
    violations.require(
        http_port != grpc_port || role.http.is_none() || role.grpc.is_none(),
        format!("{path}.grpcPort"),
        format!("must differ from `httpPort`, which is {http_port}"),
    );
    let published =
        |port: Option<&Port>, number| port.map(|port| PublishedPort { name: port.name.into(), number });
    let ports = [published(role.http, http_port), published(role.grpc, grpc_port)];
    Some(LoadBalancer {
        ports: ports.into_iter().flatten().collect(),
        class: given.class.clone(),
        source_ranges: given.source_ranges.clone().unwrap_or_default(),
        annotations: given.annotations.clone(),
    })
}

fn node_port(
    role: &ServerRole,
    given: Option<&given::NodePort>,
    path: &str,
    violations: &mut Violations,
) -> Option<NodePort> {
    let given = given.filter(|given| given.enabled != Some(false))?;
    let path = format!("{path}.nodePort");
    served(role.http.is_some(), given.http, &format!("{path}.http"), "HTTP", violations);
    served(role.grpc.is_some(), given.grpc, &format!("{path}.grpc"), "gRPC", violations);
    violations.require(
        given.http.is_none() || given.http != given.grpc,
        format!("{path}.grpc"),
        "must differ from `http`",
    );
    let on_node = |port: Option<&Port>, node_port| {
        port.map(|port| NodePortEntry { name: port.name.into(), number: port.number, node_port })
    };
    let ports = [on_node(role.http, given.http), on_node(role.grpc, given.grpc)];
    Some(NodePort { ports: ports.into_iter().flatten().collect() })
}

fn served(serves: bool, given: Option<i32>, path: &str, protocol: &str, violations: &mut Violations) {
    violations.require(
        serves || given.is_none(),
        path,
        format!("this component does not serve {protocol}; remove it"),
    );
}
