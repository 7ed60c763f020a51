//! The main container of a component.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, Lifecycle, LifecycleHandler, ResourceRequirements,
    SecurityContext, SleepAction, VolumeMount,
};

use super::{affinity::non_empty, probes};
use crate::{
    model::{Component, Probes},
    scope::Scope,
};

/// Seconds between the removal from the Service and SIGTERM. Endpoints and proxies need about this long
/// to follow.
const DRAIN_SECONDS: i64 = 5;

#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Container {
    let Probes { liveness, readiness, startup } = &component.probes;
    Container {
        name: component.container.clone(),
        image: Some(component.image.to_string()),
        image_pull_policy: scope.pull_policy.clone(),
        command: non_empty(component.command.clone()),
        args: non_empty(component.args.clone()),
        env: non_empty(component.env.clone()),
        env_from: non_empty(component.env_from.clone()),
        ports: non_empty(ports(component)),
        resources: Some(resources(component)),
        liveness_probe: probes::build(liveness.as_ref()),
        readiness_probe: probes::build(readiness.as_ref()),
        startup_probe: probes::build(startup.as_ref()),
        lifecycle: lifecycle(component),
        security_context: Some(SecurityContext {
            read_only_root_filesystem: component.read_only_root_filesystem.then_some(true),
            ..security_context()
        }),
        // The status can then report the last lines of the log as the cause of a crash.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: non_empty(component.mounts.clone()),
        ..Container::default()
    }
}

fn ports(component: &Component) -> Vec<ContainerPort> {
    component
        .ports
        .iter()
        .map(|port| ContainerPort {
            name: Some(port.name.clone()),
            container_port: port.number,
            protocol: Some(port.protocol.clone()),
            ..ContainerPort::default()
        })
        .collect()
}

/// Returns `None` if the pod has no time to stop. The sleep is never longer than half of the grace
/// period: the API server rejects a sleep longer than the grace period, and the program needs the rest
/// to finish its requests.
fn lifecycle(component: &Component) -> Option<Lifecycle> {
    let seconds = DRAIN_SECONDS.min(component.grace_period_seconds / 2);
    (seconds > 0).then(|| Lifecycle {
        // The kubelet's own sleep (on by default from 1.30) does not need a shell in the image.
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

fn resources(component: &Component) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(component.resources.requests.clone()),
        limits: Some(component.resources.limits.clone()),
        claims: None,
    }
}

#[must_use]
pub fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

#[must_use]
pub fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}
