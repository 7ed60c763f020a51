//! The backups' CronJob. `kubectl create job --from=cronjob/…` takes one at once: everything is in its template.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec},
        core::v1::{
            Container, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec,
            ResourceRequirements, Volume,
        },
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::{affinity, container, labels, meta, pod};
use crate::logpilot::{
    facts::Facts,
    model::{Backup, BackupJob, Cluster},
};

const CONTAINER: &str = "backup";
const BACKUPS: &str = "backups";
/// Where the claims are mounted. The database stands where the server's configuration puts it.
const DATABASE: &str = "/data/logpilot.db";
const TO: &str = "/backups";
/// Reads and writes at the speed of disks; a copy that takes longer is stuck.
const DEADLINE_SECONDS: i64 = 6 * 3600;
/// A controller that was away takes a backup that it missed, if that is not longer ago.
const START_SECONDS: i64 = 3600;
/// Of both kinds: the pods keep their logs so long.
const HISTORY: i32 = 3;
const RETRIES: i32 = 2;

/// None where backups are off, or nobody said which image the operator's own is.
#[must_use]
pub fn build(cluster: &Cluster, facts: &Facts) -> Vec<CronJob> {
    match (&cluster.backup, &facts.operator_image.0) {
        (Some(backup), Some(image)) => {
            backup.jobs.iter().map(|job| one(cluster, backup, job, image)).collect()
        }
        _ => Vec::new(),
    }
}

fn one(cluster: &Cluster, backup: &Backup, job: &BackupJob, image: &str) -> CronJob {
    let all = labels::of_backup(cluster);
    CronJob {
        metadata: meta::owned(cluster, &cluster.namespace.name, job.name.clone(), all.clone()),
        spec: CronJobSpec {
            schedule: backup.schedule.clone(),
            time_zone: Some(backup.time_zone.clone()),
            suspend: Some(backup.suspend),
            concurrency_policy: Some("Forbid".into()),
            starting_deadline_seconds: Some(START_SECONDS),
            successful_jobs_history_limit: Some(HISTORY),
            failed_jobs_history_limit: Some(HISTORY),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(all.clone()), ..ObjectMeta::default() }),
                spec: Some(JobSpec {
                    backoff_limit: Some(RETRIES),
                    active_deadline_seconds: Some(DEADLINE_SECONDS),
                    template: PodTemplateSpec {
                        metadata: Some(ObjectMeta {
                            labels: Some(labels::of_backup_pod(cluster, job)),
                            ..ObjectMeta::default()
                        }),
                        spec: Some(pod_spec(cluster, backup, job, image)),
                    },
                    ..JobSpec::default()
                }),
            },
        },
        ..CronJob::default()
    }
}

fn pod_spec(cluster: &Cluster, backup: &Backup, job: &BackupJob, image: &str) -> PodSpec {
    PodSpec {
        service_account_name: Some(cluster.prefix.service_account()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: pod::pull_secrets(cluster),
        // The servers' user and group: what SQLite makes beside the database must stay theirs to write.
        security_context: Some(pod::security_context()),
        // Each try keeps its pod, and with it what it said.
        restart_policy: Some("Never".into()),
        node_selector: meta::non_empty(job.node_selector.clone()),
        tolerations: affinity::tolerations_of(&job.tolerations),
        // The volume is on one node, and SQLite's log needs one host. With no server running it goes anywhere: the pod
        // carries the label that it looks for.
        affinity: Some(affinity::beside(labels::data_selector(&job.claim))),
        containers: vec![Container {
            name: CONTAINER.into(),
            image: Some(image.to_owned()),
            image_pull_policy: Some("IfNotPresent".into()),
            // An array, and no shell: nothing in it is read as anything but an argument.
            args: Some(vec![
                "backup".into(),
                format!("--database={DATABASE}"),
                format!("--to={TO}"),
                format!("--keep={}", backup.keep),
            ]),
            resources: Some(resources()),
            security_context: Some(container::security_context()),
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            volume_mounts: Some(vec![
                // Writable, though the database is opened read-only: a reader marks in the `-shm` file what it
                // still needs, or the log would be reset under it.
                container::mount(pod::DATA, "/data", false),
                container::mount(BACKUPS, TO, false),
                container::mount(pod::TMP, "/tmp", false),
            ]),
            ..Container::default()
        }],
        volumes: Some(vec![
            claim(pod::DATA, &job.claim),
            claim(BACKUPS, &job.target),
            Volume {
                name: pod::TMP.into(),
                empty_dir: Some(EmptyDirVolumeSource {
                    size_limit: Some(Quantity("64Mi".into())),
                    medium: None,
                }),
                ..Volume::default()
            },
        ]),
        ..PodSpec::default()
    }
}

fn claim(name: &str, claim: &str) -> Volume {
    Volume {
        name: name.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.into(),
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// SQLite copies page by page and holds few of them.
fn resources() -> ResourceRequirements {
    let list = |cpu: &str, memory: &str| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ]))
    };
    ResourceRequirements { requests: list("50m", "64Mi"), limits: list("1", "256Mi"), claims: None }
}
