//! Status of each component.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::{
    super::{model::Component, restart::RESTART},
    View, configs,
};
use crate::{
    api::status::ComponentStatus,
    kinds::Managed,
    workload::{health, qos},
};

pub(super) struct Workload {
    pub(super) status: ComponentStatus,
    /// Whether the newest template runs on every desired pod, and no older pod remains.
    pub(super) complete: bool,
}

/// Returns `None` for a component whose Deployment is not planned. Image, resources and restart are
/// those of the planned object, which patches may have changed.
pub(super) fn workload(component: &Component, view: &View<'_>) -> Option<Workload> {
    let mut deployments = view.plan.objects.iter().filter(|planned| planned.kind == Deployment::KIND);
    let planned = deployments.find(|planned| planned.key.name == component.name)?;
    let text =
        |pointer: &str| planned.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = component.role.name;
    let config = &component.config.name;
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let template = "/spec/template";
    let mut status = ComponentStatus {
        qos_class: planned
            .body
            .pointer(&format!("{template}/spec"))
            .map(qos::class)
            .unwrap_or_default()
            .to_owned(),
        replicas_before_stop: view.facts.before_stop.get(name).copied(),
        restart: text(&format!("{template}/metadata/annotations/{}", RESTART.replace('/', "~1"))),
        name: name.to_owned(),
        image: text("/spec/template/spec/containers/0/image"),
        config_hash: component.config.hash.clone(),
        desired: small(planned.body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0)),
        ..ComponentStatus::default()
    };
    let mut complete = false;
    if let Some(child) = view.snapshot.get(planned.kind, &planned.key)
        && let Some(live) = child.observed::<health::Deployment>()
    {
        status.desired = small(live.desired);
        status.updated = small(live.updated);
        status.ready = small(live.ready);
        status.available = small(live.available);
        complete = !child.deleting && live.complete();
    }
    (status.configs, status.config_rolled_out) =
        configs::observe(config, &planned.key, &status.name, status.desired, view.snapshot);
    Some(Workload { status, complete })
}

/// Returns the tag or digest that all components share.
pub(super) fn version(workloads: &[Workload]) -> String {
    let mut versions: Vec<String> =
        workloads.iter().map(|workload| tag(&workload.status.image).chars().take(128).collect()).collect();
    versions.sort();
    versions.dedup();
    match versions.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        _ => "mixed".to_owned(),
    }
}

/// Returns the part after the image name: a digest, or the tag after the last colon of the last path
/// segment.
fn tag(image: &str) -> &str {
    if let Some((_, digest)) = image.split_once('@') {
        return digest;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_tag_or_digest() {
        for (image, expected) in [
            ("danpung2/logpilot:1.2.0", "1.2.0"),
            ("registry:5000/logpilot", ""),
            ("registry:5000/logpilot:2", "2"),
            ("a/b@sha256:abc", "sha256:abc"),
        ] {
            assert_eq!(tag(image), expected);
        }
    }
}
