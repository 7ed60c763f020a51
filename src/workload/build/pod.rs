//! A component's pod template: what surrounds the server container.

use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, EmptyDirVolumeSource, LocalObjectReference, PersistentVolumeClaimVolumeSource,
        PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile, Volume,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use crate::{
    api::common::StringMap,
    logpilot::{
        defaults::MANAGEMENT,
        facts::{ApiKeyFact, Facts},
        model::{Cluster, Component, Identity},
        restart::RESTART,
    },
    workload::{
        build::{affinity, container, disk, service_monitor::METRICS_PATH},
        labels, metadata,
    },
};

/// Rolls the pods when the key changes: a variable from a Secret is read once, at start.
pub const API_KEY_HASH: &str = "logpilot.io/api-key-hash";

/// Rolls the pods when a Secret or ConfigMap changes that their variables refer to.
pub const REFERENCES_HASH: &str = "logpilot.io/references-hash";

pub const CONFIG: &str = "config";
pub const DATA: &str = "data";
pub const TMP: &str = "tmp";

/// Spring unpacks and Tomcat buffers there; without a bound a stray file fills the node.
const SCRATCH_SIZE: &str = "256Mi";

#[must_use]
pub fn template(cluster: &Cluster, component: &Component, facts: &Facts) -> PodTemplateSpec {
    let mut all = if cluster.monitoring.scrape_annotations { scraped() } else { StringMap::new() };
    all.extend(annotations(component, facts));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::of_pod(cluster, component)),
            annotations: metadata::non_empty(all),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            affinity: affinity::build(component),
            topology_spread_constraints: affinity::spread(component),
            ..spec(cluster, component, claim(component))
        }),
    }
}

/// What the pods of a component are wherever they run, with data from this volume.
pub fn spec(cluster: &Cluster, component: &Component, data: Volume) -> PodSpec {
    let pod = PodSpec {
        service_account_name: Some(cluster.prefix.service_account()),
        automount_service_account_token: Some(false),
        // They would set LOGPILOT_GRPC_PORT=tcp://…, and the server exits on it.
        enable_service_links: Some(false),
        image_pull_secrets: pull_secrets(cluster),
        security_context: Some(security_context(&component.identity)),
        termination_grace_period_seconds: Some(component.grace_period_seconds),
        priority_class_name: component.priority_class_name.clone(),
        node_selector: metadata::non_empty(component.node_selector.clone()),
        tolerations: affinity::tolerations(component),
        containers: vec![container::server(cluster, component)],
        volumes: Some(vec![config(component), data, scratch(TMP)]),
        ..PodSpec::default()
    };
    disk::stated(cluster, pod)
}

/// The user's annotations, and what rolls the pods when it changes.
pub fn annotations(component: &Component, facts: &Facts) -> StringMap {
    let mut all = component.pod_annotations.clone();
    let hash = match &facts.api_key {
        // Known before the Secret is made, or the pods would roll as soon as it is seen.
        ApiKeyFact::Present { hash } | ApiKeyFact::Generate { hash, .. } => Some(hash.clone()),
        ApiKeyFact::Unknown
        | ApiKeyFact::Invalid { .. }
        | ApiKeyFact::Foreign { .. }
        | ApiKeyFact::Going { .. } => None,
    };
    all.extend(hash.map(|hash| (API_KEY_HASH.to_owned(), hash)));
    let references = facts.references.get(&component.name).map(|found| found.hash.clone());
    all.extend(references.map(|hash| (REFERENCES_HASH.to_owned(), hash)));
    let restart = component.restart.token(facts.restarts.get(component.role.name));
    all.extend(restart.map(|token| (RESTART.to_owned(), token)));
    all
}

/// What a Prometheus without its operator looks for, by convention.
fn scraped() -> StringMap {
    [("scrape", "true"), ("port", &MANAGEMENT.number.to_string()), ("path", METRICS_PATH)]
        .map(|(key, value)| (format!("prometheus.io/{key}"), value.to_owned()))
        .into()
}

pub fn pull_secrets(cluster: &Cluster) -> Option<Vec<LocalObjectReference>> {
    let secrets: Vec<_> =
        cluster.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
    (!secrets.is_empty()).then_some(secrets)
}

/// The `restricted` Pod Security Standard, and a group that may write the data volume.
pub fn security_context(identity: &Identity) -> PodSecurityContext {
    PodSecurityContext {
        // Root was asked for where it is not kept to that standard.
        run_as_non_root: (identity.user != Some(0)).then_some(true),
        run_as_user: identity.user,
        run_as_group: identity.group,
        fs_group: identity.fs_group,
        // Changing the owner of every file at each start takes minutes on a large volume.
        fs_group_change_policy: Some("OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn config(component: &Component) -> Volume {
    Volume {
        name: CONFIG.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: component.config.name.clone(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

pub fn claim(component: &Component) -> Volume {
    Volume {
        name: DATA.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: component.claim.clone(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// Goes with its pod.
pub fn scratch(name: &str) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(SCRATCH_SIZE.into())),
            medium: None,
        }),
        ..Volume::default()
    }
}
