//! The parts of a live object that the status needs: a few integers and the cause of a failure.

use std::collections::{BTreeMap, BTreeSet};

use engine::{child::Child, fingerprint, kind::Domain, observed::Observe};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

mod last_words;
mod pod;
mod probe_kill;
mod route;

pub use last_words::{AFTERWARDS, LastWords};
pub use pod::{Creating, Pod, Stage, Terminated};
pub use probe_kill::{Probe, ProbeKill};
pub use route::{Gateway, Route};

/// Annotation of a PVC, set by the volume controller.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// Ready addresses of one slice, and the Service it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub service: String,
    pub ready: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// First address of a load balancer, where one was assigned.
    pub address: Option<String>,
    /// The node port of each port.
    pub node_ports: BTreeMap<i64, i64>,
}

/// Conditions that are not as they should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autoscaler {
    pub unable: Option<Cause>,
    pub inactive: Option<Cause>,
    pub memory_bound: Option<MemoryBound>,
}

/// An autoscaler that memory keeps at its maximum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryBound {
    /// The maximum.
    pub pods: i64,
    /// When it last scaled, in seconds since the epoch.
    pub since: i64,
}

/// When it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CronJob {
    pub made: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// How it ended, where it did.
    pub end: Option<JobEnd>,
    /// The client that suspended it, if known, and the time in seconds since the epoch.
    pub suspended: Option<(String, i64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    pub terminating: bool,
    pub stuck: Option<String>,
    /// The labels of an existing namespace, for comparison with the desired ones.
    pub labels: BTreeMap<String, String>,
    /// Text of the annotation [`Domain::grant_annotation`].
    pub granted: Option<String>,
    /// Text of the annotation [`Domain::hosts_annotation`].
    pub hosts: Option<String>,
}

/// A reason and its message, as Kubernetes reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
}

/// A StatefulSet, with the counts of a Deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatefulSet(pub Deployment);

