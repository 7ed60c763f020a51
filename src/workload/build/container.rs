//! The server container.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, Lifecycle, LifecycleHandler, ResourceRequirements,
        SecurityContext, SleepAction, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    api::common::{ImagePullPolicy, ResourceList},
    logpilot::{
        model::{Cluster, Component, Probes},
        objects::env,
    },
    workload::build::{pod, probes},
};

/// Seconds between leaving the Service and SIGTERM: endpoints and proxies need about this long to follow.
const DRAIN_SECONDS: i64 = 5;

#[must_use]
pub fn server(cluster: &Cluster, component: &Component) -> Container {
    let Probes { liveness, readiness, startup } = &component.probes;
    Container {
        name: component.role.container.into(),
        image: Some(component.image.to_string()),
        image_pull_policy: cluster.image_pull_policy.map(|policy| pull_policy(policy).into()),
        env: Some(env::variables(cluster, component)),
        env_from: env::sources(component),
        ports: Some(ports(component)),
        resources: Some(resources(component)),
        liveness_probe: probes::build(liveness.as_ref()),
        readiness_probe: probes::build(readiness.as_ref()),
        startup_probe: probes::build(startup.as_ref()),
        lifecycle: lifecycle(component),
        security_context: Some(security_context()),
        // A crash is then explained in the status by its last lines.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(vec![
            mount(pod::CONFIG, "/config", true),
            mount(pod::DATA, "/data", false),
            mount(pod::TMP, "/tmp", false),
        ]),
        ..Container::default()
    }
}

fn ports(component: &Component) -> Vec<ContainerPort> {
    component
        .role
        .ports
        .iter()
        .map(|port| ContainerPort {
            name: Some(port.name.into()),
            container_port: port.number,
            protocol: Some("TCP".into()),
            ..ContainerPort::default()
        })
        .collect()
}

/// None where the pod gets no time to stop. Never longer than half of the grace period: a longer sleep than
/// the whole of it is refused by the API server, and the server needs the rest to finish its requests.
fn lifecycle(component: &Component) -> Option<Lifecycle> {
    let seconds = DRAIN_SECONDS.min(component.grace_period_seconds / 2);
    (seconds > 0).then(|| Lifecycle {
        // The kubelet's own sleep (on by default from 1.30): the image needs no shell.
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

fn resources(component: &Component) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(quantities(&component.resources.requests)),
        limits: Some(quantities(&component.resources.limits)),
        claims: None,
    }
}

pub fn quantities(list: &ResourceList) -> BTreeMap<String, Quantity> {
    [("cpu", &list.cpu), ("memory", &list.memory), ("ephemeral-storage", &list.ephemeral_storage)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Quantity(value.as_ref()?.0.clone()))))
        .collect()
}

pub fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

pub fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn pull_policy(policy: ImagePullPolicy) -> &'static str {
    match policy {
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Never => "Never",
    }
}
