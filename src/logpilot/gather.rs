//! Gathers the facts that planning needs: from the object cache, and one read of the API key's Secret.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, Pod, Service},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt;

use super::{
    ACCEPT_DATA_LOSS,
    api_key::SecretQuery,
    env_references,
    facts::{
        ApiKeyFact, Facts, HeldWhy, IsLiving, NamespaceFact, OperatorImage, PendingResize, RestoreJob,
        SharedPlace,
    },
    model::Cluster,
    remembered::Remembered,
    replicas, restart, restore, scalers,
};
use crate::{
    api::{LogPilotCluster, LogPilotClusterStatus},
    engine::{
        api_client::ApiClient,
        cache::{ObjectCache, Snapshot},
        error::Error,
    },
    kinds::{LOGPILOT_CLUSTER, Managed},
    logpilot::objects::namespace,
    reasons,
    workload::{
        contention::RouteConflict,
        foreign_autoscalers, health,
        model::NamespaceLimits,
        names::short_hash,
        quantity,
        references::{Objects, read_cache::Moment},
    },
};

/// Annotation on the resource: each new value makes the operator read the referenced objects immediately.
pub const REFRESH: &str = "logpilot.io/refresh";

/// The sources of facts.
pub struct Sources<'a> {
    pub cache: &'a ObjectCache,
    pub writer: &'a ApiClient,
    pub remembered: &'a mut Remembered,
    pub operator_image: Option<&'a str>,
    /// Whether another resource names the same namespace.
    pub namespace_shared: bool,
    pub restore: &'a restore::State,
    pub taken: Vec<RouteConflict>,
    pub shared: Vec<SharedPlace>,
    pub is_living: IsLiving<'a>,
}

/// Returns the owner of a namespace, from the point of view of this resource.
#[must_use]
pub fn namespace(cache: &ObjectCache, cluster: &Cluster, name: &str) -> NamespaceFact {
    match cache.namespace(name) {
        None => NamespaceFact::Absent,
        Some(child)
            if child.deleting
                || child.observed::<health::Namespace>().is_some_and(|namespace| namespace.terminating) =>
        {
            NamespaceFact::Terminating
        }
        Some(child) if child.labelled == Some(cluster.resource()) => NamespaceFact::Ours,
        Some(_) => NamespaceFact::Foreign,
    }
}

/// Returns the namespaces that the operator created for another resource that no longer exists, with
/// its name.
fn kept_namespaces(sources: &Sources<'_>, cluster: &Cluster) -> BTreeMap<String, String> {
    let named = [Some(&cluster.namespace.name), cluster.system_namespace.as_ref()];
    let kept = named.into_iter().flatten().filter_map(|name| {
        let kept = sources.cache.namespace(name)?.labelled.clone()?;
        let of = Some(kept.name().to_owned()).filter(|_| *kept.kind() == LOGPILOT_CLUSTER)?;
        (of != cluster.name() && !(sources.is_living)(&of)).then(|| (name.clone(), of))
    });
    kept.collect()
}

fn namespace_ignored(cache: &ObjectCache, cluster: &Cluster, fact: NamespaceFact) -> Vec<String> {
    let live = cache.namespace(&cluster.namespace.name).filter(|_| fact == NamespaceFact::Foreign);
    match live.as_ref().and_then(|child| child.observed::<health::Namespace>()) {
        Some(live) => namespace::ignored(cluster, &live.labels),
        None => Vec::new(),
    }
}

/// Returns whether a LimitRange or a ResourceQuota of the plan affects a namespace that others may use.
fn limits_shared(cluster: &Cluster, fact: NamespaceFact) -> bool {
    fact == NamespaceFact::Foreign && (cluster.scope.limits != NamespaceLimits::default())
}

