//! The Job that puts a backup in the place of the database. Made once for each request; `logpilot::restore` says when.

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
/// Reads and writes at the speed of disks; one that takes longer is stuck, and the servers wait for it.
const DEADLINE_SECONDS: i64 = 6 * 3600;
/// For a node that fails: what is wrong with a backup stays wrong.
const RETRIES: i32 = 2;

/// None unless a restore is asked for and may run; and where nobody said which image the operator's own is.
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
            // Never two at once: one that is on its way out is waited for.
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
