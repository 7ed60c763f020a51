//! Every label the operator writes or selects by. Selectors are few and frozen; metadata labels may grow.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::{
    api::common::StringMap,
    logpilot::model::{BackupJob, Cluster, Component},
    workload::names::claim_label,
};

/// What hand-written manifests select by, and therefore what a Deployment's selector stays for ever.
pub const APP: &str = "app";
pub const NAME: &str = "app.kubernetes.io/name";
/// The resource's name: together with [`COMPONENT`] what Services select by.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
pub const COMPONENT: &str = "app.kubernetes.io/component";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Only on a Deployment's metadata: elsewhere it would rewrite every object at each change of image.
pub const VERSION: &str = "app.kubernetes.io/version";
/// `L`: what watches select by, and how a kept claim or namespace is recognised by a later cluster.
pub const CLUSTER: &str = "logpilot.io/cluster";
/// On pods: the claim they mount, so that pods that need one node find each other.
pub const DATA: &str = "logpilot.io/data";
/// On what holds data, with the value `true`: the admission policy refuses to delete it.
pub const PROTECTED: &str = "logpilot.io/deletion-protection";
/// On Services: `internal`, `load-balancer` or `node-port`, so that a monitor scrapes each pod once.
pub const SERVICE: &str = "logpilot.io/service";
/// Value of [`SERVICE`] of the ClusterIP Services, the only ones with the management port.
pub const SERVICE_INTERNAL: &str = "internal";

const PRODUCT: &str = "logpilot";
const OPERATOR: &str = "logpilot-operator";

/// Labels of an object that belongs to the cluster as a whole.
#[must_use]
pub fn shared(cluster: &Cluster) -> StringMap {
    with(cluster, &StringMap::new())
}

/// Labels of an object that has some of its own: they win over `commonLabels`, ours win over both.
#[must_use]
pub fn with(cluster: &Cluster, own: &StringMap) -> StringMap {
    let mut labels = cluster.common_labels.clone();
    labels.extend(own.clone());
    labels.extend(
        [
            (NAME, PRODUCT),
            (INSTANCE, cluster.name.as_str()),
            (MANAGED_BY, OPERATOR),
            (CLUSTER, cluster.prefix.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    labels
}

/// Labels of an object that belongs to one component. With `app`, so that `kubectl get all -l app=logpilot-all` finds what
/// it finds of hand-written manifests.
#[must_use]
pub fn of_component(cluster: &Cluster, component: &Component) -> StringMap {
    let mut labels = shared(cluster);
    labels.insert(COMPONENT.into(), component.role.name.into());
    labels.insert(APP.into(), component.name.clone());
    labels
}

/// Labels of a component's pods.
#[must_use]
pub fn of_pod(cluster: &Cluster, component: &Component) -> StringMap {
    let mut labels = with(cluster, &component.pod_labels);
    labels.insert(COMPONENT.into(), component.role.name.into());
    labels.insert(APP.into(), component.name.clone());
    labels.insert(DATA.into(), claim_label(&component.claim));
    labels
}

/// Value of [`COMPONENT`] of what backs the data up: no Service selects it.
pub const BACKUP: &str = "backup";

/// Labels of a backup's CronJob, Jobs and claim.
#[must_use]
pub fn of_backup(cluster: &Cluster) -> StringMap {
    let mut labels = shared(cluster);
    labels.insert(COMPONENT.into(), BACKUP.into());
    labels
}

/// Labels of a backup's pod. With the label of the claim, so that it and the servers find each other's node.
#[must_use]
pub fn of_backup_pod(cluster: &Cluster, job: &BackupJob) -> StringMap {
    let mut labels = of_backup(cluster);
    labels.insert(DATA.into(), claim_label(&job.claim));
    labels
}

/// Value of [`COMPONENT`] of the pods that try a configuration.
pub const CONFIG_CHECK: &str = "config-check";

/// Labels of a pod that tries a configuration: what it is sent and stores goes with it, so nothing may select it as a
/// server. Not the labels that a component's pods have, nor the pair by which hand-written Services select, nor
/// what monitors select by.
#[must_use]
pub fn of_check_pod(cluster: &Cluster) -> StringMap {
    let mut labels = shared(cluster);
    labels.retain(|key, _| ![NAME, CLUSTER].contains(&key.as_str()));
    labels.insert(COMPONENT.into(), CONFIG_CHECK.into());
    labels
}

/// Value of [`COMPONENT`] of what puts a backup in the place of the data: no Service selects it.
pub const RESTORE: &str = "restore";

/// Labels of a restore's Job.
#[must_use]
pub fn of_restore(cluster: &Cluster) -> StringMap {
    let mut labels = shared(cluster);
    labels.insert(COMPONENT.into(), RESTORE.into());
    labels
}

/// Labels of a restore's pod, on the node of those that mount the claim.
#[must_use]
pub fn of_restore_pod(cluster: &Cluster, job: &BackupJob) -> StringMap {
    let mut labels = of_restore(cluster);
    labels.insert(DATA.into(), claim_label(&job.claim));
    labels
}

/// Marks what holds data, where the cluster is protected.
pub fn protect(cluster: &Cluster, labels: &mut StringMap) {
    if cluster.deletion_protection {
        labels.insert(PROTECTED.into(), "true".into());
    }
}

/// Labels that only the operator sets.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key == APP || key.starts_with("app.kubernetes.io/") || key.starts_with("logpilot.io/")
}

/// What a Deployment, a disruption budget and a topology spread select a component's pods by. Frozen.
#[must_use]
pub fn pod_selector(component: &Component) -> LabelSelector {
    selector(APP, &component.name)
}

/// The pods that mount a component's claim, whatever their component.
#[must_use]
pub fn claim_selector(component: &Component) -> LabelSelector {
    data_selector(&component.claim)
}

/// The pods that mount a claim.
#[must_use]
pub fn data_selector(claim: &str) -> LabelSelector {
    selector(DATA, &claim_label(claim))
}

/// What a Service selects by. Not `app`: a canary has another one and serves the same clients.
#[must_use]
pub fn service_selector(cluster: &Cluster, component: &Component) -> StringMap {
    StringMap::from([(INSTANCE.into(), cluster.name.clone()), (COMPONENT.into(), component.role.name.into())])
}

/// The Services that a ServiceMonitor scrapes.
#[must_use]
pub fn monitored_services(cluster: &Cluster) -> LabelSelector {
    LabelSelector {
        match_labels: Some(StringMap::from([
            (INSTANCE.into(), cluster.name.clone()),
            (SERVICE.into(), SERVICE_INTERNAL.into()),
        ])),
        ..LabelSelector::default()
    }
}

/// The pods that a PodMonitor scrapes.
#[must_use]
pub fn monitored_pods(cluster: &Cluster) -> LabelSelector {
    selector(CLUSTER, cluster.prefix.as_str())
}

fn selector(key: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(StringMap::from([(key.to_owned(), value.to_owned())])),
        ..LabelSelector::default()
    }
}