/// Returns the counts of a workload, whatever its kind.
#[must_use]
pub fn counts(child: &Child) -> Option<&Deployment> {
    child.observed::<Deployment>().or_else(|| Some(&child.observed::<StatefulSet>()?.0))
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployment {
    /// Text of the annotation [`Domain::template_annotation`].
    pub template: Option<String>,
    /// ConfigMaps that the newest pods mount.
    pub config_maps: BTreeSet<String>,
    /// True if the controller has observed the newest template.
    pub observed: bool,
    pub desired: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub total: i64,
    pub unavailable: i64,
    /// `ReplicaFailure`: pods cannot be created (quota, admission).
    pub failure: Option<Cause>,
    /// `Progressing=False`: the deadline expired.
    pub stuck: Option<Cause>,
    /// Set if the rollout is paused: the manager that paused it, if known.
    pub paused: Option<String>,
}

impl Deployment {
    /// Returns whether there are exactly as many pods as requested, all of the newest template and
    /// available.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.observed
            && self.updated >= self.desired
            && self.available >= self.desired
            && self.total <= self.desired
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaSet {
    /// ConfigMaps that the pods mount or read.
    pub config_maps: BTreeSet<String>,
    /// Revision of the Deployment's template. A higher number is newer.
    pub revision: i64,
    pub deployment: Option<String>,
    pub replicas: i64,
    pub failure: Option<Cause>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnd {
    pub succeeded: bool,
    pub at: Timestamp,
    pub cause: Cause,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    pub phase: String,
    /// In seconds since the epoch.
    pub created: i64,
    /// The requested size.
    pub requested: Option<String>,
    pub capacity: Option<String>,
    pub class: Option<String>,
    /// The provisioner that has to create the volume. It is known once the StorageClass exists and the
    /// binding is not delayed.
    pub provisioner: Option<String>,
    /// Value of the annotation [`Domain::restores_annotation`].
    pub restores: Option<String>,
    /// When the requested size was last written, in seconds since the epoch; 0 if unknown.
    pub asked: i64,
    /// Progress of a resize in Kubernetes: `Resizing`, `FileSystemResizePending`, an error, or the
    /// state of the allocated size.
    pub resizing: Option<Cause>,
}

macro_rules! observe {
    ($($type:ident: $live:pat, $domain:pat => $read:expr;)*) => {
        $(impl Observe for $type {
            fn read($live: &Value, $domain: &Domain) -> Self {
                $read
            }
        })*
    };
}

observe! {
    Deployment: live, domain => deployment(live, domain);
    StatefulSet: live, domain => Self(stateful_set(live, domain));
    ReplicaSet: live, _ => replica_set(live);
    Claim: live, domain => claim(live, domain);
    Slice: live, _ => slice(live);
    Service: live, _ => Self { address: address(live), node_ports: node_ports(live) };
    Autoscaler: live, _ => Self {
        unable: condition(live, "AbleToScale", "False"),
        inactive: condition(live, "ScalingActive", "False"),
        memory_bound: memory_bound(live),
    };
    CronJob: live, _ => Self { made: timestamp(live, "/metadata/creationTimestamp") };
    Job: live, _ => Self { end: job_end(live), suspended: suspended(live) };
    Namespace: live, domain => Self {
        terminating: string(live, "/status/phase") == "Terminating"
            || live.pointer("/metadata/deletionTimestamp").is_some(),
        stuck: condition(live, "NamespaceContentRemaining", "True")
            .or_else(|| condition(live, "NamespaceFinalizersRemaining", "True"))
            .map(|cause| cause.message),
        labels: labels(live),
        granted: annotation(live, domain.grant_annotation),
        hosts: annotation(live, domain.hosts_annotation),
    };
}

fn integer(live: &Value, pointer: &str) -> i64 {
    live.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn string(live: &Value, pointer: &str) -> String {
    live.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn condition(live: &Value, type_: &str, status: &str) -> Option<Cause> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| string(condition, "/type") == type_ && string(condition, "/status") == status)?;
    Some(Cause { reason: string(found, "/reason"), message: string(found, "/message") })
}

/// Reads the status of a StatefulSet in the form of a Deployment's. Until no pod of an older revision is
/// left, one pod less counts as updated.
fn stateful_set(live: &Value, domain: &Domain) -> Deployment {
    let rolled = string(live, "/status/currentRevision") == string(live, "/status/updateRevision");
    let base = deployment(live, domain);
    let updated = if rolled { base.total } else { base.updated.min((base.total - 1).max(0)) };
    Deployment { updated, ..base }
}

fn deployment(live: &Value, domain: &Domain) -> Deployment {
    Deployment {
        template: live
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(domain.template_annotation))
            .and_then(Value::as_str)
            .map(str::to_owned),
        config_maps: config_maps(live, "/spec/template/spec/volumes"),
        observed: integer(live, "/status/observedGeneration") >= integer(live, "/metadata/generation"),
        desired: integer(live, "/spec/replicas"),
        updated: integer(live, "/status/updatedReplicas"),
        ready: integer(live, "/status/readyReplicas"),
        available: integer(live, "/status/availableReplicas"),
        total: integer(live, "/status/replicas"),
        unavailable: integer(live, "/status/unavailableReplicas"),
        failure: condition(live, "ReplicaFailure", "True"),
        stuck: condition(live, "Progressing", "False"),
        paused: live.pointer("/spec/paused").and_then(Value::as_bool).filter(|paused| *paused).map(|_| {
            let mut owners = fingerprint::field_owners(live, "/f:spec/f:paused");
            owners.next().map(|owner| owner.manager.to_owned()).unwrap_or_default()
        }),
    }
}

fn labels(live: &Value) -> BTreeMap<String, String> {
    let labels = live.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Returns the ConfigMaps that a pod, or the pods of a workload, mount.
fn config_maps(live: &Value, volumes: &str) -> BTreeSet<String> {
    let volumes = live.pointer(volumes).and_then(Value::as_array);
    let names = volumes.into_iter().flatten().map(|volume| string(volume, "/configMap/name"));
    names.filter(|name| !name.is_empty()).collect()
}

fn replica_set(live: &Value) -> ReplicaSet {
    ReplicaSet {
        config_maps: config_maps(live, "/spec/template/spec/volumes"),
        revision: string(live, "/metadata/annotations/deployment.kubernetes.io~1revision")
            .parse()
            .unwrap_or(0),
        deployment: live
            .pointer("/metadata/ownerReferences/0/name")
            .and_then(Value::as_str)
            .map(str::to_owned),
        replicas: integer(live, "/spec/replicas"),
        failure: condition(live, "ReplicaFailure", "True"),
    }
}

/// Reads the end of a Job from its conditions: a failed Job has no completion time.
fn job_end(live: &Value) -> Option<JobEnd> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let end = conditions.iter().find(|condition| {
        matches!(string(condition, "/type").as_str(), "Complete" | "Failed")
            && string(condition, "/status") == "True"
    })?;
    Some(JobEnd {
        succeeded: string(end, "/type") == "Complete",
        at: timestamp(live, "/status/completionTime").or_else(|| timestamp(end, "/lastTransitionTime"))?,
        cause: Cause { reason: string(end, "/reason"), message: string(end, "/message") },
    })
}

/// A suspended Job runs nothing until a user or a controller resumes it.
fn suspended(live: &Value) -> Option<(String, i64)> {
    live.pointer("/spec/suspend").and_then(Value::as_bool).filter(|suspend| *suspend)?;
    let mut owners = fingerprint::field_owners(live, "/f:spec/f:suspend");
    let manager = owners.next().map(|owner| owner.manager.to_owned()).unwrap_or_default();
    let made = timestamp(live, "/metadata/creationTimestamp").map_or(0, Timestamp::as_second);
    Some((manager, pod::since(live, "Suspended", "True").max(made)))
}

/// A number that the spec fixes is no maximum. A controller leaves the number of pods as it is while the
/// usage is within a tenth of the target.
fn memory_bound(live: &Value) -> Option<MemoryBound> {
    let pods = integer(live, "/spec/maxReplicas");
    let least = live.pointer("/spec/minReplicas").and_then(Value::as_i64).unwrap_or(1);
    if pods <= least || integer(live, "/status/currentReplicas") < pods {
        return None;
    }
    let memory = |metrics: &str, value: &str| {
        let metrics = live.pointer(metrics)?.as_array()?.iter();
        let memory = metrics.filter_map(|metric| metric.get("resource")).find(|it| it["name"] == "memory")?;
        memory.pointer(value)?.as_i64()
    };
    let target = memory("/spec/metrics", "/target/averageUtilization")?;
    let now = memory("/status/currentMetrics", "/current/averageUtilization")?;
    let scaled = timestamp(live, "/status/lastScaleTime")
        .or_else(|| timestamp(live, "/metadata/creationTimestamp"))?;
    (now * 10 >= target * 9).then_some(MemoryBound { pods, since: scaled.as_second() })
}

fn timestamp(live: &Value, pointer: &str) -> Option<Timestamp> {
    live.pointer(pointer)?.as_str()?.parse().ok()
}

fn annotation(live: &Value, name: &str) -> Option<String> {
    live.pointer("/metadata/annotations")?.get(name)?.as_str().map(str::to_owned)
}

fn claim(live: &Value, domain: &Domain) -> Claim {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Claim {
        phase: string(live, "/status/phase"),
        created: string(live, "/metadata/creationTimestamp")
            .parse::<Timestamp>()
            .map_or(0, Timestamp::as_second),
        requested: text("/spec/resources/requests/storage"),
        capacity: text("/status/capacity/storage"),
        class: text("/spec/storageClassName"),
        provisioner: annotation(live, PROVISIONER),
        restores: annotation(live, domain.restores_annotation),
        asked: fingerprint::field_owners(live, "/f:spec/f:resources/f:requests/f:storage")
            .filter_map(|owner| owner.time.parse::<Timestamp>().ok())
            .max()
            .map_or(0, Timestamp::as_second),
        resizing: resizing(live),
    }
}

/// Prefers an error to progress, and a condition, which has a message, to a bare state.
fn resizing(live: &Value) -> Option<Cause> {
    let told = |types: &[&str]| {
        types.iter().find_map(|type_| {
            condition(live, type_, "True").map(|cause| Cause { reason: (*type_).to_owned(), ..cause })
        })
    };
    let state = Some(string(live, "/status/allocatedResourceStatuses/storage")).filter(|it| !it.is_empty());
    let state = state.map(|reason| Cause { reason, message: String::new() });
    told(&["ControllerResizeError", "NodeResizeError"])
        .or_else(|| state.clone().filter(|state| state.reason.ends_with("Infeasible")))
        .or_else(|| told(&["Resizing", "FileSystemResizePending"]))
        .or(state)
}

fn slice(live: &Value) -> Slice {
    let endpoints = live.get("endpoints").and_then(Value::as_array);
    let ready = endpoints
        .into_iter()
        .flatten()
        // A missing condition means ready, according to the EndpointSlice API.
        .filter(|endpoint| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true))
        .count();
    Slice {
        service: live
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get("kubernetes.io/service-name"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        ready: i64::try_from(ready).unwrap_or(i64::MAX),
    }
}

fn node_ports(live: &Value) -> BTreeMap<i64, i64> {
    let ports = live.pointer("/spec/ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ports.iter().filter_map(|port| Some((port["port"].as_i64()?, port["nodePort"].as_i64()?))).collect()
}

fn address(live: &Value) -> Option<String> {
    let first = live.pointer("/status/loadBalancer/ingress/0")?;
    first.get("hostname").or_else(|| first.get("ip")).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kinds::DOMAIN;

    #[test]
    fn surplus_pods_delay_readiness() {
        let of = |desired, updated, available, total| Deployment {
            observed: true,
            desired,
            updated,
            available,
            total,
            ..Deployment::default()
        };
        assert!(of(2, 2, 2, 2).complete() && of(0, 0, 0, 0).complete());
        assert!(!of(1, 2, 2, 2).complete(), "scaled down");
        assert!(!of(0, 1, 1, 1).complete(), "stopped");
        assert!(!of(2, 1, 2, 2).complete() && !of(2, 2, 1, 2).complete() && !of(2, 2, 2, 3).complete());
        assert!(!Deployment { observed: false, ..of(1, 1, 1, 1) }.complete());
    }

    #[test]
    fn memory_keeps_an_autoscaler_at_its_maximum() {
        let of = |least: i64, pods: i64, memory: i64| {
            let metric = |field: &str, percent: i64| {
                serde_json::json!([{ "type": "Resource", "resource": {
                "name": "memory", field: { "averageUtilization": percent },
            } }])
            };
            let live = serde_json::json!({
                "metadata": { "creationTimestamp": "2026-01-01T00:00:00Z" },
                "spec": { "minReplicas": least, "maxReplicas": 5, "metrics": metric("target", 80) },
                "status": {
                    "currentReplicas": pods, "lastScaleTime": "2026-01-01T00:00:07Z",
                    "currentMetrics": metric("current", memory),
                },
            });
            Autoscaler::read(&live, &DOMAIN).memory_bound
        };
        assert_eq!(of(1, 5, 95), Some(MemoryBound { pods: 5, since: 1_767_225_607 }));
        assert_eq!(of(1, 5, 72), of(1, 5, 95), "within the tolerance");
        assert_eq!(of(1, 5, 71), None, "it scales down");
        assert_eq!(of(1, 4, 95), None, "it can scale up");
        assert_eq!(of(5, 5, 95), None, "a fixed number");
    }

    #[test]
    fn a_namespace_keeps_its_grants_and_no_other_annotation() {
        let live = serde_json::json!({ "metadata": { "annotations": {
            "toys.example.com/grant": "/dev/toy", "toys.example.com/hosts": "a.example", "other": "x",
        } } });
        let granted = |live: &Value| Namespace::read(live, &DOMAIN).granted;
        assert_eq!(granted(&live).as_deref(), Some("/dev/toy"));
        assert_eq!(Namespace::read(&live, &DOMAIN).hosts.as_deref(), Some("a.example"));
        assert_eq!(granted(&serde_json::json!({ "metadata": {} })), None);
    }
}
