//! Labels that only LogPilot's objects have, in addition to those of [`crate::workload::labels`].

use super::model::{BackupJob, Cluster};
pub use crate::kinds::{CLUSTER_LABEL as CLUSTER, VOLUME_LABEL as DATA};
use crate::workload::{
    StringMap,
    labels::{self, APP, COMPONENT, NAME},
};

/// Name, inside the domain of our labels, of [`CLUSTER`].
pub const FAMILY: &str = "cluster";
/// The label of objects that hold data, with the value `true`: the admission policy rejects their
/// deletion.
pub const PROTECTED: &str = "logpilot.io/deletion-protection";

/// Value of `app.kubernetes.io/name`.
pub const PRODUCT: &str = "logpilot";

/// Value of [`COMPONENT`] for backup objects: no Service selects them.
pub const BACKUP: &str = "backup";

/// Returns the labels of a backup's CronJob, Jobs and PVC.
#[must_use]
pub fn of_backup(cluster: &Cluster) -> StringMap {
    of_task(cluster, BACKUP)
}

/// Returns the labels of a backup's pod. They include the label of the PVC, so that the pod and the
/// servers are scheduled on the same node.
#[must_use]
pub fn of_backup_pod(cluster: &Cluster, job: &BackupJob) -> StringMap {
    let mut labels = of_backup(cluster);
    labels.extend([labels::data(&cluster.scope, &job.claim)]);
    labels
}

/// Value of [`COMPONENT`] for the config-check pods.
pub const CONFIG_CHECK: &str = "config-check";

/// Labels of the config-check pod. Its data is discarded, so no Service may select it as a server. They
/// include neither the labels of a component's pods, nor the pair by which hand-written Services
/// select, nor the labels by which monitors select.
#[must_use]
pub fn of_check_pod(cluster: &Cluster) -> StringMap {
    let mut labels = of_task(cluster, CONFIG_CHECK);
    labels.retain(|key, _| ![NAME, CLUSTER].contains(&key.as_str()));
    labels
}

/// Value of [`COMPONENT`] for restore objects: no Service selects them.
pub const RESTORE: &str = "restore";

/// Returns the labels of a restore's Job.
#[must_use]
pub fn of_restore(cluster: &Cluster) -> StringMap {
    of_task(cluster, RESTORE)
}

/// Returns the labels of a restore's pod, which runs on the node of the pods that mount the PVC.
#[must_use]
pub fn of_restore_pod(cluster: &Cluster, job: &BackupJob) -> StringMap {
    let mut labels = of_restore(cluster);
    labels.extend([labels::data(&cluster.scope, &job.claim)]);
    labels
}

fn of_task(cluster: &Cluster, component: &str) -> StringMap {
    let mut labels = labels::shared(&cluster.scope);
    labels.insert(COMPONENT.into(), component.into());
    labels
}

/// Labels that only the operator sets.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    key == APP || key.starts_with("app.kubernetes.io/") || key.starts_with("logpilot.io/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logpilot::validate::validate;

    #[test]
    fn labels_are_those_that_builders_write() {
        let resource =
            serde_json::json!({ "metadata": { "name": "logs", "uid": "u" }, "spec": { "image": "i:1" } });
        let scope = validate(&serde_json::from_value(resource).expect("a resource")).expect("valid").scope;
        assert_eq!(scope.family_key(), CLUSTER);
        assert_eq!(scope.key(labels::DATA), DATA);
        assert_eq!(scope.key(labels::PROTECTED), PROTECTED);
    }
}
