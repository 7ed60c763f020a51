//! The backups' CronJob. `kubectl create job --from=cronjob/…` takes one at once: everything is in its template.

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
        reasons,
    },
    workload::metadata,
};

const CONTAINER: &str = "backup";
/// Reads and writes at the speed of disks; a copy that takes longer is stuck.
const DEADLINE_SECONDS: i64 = 6 * 3600;
/// A controller that was away takes a backup that it missed, if that is not longer ago.
const START_SECONDS: i64 = 3600;
/// Of both kinds: the pods keep their logs so long.
const HISTORY: i32 = 3;
const RETRIES: i32 = 2;

/// None where backups are off, or nobody said which image the operator's own is. Held where the data is another resource's.
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

/// On the claim that was made for the resource, while no other one writes there. Elsewhere nobody knows who does: a bucket
/// may be that of another Kubernetes cluster, too.
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
