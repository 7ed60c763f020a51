//! Converts a server to the component for which [`crate::workload::build`] creates objects. Adds
//! the variables, volumes and annotations of LogPilot.

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, Volume};

use super::env;
use crate::{
    logpilot::{
        defaults::MANAGEMENT,
        facts::{ApiKeyFact, Facts},
        model::{self, Cluster},
        restart::RESTART,
    },
    workload::{
        StringMap,
        build::{container, deployment::ObservedReplicas, pod},
        model::{Component, Port},
        resolve,
    },
};

/// Annotation that restarts the pods when the key changes: a variable from a Secret is read once,
/// at startup.
pub const API_KEY_HASH: &str = "logpilot.io/api-key-hash";

/// Annotation that restarts the pods when a Secret or ConfigMap changes that their variables refer
/// to.
pub const REFERENCES_HASH: &str = "logpilot.io/references-hash";

/// The path of the metrics of the servers, on the management port.
pub const METRICS_PATH: &str = "/actuator/prometheus";

const CONFIG: &str = "config";
pub const DATA: &str = "data";
pub const TMP: &str = "tmp";

/// Directory where Spring unpacks files and Tomcat buffers requests.
const SCRATCH_SIZE: &str = "256Mi";

/// Returns the component for serving pods.
#[must_use]
pub fn component(cluster: &Cluster, server: &model::Component, facts: &Facts) -> Component {
    let data = pod::claim(DATA, &server.claim);
    let mut annotations = if cluster.monitoring.scrape_annotations { scraped() } else { StringMap::new() };
    annotations.extend(self::annotations(server, facts));
    resolved(cluster, server, data, annotations)
}

/// Returns the component for the config check, with temporary data that is deleted with the pod.
#[must_use]
pub fn on_trial(cluster: &Cluster, server: &model::Component, facts: &Facts) -> Component {
    resolved(cluster, server, pod::scratch(DATA, Some(SCRATCH_SIZE)), annotations(server, facts))
}

/// Returns what the resource specifies about the number of pods.
#[must_use]
pub fn observed_replicas(server: &model::Component, facts: &Facts) -> ObservedReplicas {
    ObservedReplicas {
        enforced: facts.is_enforced(server),
        autoscaled_by_others: facts.autoscaled_by_others.contains(&server.name),
        last: facts.last_replicas.get(&server.name).copied(),
    }
}

fn resolved(
    cluster: &Cluster,
    server: &model::Component,
    data: Volume,
    pod_annotations: StringMap,
) -> Component {
    let server = server.clone();
    Component {
        kind: server.role.name.into(),
        container: server.role.container.into(),
        command: Vec::new(),
        args: Vec::new(),
        read_only_root_filesystem: true,
        ports: server.role.ports.iter().map(port).collect(),
        env: env::variables(cluster, &server),
        env_from: resolve::env::sources(&server.env_from),
        mounts: vec![
            container::mount(CONFIG, "/config", true),
            container::mount(DATA, "/data", false),
            container::mount(TMP, "/tmp", false),
        ],
        volumes: vec![config(&server), data, pod::scratch(TMP, Some(SCRATCH_SIZE))],
        network_policy: cluster
            .network_policy
            .as_ref()
            .map(|peers| peers.policy(cluster.is_exposed(&server))),
        pod_annotations,
        name: server.name,
        image: server.image,
        resources: server.resources,
        probes: server.probes,
        identity: server.identity,
        pod_labels: server.pod_labels,
        claim: Some(server.claim),
        co_scheduled: server.co_scheduled,
        node_selector: server.node_selector,
        tolerations: server.tolerations,
        topology_spread: server.topology_spread,
        priority_class_name: server.priority_class_name,
        grace_period_seconds: server.grace_period_seconds,
        scale: server.scale,
        rollout: server.rollout,
        min_ready_seconds: server.min_ready_seconds,
        progress_deadline_seconds: server.progress_deadline_seconds,
        revision_history_limit: server.revision_history_limit,
        budget: server.budget,
        unhealthy_pod_eviction_policy: server.unhealthy_pod_eviction_policy,
        load_balancer: server.load_balancer,
        node_port: server.node_port,
        stopped: server.stopped,
    }
}

/// Returns the annotations of the user, and those whose change restarts the pods.
fn annotations(server: &model::Component, facts: &Facts) -> StringMap {
    let mut all = server.pod_annotations.clone();
    let hash = match &facts.api_key {
        // The value is known before the Secret exists. Otherwise the pods would restart as soon as
        // the operator observes the Secret.
        ApiKeyFact::Present { hash } | ApiKeyFact::Generate { hash, .. } => Some(hash.clone()),
        ApiKeyFact::Unknown
        | ApiKeyFact::Invalid { .. }
        | ApiKeyFact::Foreign { .. }
        | ApiKeyFact::Going { .. } => None,
    };
    all.extend(hash.map(|hash| (API_KEY_HASH.to_owned(), hash)));
    let references = facts.references.get(&server.name).map(|found| found.hash.clone());
    all.extend(references.map(|hash| (REFERENCES_HASH.to_owned(), hash)));
    let restart = server.restart.token(facts.restarts.get(server.role.name));
    all.extend(restart.map(|token| (RESTART.to_owned(), token)));
    all
}

/// The annotations that a Prometheus without the Prometheus Operator uses by convention.
fn scraped() -> StringMap {
    [("scrape", "true"), ("port", &MANAGEMENT.number.to_string()), ("path", METRICS_PATH)]
        .map(|(key, value)| (format!("prometheus.io/{key}"), value.to_owned()))
        .into()
}

fn port(port: &model::Port) -> Port {
    Port {
        name: port.name.into(),
        number: port.number,
        published: port.number,
        protocol: "TCP".to_owned(),
        app_protocol: port.app_protocol.map(str::to_owned),
        internal: *port == MANAGEMENT,
    }
}

fn config(server: &model::Component) -> Volume {
    Volume {
        name: CONFIG.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: server.config.name.clone(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
