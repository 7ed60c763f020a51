//! The labels that only LogPilot's objects have, beside those of [`crate::workload::labels`].

use super::model::{BackupJob, Cluster};
pub use crate::kinds::{CLUSTER_LABEL as CLUSTER, VOLUME_LABEL as DATA};
use crate::workload::{
    StringMap,
    labels::{self, APP, COMPONENT, NAME},
};

/// Name, inside the domain of our labels, of [`CLUSTER`].
pub const FAMILY: &str = "cluster";
/// On what holds data, with the value `true`: the admission policy refuses to delete it.
pub const PROTECTED: &str = "logpilot.io/deletion-protection";

/// Value of `app.kubernetes.io/name`.
pub const PRODUCT: &str = "logpilot";

/// Value of [`COMPONENT`] of what backs the data up: no Service selects it.
pub const BACKUP: &str = "backup";

/// Labels of a backup's CronJob, Jobs and claim.
#[must_use]
pub fn of_backup(cluster: &Cluster) -> StringMap {
    of_task(cluster, BACKUP)
}

/// Labels of a backup's pod. With the label of the claim, so that it and the servers find each other's node.
#[must_use]
pub fn of_backup_pod(cluster: &Cluster, job: &BackupJob) -> StringMap {
    let mut labels = of_backup(cluster);
    labels.extend([labels::data(&cluster.scope, &job.claim)]);
    labels
}

/// Value of [`COMPONENT`] of the pods that try a configuration.
pub const CONFIG_CHECK: &str = "config-check";

/// Labels of a pod that tries a configuration: what it is sent and stores goes with it, so nothing may select it as a
/// server. Not the labels that a component's pods have, nor the pair by which hand-written Services select, nor
/// what monitors select by.
#[must_use]
pub fn of_check_pod(cluster: &Cluster) -> StringMap {
    let mut labels = of_task(cluster, CONFIG_CHECK);
    labels.retain(|key, _| ![NAME, CLUSTER].contains(&key.as_str()));
    labels
}

/// Value of [`COMPONENT`] of what puts a backup in the place of the data: no Service selects it.
pub const RESTORE: &str = "restore";

/// Labels of a restore's Job.
#[must_use]
pub fn of_restore(cluster: &Cluster) -> StringMap {
    of_task(cluster, RESTORE)
}

/// Labels of a restore's pod, on the node of those that mount the claim.
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