/// Returns the PVCs that held data when they were last seen and no longer exist, with their former UID.
fn lost_claims(
    cr: &LogPilotCluster,
    cluster: &Cluster,
    before: &LogPilotClusterStatus,
    snapshot: &Snapshot,
) -> BTreeMap<String, String> {
    let accepted = cr.annotations().get(ACCEPT_DATA_LOSS);
    let claims = cluster.storage.claims.iter().filter_map(|claim| {
        let key = cluster.key(&claim.name);
        let reported =
            before.volumes.iter().find(|volume| volume.name == claim.name).map(|volume| &volume.uid);
        // A PVC that was deleted before its UID could be reported was observed nevertheless.
        let seen = snapshot.gone.get(&(PersistentVolumeClaim::KIND, key.clone())).map(|gone| &gone.uid);
        let uid = seen.or(reported)?.clone();
        // A PVC of that name with the operator's labels is the restored data: its UID is adopted.
        let lost = accepted != Some(&uid) && snapshot.get(PersistentVolumeClaim::KIND, &key).is_none();
        lost.then(|| (claim.name.clone(), uid))
    });
    claims.collect()
}

/// Returns the PVCs that cannot have their declared size: those without a volume, and those whose
/// volume is larger.
#[must_use]
pub fn held_sizes(cluster: &Cluster, snapshot: &Snapshot) -> BTreeMap<String, PendingResize> {
    let held = cluster.storage.claims.iter().chain(cluster.backup_volumes()).filter_map(|declared| {
        let claim = cluster.key(&declared.name);
        let live = snapshot.get(PersistentVolumeClaim::KIND, &claim)?.observed()?;
        let (now, why) = held_size(live, &declared.size)?;
        let declared = declared.size.clone();
        Some((claim.name.clone(), PendingResize { claim, now, declared, why }))
    });
    held.collect()
}

/// Returns the last request of the user to read the referenced objects.
#[must_use]
pub fn moment(cr: &impl ResourceExt) -> Moment {
    let asks = |key: &str| key == REFRESH || restart::asks(key);
    let asked = cr.annotations().iter().filter(|(key, _)| asks(key));
    Moment {
        generation: cr.meta().generation,
        asked: asked.map(|(key, value)| (key.clone(), short_hash(value.as_bytes()))).collect(),
    }
}

/// Returns the size that a PVC requests instead of the declared one, and why; `None` if it can request
/// the declared size.
///
/// Kubernetes accepts a smaller request than the last one while that is not carried out, if it is
/// larger than the capacity in the PVC's status (`RecoverVolumeExpansionFailure`, on by default since
/// 1.32).
fn held_size(live: &health::Claim, declared: &Quantity) -> Option<(Quantity, HeldWhy)> {
    let requested = Quantity(live.requested.clone()?);
    let [asked, wish] = [&requested, declared].map(quantity::parse);
    if live.phase == "Pending" {
        return (asked != wish).then_some((requested, HeldWhy::NoVolume));
    }
    if wish >= asked {
        return None;
    }
    // Without a capacity nothing is known of the volume; its size is then assumed to be the requested
    // one.
    let capacity = live.capacity.clone().map_or_else(|| requested.clone(), Quantity);
    let has = quantity::parse(&capacity);
    if wish > has {
        return None;
    }
    let least = quantity::above(&capacity).filter(|least| has < asked && quantity::parse(least) < asked);
    Some((least.unwrap_or(requested), HeldWhy::Capacity(capacity)))
}

/// Returns which Secret contains the API key.
#[must_use]
pub fn api_key(cluster: &Cluster) -> SecretQuery {
    SecretQuery {
        secret: cluster.key(&cluster.api_key.secret),
        key: cluster.api_key.key.clone(),
        generated: cluster.api_key.generated,
        salt: cluster.uid().to_owned(),
        owner: cluster.resource(),
    }
}

/// Returns whether a container of a pod waits for one of these reasons.
#[must_use]
pub fn waits(snapshot: &Snapshot, reasons: &[&str]) -> bool {
    let waiting = |pod: &health::Pod| {
        pod.waiting.as_ref().is_some_and(|cause| reasons.contains(&cause.reason.as_str()))
    };
    snapshot.of_kind(Pod::KIND).any(|child| child.observed().is_some_and(waiting))
}

