//! Dynamic storage provisioning: nothing else here creates volumes, and a pod waits for its PVC.
//!
//! A binder creates a PersistentVolume for each pending PVC, resizes it if its class permits that,
//! and deletes it after its PVC is deleted. The volumes are names without data, or directories if
//! the nodes are real. The binder is a separate user, on a separate thread: it outlives the async
//! runtime of the test that started the control plane.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use k8s_openapi::{
    api::{
        core::v1::{
            HostPathVolumeSource, LocalVolumeSource, ObjectReference, PersistentVolume,
            PersistentVolumeClaim, PersistentVolumeSpec,
        },
        storage::v1::StorageClass,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::Kubeconfig,
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{Error, Result, access::client_from, error::Context};

/// The default class; its volumes can be expanded.
pub const STANDARD: &str = "standard";
/// Its volumes cannot be expanded.
pub const NO_EXPANSION: &str = "no-expansion";
/// Its volumes may be expanded but nothing expands them, as when the resizer does not run.
pub const NEVER_GROWS: &str = "never-grows";
/// Nothing provisions volumes for it: its PVCs stay Pending.
pub const NEVER: &str = "never";

/// The provisioner that the binder implements. A test may create further classes with it.
pub const PROVISIONER: &str = "local-cluster.test/binder";
const NOBODY: &str = "local-cluster.test/nobody";
/// Set by the volume controller on a PVC whose class has an external provisioner.
const CLAIM_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// The binder's user.
pub(crate) const USER: &str = "local-cluster:binder";

/// A failed write is retried after this pause, this many times; after that, the next event of the
/// object retries it.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const RETRIES: usize = 10;

/// The classes that every local control plane has.
pub(crate) async fn create_classes(client: &Client) -> Result<()> {
    let classes: Api<StorageClass> = Api::all(client.clone());
    for (name, provisioner, expansion) in [
        (STANDARD, PROVISIONER, true),
        (NO_EXPANSION, PROVISIONER, false),
        (NEVER_GROWS, PROVISIONER, true),
        (NEVER, NOBODY, true),
    ] {
        let class = class(name, provisioner, expansion);
        classes.create(&PostParams::default(), &class).await.during(format!("create StorageClass {name}"))?;
    }
    Ok(())
}

fn class(name: &str, provisioner: &str, expansion: bool) -> StorageClass {
    let default = [("storageclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned())];
    StorageClass {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            annotations: (name == STANDARD).then(|| default.into()),
            ..ObjectMeta::default()
        },
        provisioner: provisioner.to_owned(),
        allow_volume_expansion: Some(expansion),
        volume_binding_mode: Some("Immediate".to_owned()),
        reclaim_policy: Some("Delete".to_owned()),
        ..StorageClass::default()
    }
}

/// The running binder; dropping it ends it.
pub(crate) struct Binder {
    _stop: oneshot::Sender<()>,
}

impl Binder {
    /// `root` is the parent directory of the volumes; see [`crate::Options::volumes`].
    pub fn start(kubeconfig: Kubeconfig, root: Option<PathBuf>) -> Result<Self> {
        let failed = |source| Error::Io { step: "start the thread of", path: "volume binder".into(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let run = async move {
            tokio::select! {
                _ = stopped => {}
                result = bind(kubeconfig, root.as_deref()) => tracing::error!(?result, "the volume binder ended"),
            }
        };
        thread::Builder::new()
            .name("volume-binder".to_owned())
            .spawn(move || runtime.block_on(run))
            .map_err(failed)?;
        Ok(Self { _stop: stop })
    }
}

enum Change {
    Claim(Box<PersistentVolumeClaim>),
    Volume(Box<PersistentVolume>),
}

async fn bind(kubeconfig: Kubeconfig, root: Option<&Path>) -> Result<()> {
    let client = client_from(kubeconfig).await?;
    let claims = watcher(Api::<PersistentVolumeClaim>::all(client.clone()), watcher::Config::default());
    let volumes = watcher(Api::<PersistentVolume>::all(client.clone()), watcher::Config::default());
    let claims = claims.default_backoff().applied_objects().map_ok(|claim| Change::Claim(Box::new(claim)));
    let volumes =
        volumes.default_backoff().applied_objects().map_ok(|volume| Change::Volume(Box::new(volume)));
    let changes: [BoxStream<'_, _>; 2] = [claims.boxed(), volumes.boxed()];
    futures::stream::select_all(changes)
        .for_each_concurrent(None, |change| async {
            match change {
                Ok(change) => settle(&client, root, &change).await,
                Err(error) => tracing::debug!(%error, "volume binder: a watch is interrupted"),
            }
        })
        .await;
    Ok(())
}

async fn settle(client: &Client, root: Option<&Path>, change: &Change) {
    for _ in 0..RETRIES {
        let result = match change {
            Change::Claim(claim) => settle_claim(client, root, claim).await,
            Change::Volume(volume) => settle_volume(client, volume).await,
        };
        match result {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "volume binder: will try again"),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn settle_claim(
    client: &Client,
    root: Option<&Path>,
    claim: &PersistentVolumeClaim,
) -> std::result::Result<(), kube::Error> {
    let ours = claim.annotations().get(CLAIM_PROVISIONER).is_some_and(|name| name == PROVISIONER);
    if !ours || claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let bound_to = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
    match (bound_to, volume_for(claim, root)) {
        (None, Some(volume)) => {
            if let Some(path) = directory(&volume) {
                fs::create_dir_all(path).map_err(|error| kube::Error::Service(error.into()))?;
            }
            let volumes: Api<PersistentVolume> = Api::all(client.clone());
            match volumes.create(&PostParams::default(), &volume).await {
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                created => created.map(drop),
            }
        }
        (Some(_), _) if is_stuck(claim) => Ok(()),
        (Some(volume), _) => grow(client, claim, volume).await,
        (None, None) => Ok(()),
    }
}

/// Returns whether the PVC has a volume with a size that nothing will change.
fn is_stuck(claim: &PersistentVolumeClaim) -> bool {
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    let capacity = claim.status.as_ref().and_then(|status| status.capacity.as_ref());
    class == Some(NEVER_GROWS) && capacity.is_some()
}

/// The API server rejects a larger request if the class forbids it, so a different request may be
/// granted.
async fn grow(
    client: &Client,
    claim: &PersistentVolumeClaim,
    volume: &str,
) -> std::result::Result<(), kube::Error> {
    let status = claim.status.as_ref();
    let bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound");
    let capacity =
        status.and_then(|status| status.capacity.as_ref()).and_then(|capacity| capacity.get("storage"));
    let Some(size) = requested(claim).filter(|&size| bound && Some(size) != capacity) else { return Ok(()) };

    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let larger = json!({ "spec": { "capacity": { "storage": size } } });
    volumes.patch(volume, &PatchParams::default(), &Patch::Merge(larger)).await?;
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(client.clone(), &claim.namespace().unwrap_or_default());
    let larger = json!({ "status": { "capacity": { "storage": size } } });
    claims.patch_status(&claim.name_any(), &PatchParams::default(), &Patch::Merge(larger)).await?;
    Ok(())
}

async fn settle_volume(client: &Client, volume: &PersistentVolume) -> std::result::Result<(), kube::Error> {
    let ours = volume.annotations().get(PROVISIONED_BY).is_some_and(|name| name == PROVISIONER);
    let phase = volume.status.as_ref().and_then(|status| status.phase.as_deref());
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    if !ours
        || phase != Some("Released")
        || policy != Some("Delete")
        || volume.metadata.deletion_timestamp.is_some()
    {
        return Ok(());
    }
    if let Some(path) = directory(volume).filter(|path| path.exists()) {
        fs::remove_dir_all(path).map_err(|error| kube::Error::Service(error.into()))?;
    }
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    match volumes.delete(&volume.name_any(), &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => deleted.map(drop),
    }
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
}

/// Returns the data directory of a volume, if it has one.
fn directory(volume: &PersistentVolume) -> Option<&Path> {
    Some(Path::new(&volume.spec.as_ref()?.local.as_ref()?.path))
}

/// A volume that only this PVC can bind. It is named after the PVC's uid, so a second attempt finds
/// the first.
fn volume_for(claim: &PersistentVolumeClaim, root: Option<&Path>) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let name = format!("pvc-{}", claim.uid()?);
    let path = root.map(|root| root.join(spec.storage_class_name.as_deref().unwrap_or_default()).join(&name));
    // A kubelet gives a local volume to the pod's group, but not a host path. Every node has it:
    // the class simulates a disk that can be attached to any node.
    let any_node = json!({ "required": { "nodeSelectorTerms": [
        { "matchExpressions": [{ "key": "kubernetes.io/hostname", "operator": "Exists" }] },
    ]}});
    let annotations: BTreeMap<_, _> = [(PROVISIONED_BY.to_owned(), PROVISIONER.to_owned())].into();
    Some(PersistentVolume {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes.clone(),
            capacity: Some([("storage".to_owned(), requested(claim)?.clone())].into()),
            claim_ref: Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("PersistentVolumeClaim".to_owned()),
                namespace: claim.namespace(),
                name: Some(claim.name_any()),
                uid: claim.uid(),
                ..ObjectReference::default()
            }),
            host_path: path
                .is_none()
                .then(|| HostPathVolumeSource { path: format!("/nowhere/{name}"), type_: None }),
            node_affinity: path.is_some().then(|| serde_json::from_value(any_node).ok()).flatten(),
            local: path.map(|path| LocalVolumeSource { path: path.display().to_string(), fs_type: None }),
            persistent_volume_reclaim_policy: Some("Delete".to_owned()),
            storage_class_name: spec.storage_class_name.clone(),
            volume_mode: spec.volume_mode.clone(),
            ..PersistentVolumeSpec::default()
        }),
        status: None,
    })
}
