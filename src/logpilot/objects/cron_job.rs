//! The CronJob of the backups. `kubectl create job --from=cronjob/…` takes a backup immediately,
//! because the template contains everything.

use k8s_openapi::{
    api::{
        batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec},
        core::v1::{PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    logpilot::{
        facts::Facts,
        labels,
        model::{Backup, BackupJob, BackupTarget, Cluster},
        objects::backup_pod,
    },
    reasons,
    workload::metadata,
};

const CONTAINER: &str = "backup";
/// A backup reads and writes at disk speed. A copy that takes longer is stuck.
const DEADLINE_SECONDS: i64 = 6 * 3600;
/// A CronJob controller that was down takes a missed backup if its time is not longer ago than
/// this.
const START_SECONDS: i64 = 3600;
/// Number of finished Jobs to keep, of the successful and of the failed ones each. Their pods keep
/// the logs.
const HISTORY: i32 = 3;
const RETRIES: i32 = 2;

/// Returns `None` if backups are disabled, or if the operator's own image is unknown. Blocked if
/// the data belongs to another resource.
#[must_use]
pub fn build(cluster: &Cluster, facts: &Facts) -> Vec<(CronJob, Option<&'static str>)> {
    match (&cluster.backup, &facts.operator_image.0) {
        (Some(backup), Some(image)) => {
            let held =
                |job: &BackupJob| facts.is_data_of_older(&job.claim).then_some(reasons::DATA_VOLUME_SHARED);
            backup.jobs.iter().map(|job| (one(cluster, backup, job, (facts, image)), held(job))).collect()
        }
        _ => Vec::new(),
    }
}

fn one(cluster: &Cluster, backup: &Backup, job: &BackupJob, of: (&Facts, &str)) -> CronJob {
    let all = labels::of_backup(cluster);
    CronJob {
        metadata: metadata::owned(&cluster.scope, &cluster.scope.namespace, job.name.clone(), all.clone()),
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
                        spec: Some(pod_spec(cluster, backup, job, of)),
                    },
                    ..JobSpec::default()
                }),
            },
        },
        ..CronJob::default()
    }
}

/// Returns `true` if the PVC was created for the resource and no other resource writes to it. For
/// other storage the operator cannot know which clients write: a bucket may also be used by another
/// Kubernetes cluster.
fn is_exclusive(job: &BackupJob, facts: &Facts) -> bool {
    job.volume.is_some()
        && matches!(&job.target, BackupTarget::Claim(claim) if facts.other_user(claim).is_none())
}

fn pod_spec(cluster: &Cluster, backup: &Backup, job: &BackupJob, (facts, image): (&Facts, &str)) -> PodSpec {
    let store = backup_pod::store(job);
    let mut args = vec![
        "backup".into(),
        format!("--database={}", backup_pod::DATABASE),
        format!("--to={}", store.at),
        format!("--keep={}", backup.keep),
        format!("--resource={}", cluster.name()),
        format!("--resource-uid={}", cluster.uid()),
    ];
    args.extend(is_exclusive(job, facts).then(|| "--exclusive".to_owned()));
    backup_pod::spec(cluster, job, image, CONTAINER, args, store)
}
