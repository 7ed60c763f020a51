//! What the pods of backups and of restores share: the data on one side, what holds the backups on the other.

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

/// Where the claims are mounted. The database stands where the server's configuration puts it.
pub const DATABASE: &str = "/data/logpilot.db";
const BACKUPS: &str = "backups";
const BACKUPS_PATH: &str = "/backups";
/// Of a bucket: room for one copy before it is sent, or after it came.
const SCRATCH: &str = "scratch";
const SCRATCH_PATH: &str = "/scratch";
const CA: &str = "ca";
const CA_PATH: &str = "/ca";
const CA_FILE: &str = "ca.crt";

/// What holds the backups, as a pod reaches it.
pub struct Store {
    /// The backups are right under it: `{at}/logpilot-….db`.
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
        // Without a key the platform's webhook adds what leads to one.
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

/// Optional: the program says better what is missing than a pod that never starts.
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

/// A pod that runs this program once, beside the servers of the same claim. `args` come before the store's own.
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
        // The servers' user and group: what SQLite makes beside the database must stay theirs to write.
        security_context: Some(pod::security_context(&job.identity)),
        // Each try keeps its pod, and with it what it said.
        restart_policy: Some("Never".into()),
        node_selector: metadata::non_empty(job.node_selector.clone()),
        tolerations: non_empty(job.tolerations.clone()),
        // The volume is on one node, and SQLite's log needs one host. With no server running it goes anywhere: the pod
        // carries the label that it looks for.
        affinity: Some(affinity::beside(labels::data_selector(&cluster.scope, &job.claim))),
        containers: vec![Container {
            name: name.into(),
            image: Some(image.to_owned()),
            image_pull_policy: Some("IfNotPresent".into()),
            // An array, and no shell: nothing in it is read as anything but an argument.
            args: Some(args.into_iter().chain(store.args).collect()),
            env: non_empty(store.env),
            resources: Some(resources()),
            security_context: Some(container::security_context()),
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            volume_mounts: Some(
                // Writable, though a backup opens the database read-only: a reader marks in the `-shm` file what it
                // still needs, or the log would be reset under it.
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
