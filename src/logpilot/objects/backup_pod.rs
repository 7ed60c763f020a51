//! The common parts of backup pods and restore pods: access to the data and to the storage of the
//! backups.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        ConfigMapVolumeSource, Container, EnvVar, EnvVarSource, KeyToPath, PodSpec, ResourceRequirements,
        SecretKeySelector, Volume, VolumeMount,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    logpilot::{
        model::{BackupJob, BackupTarget, Bucket, BucketKey, Cluster},
        objects::server::{DATA, TMP},
    },
    workload::{
        build::{
            affinity::{self, non_empty},
            container, disk, pod,
        },
        labels, metadata,
    },
};

/// The mount paths of the PVCs. The path of the database is that of the server's configuration.
pub const DATABASE: &str = "/data/logpilot.db";
const BACKUPS: &str = "backups";
const BACKUPS_PATH: &str = "/backups";
/// For a bucket: space for one copy before it is uploaded or after it was downloaded.
const SCRATCH: &str = "scratch";
const SCRATCH_PATH: &str = "/scratch";
const CA: &str = "ca";
const CA_PATH: &str = "/ca";
const CA_FILE: &str = "ca.crt";

/// The storage of the backups, as a pod accesses it.
pub struct Store {
    /// The backups are directly in it: `{at}/logpilot-….db`.
    pub at: String,
    args: Vec<String>,
    env: Vec<EnvVar>,
    volumes: Vec<Volume>,
    mounts: Vec<VolumeMount>,
}

#[must_use]
pub fn store(job: &BackupJob) -> Store {
    match &job.target {
        BackupTarget::Claim(name) => Store {
            at: BACKUPS_PATH.into(),
            args: Vec::new(),
            env: Vec::new(),
            volumes: vec![pod::claim(BACKUPS, name)],
            mounts: vec![container::mount(BACKUPS, BACKUPS_PATH, false)],
        },
        BackupTarget::Bucket(bucket) => of_bucket(bucket),
    }
}

fn of_bucket(bucket: &Bucket) -> Store {
    let mut args = vec![format!("--region={}", bucket.region), format!("--scratch={SCRATCH_PATH}")];
    args.extend(bucket.endpoint.iter().map(|endpoint| format!("--endpoint={endpoint}")));
    args.extend(bucket.path_style.then(|| "--path-style".to_owned()));
    let mut volumes = vec![pod::scratch(SCRATCH, bucket.scratch.as_ref().map(|size| size.0.as_str()))];
    let mut mounts = vec![container::mount(SCRATCH, SCRATCH_PATH, false)];
    if let Some((name, key)) = &bucket.ca {
        args.push(format!("--ca-file={CA_PATH}/{CA_FILE}"));
        volumes.push(certificates(name, key));
        mounts.push(container::mount(CA, CA_PATH, true));
    }
    Store {
        at: format!("s3://{}/{}", bucket.name, bucket.prefix),
        args,
        // Without an access key, the webhook of the platform injects the credentials.
        env: bucket.key.as_ref().map(of_key).unwrap_or_default(),
        volumes,
        mounts,
    }
}

fn of_key(key: &BucketKey) -> Vec<EnvVar> {
    vec![
        secret("AWS_ACCESS_KEY_ID", &key.secret, &key.key_id_key),
        secret("AWS_SECRET_ACCESS_KEY", &key.secret, &key.secret_key_key),
    ]
}

fn secret(variable: &str, name: &str, key: &str) -> EnvVar {
    let reference = SecretKeySelector { name: name.into(), key: key.into(), optional: None };
    EnvVar {
        name: variable.into(),
        value: None,
        value_from: Some(EnvVarSource { secret_key_ref: Some(reference), ..EnvVarSource::default() }),
    }
}

/// Optional, because the program reports a missing key better than a pod that never starts.
fn certificates(name: &str, key: &str) -> Volume {
    Volume {
        name: CA.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.into(),
            items: Some(vec![KeyToPath { key: key.into(), path: CA_FILE.into(), mode: None }]),
            optional: Some(true),
            default_mode: None,
        }),
        ..Volume::default()
    }
}

/// Returns a pod that runs this program once, while servers may use the same PVC. `args` precede
/// the arguments of the storage.
#[must_use]
pub fn spec(
    cluster: &Cluster,
    job: &BackupJob,
    image: &str,
    name: &str,
    args: impl IntoIterator<Item = String>,
    store: Store,
) -> PodSpec {
    let pod = PodSpec {
        service_account_name: Some(cluster.scope.prefix.service_account()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: pod::pull_secrets(&cluster.scope),
        // User and group of the servers: they must be able to write the files that SQLite creates
        // next to the database.
        security_context: Some(pod::security_context(&job.identity)),
        // Each attempt keeps its pod, and with it its output.
        restart_policy: Some("Never".into()),
        node_selector: metadata::non_empty(job.node_selector.clone()),
        tolerations: non_empty(job.tolerations.clone()),
        // The volume is on one node, and the WAL of SQLite needs one host. If no server runs, the
        // pod can run on any node, because it has the label that its own affinity selects.
        affinity: Some(affinity::beside(labels::data_selector(&cluster.scope, &job.claim))),
        containers: vec![Container {
            name: name.into(),
            image: Some(image.to_owned()),
            image_pull_policy: Some("IfNotPresent".into()),
            // An array without a shell: every element is an argument and nothing else.
            args: Some(args.into_iter().chain(store.args).collect()),
            env: non_empty(store.env),
            resources: Some(resources()),
            security_context: Some(container::security_context()),
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            volume_mounts: Some(
                // Writable, although a backup opens the database read-only: a reader records in the
                // `-shm` file which parts of the log it still needs. Otherwise the log could be
                // reset during the read.
                std::iter::once(container::mount(DATA, "/data", false))
                    .chain(store.mounts)
                    .chain([container::mount(TMP, "/tmp", false)])
                    .collect(),
            ),
            ..Container::default()
        }],
        volumes: Some(
            std::iter::once(pod::claim(DATA, &job.claim))
                .chain(store.volumes)
                .chain([pod::scratch(TMP, Some("64Mi"))])
                .collect(),
        ),
        ..PodSpec::default()
    };
    disk::stated(&cluster.scope.limits, pod)
}

/// SQLite copies page by page and keeps few pages in memory.
fn resources() -> ResourceRequirements {
    let list = |cpu: &str, memory: &str| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ]))
    };
    ResourceRequirements { requests: list("50m", "64Mi"), limits: list("1", "256Mi"), claims: None }
}