fn node_ports(snapshot: &Snapshot) -> BTreeMap<String, BTreeMap<i64, i64>> {
    let services = snapshot.of_kind(Service::KIND).filter_map(|child| {
        let live = child.observed::<health::Service>()?;
        Some((child.key.name.clone(), live.node_ports.clone()))
    });
    services.collect()
}

/// Collects all inputs to `plan`.
///
/// # Errors
/// The Secret could not be read: without it the workloads cannot be planned.
pub async fn facts(
    sources: Sources<'_>,
    cr: &LogPilotCluster,
    cluster: &Cluster,
    before: &LogPilotClusterStatus,
    snapshot: &Snapshot,
) -> Result<Facts, Error> {
    let servers = namespace(sources.cache, cluster, &cluster.namespace.name);
    let suspect = waits(snapshot, &[reasons::CONTAINER_CONFIG]);
    // A kubelet does not report that it pulled without the intended login.
    let unpulled =
        !cluster.scope.pull_secrets.is_empty() && waits(snapshot, &[reasons::IMAGE_PULL, "ErrImagePull"]);
    let missed = suspect || unpulled;
    let moment = &moment(cr);
    let references = if servers == NamespaceFact::Terminating {
        BTreeMap::new()
    } else {
        let nothing_there = servers == NamespaceFact::Absent;
        let asked = env_references::request(cluster, moment, missed, nothing_there);
        let refused = |name: &str, objects: &Objects| env_references::refused(cluster, name, objects);
        sources.remembered.references.fetch(sources.writer, asked, refused).await?
    };
    let wanted = api_key(cluster);
    let api_key = match servers {
        // A namespace that does not exist contains nothing, so no read is needed.
        NamespaceFact::Absent if wanted.generated => {
            sources.remembered.api_key.forget();
            super::api_key::generate_new(&wanted)
        }
        NamespaceFact::Terminating => ApiKeyFact::Unknown,
        _ => sources.remembered.api_key.fetch(sources.writer, &wanted, moment, suspect).await?,
    };
    let scalers = match servers {
        NamespaceFact::Absent | NamespaceFact::Terminating => foreign_autoscalers::Found::new(),
        _ => {
            let query = scalers::query(cluster, snapshot);
            sources.remembered.scalers.fetch(sources.writer, query, moment).await?
        }
    };
    let scaled = scalers::judge(cluster, snapshot, &scalers);
    let last = replicas::remembered(cluster, before, snapshot);
    Ok(Facts {
        suspect: missed,
        namespace: servers,
        kept_namespaces: kept_namespaces(&sources, cluster),
        system_namespace: cluster
            .system_namespace
            .as_ref()
            .map_or(NamespaceFact::Absent, |name| namespace(sources.cache, cluster, name)),
        namespace_ignored: namespace_ignored(sources.cache, cluster, servers),
        limits_shared: limits_shared(cluster, servers),
        namespace_shared: sources.namespace_shared,
        taken: sources.taken,
        shared: sources.shared,
        api_key,
        lost_claims: lost_claims(cr, cluster, before, snapshot),
        held_sizes: held_sizes(cluster, snapshot),
        references,
        operator_image: OperatorImage(sources.operator_image.map(str::to_owned)),
        restore: sources.restore.job.clone().map_or(RestoreJob::None, RestoreJob::Planned),
        restores: sources.restore.records.clone(),
        before_stop: last.before_stop,
        last_replicas: last.last_replicas,
        restarts: before
            .components
            .iter()
            .filter(|component| !component.restart.is_empty())
            .map(|component| (component.name.clone(), component.restart.clone()))
            .collect(),
        config_checks: BTreeMap::new(),
        autoscaled_by_others: scaled.left,
        beyond_storage: scaled.beyond,
        node_ports: node_ports(snapshot),
    })
}
