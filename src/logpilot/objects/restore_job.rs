//! The Job that replaces the database with a backup. It is created once per request.
//! `logpilot::restore` decides when.

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    logpilot::{
        facts::{Facts, RestoreJob},
        labels,
        model::Cluster,
        names,
        objects::backup_pod,
    },
    workload::metadata,
};

const CONTAINER: &str = "restore";
/// A restore reads and writes at disk speed. A restore that takes longer is stuck, and the servers
/// wait for it.
const DEADLINE_SECONDS: i64 = 6 * 3600;
/// Retries for a node that fails. A fault of the backup does not change with a retry.
const RETRIES: i32 = 2;

/// Returns `None` unless a restore is requested and may run, or if the operator's own image is
/// unknown.
#[must_use]
pub fn build(cluster: &Cluster, facts: &Facts) -> Option<Job> {
    let request = match &facts.restore {
        RestoreJob::AsAsked => cluster.restore.as_ref()?,
        RestoreJob::Planned(request) => request,
        RestoreJob::None => return None,
    };
    let image = facts.operator_image.0.as_ref()?;
    let job = cluster.backup.as_ref()?.jobs.iter().find(|job| job.claim == request.claim)?;
    let store = backup_pod::store(job);
    let args = [
        "restore".into(),
        format!("--database={}", backup_pod::DATABASE),
        format!("--from={}/{}", store.at, request.from),
        format!("--request-id={}", request.request_id),
    ];
    let all = labels::of_restore(cluster);
    let name = names::restore_of(&cluster.scope.prefix, &request.request_id);
    Some(Job {
        metadata: metadata::owned(&cluster.scope, &cluster.scope.namespace, name, all),
        spec: Some(JobSpec {
            backoff_limit: Some(RETRIES),
            active_deadline_seconds: Some(DEADLINE_SECONDS),
            // Two restore pods never run at the same time: the Job waits for a terminating one.
            pod_replacement_policy: Some("Failed".into()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::of_restore_pod(cluster, job)),
                    ..ObjectMeta::default()
                }),
                spec: Some(backup_pod::spec(cluster, job, image, CONTAINER, args, store)),
            },
            ..JobSpec::default()
        }),
        ..Job::default()
    })
}
