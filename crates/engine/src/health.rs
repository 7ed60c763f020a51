//! What status needs of a live object beyond its existence: a few integers and the cause of a failure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{
    fingerprint,
    kind::{Domain, Kind},
};

mod pod;
mod route;
pub use super::{
    last_words::{AFTERWARDS, LastWords},
    probe_kill::{Probe, ProbeKill},
};
pub use pod::{Creating, Pod, Stage, Terminated};

/// On a claim, by the volume controller.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// Readiness of one object, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ObservedStatus {
    #[default]
    None,
    Deployment(Deployment),
    ReplicaSet(ReplicaSet),
    Pod(Box<Pod>),
    Claim(Claim),
    /// Ready addresses of one slice, and the Service it belongs to.
    Slice {
        service: String,
        ready: i64,
    },
    Service {
        /// First address of a load balancer, where one was assigned.
        address: Option<String>,
        /// What each port has on the nodes.
        node_ports: BTreeMap<i64, i64>,
    },
    /// Conditions that are not as they should be, as `reason: message`.
    Autoscaler {
        unable: Option<Cause>,
        inactive: Option<Cause>,
    },
    /// When it was made.
    CronJob {
        made: Option<Timestamp>,
    },
    Job {
        /// How it ended, where it did.
        end: Option<JobEnd>,
        /// Who suspended it, where that is known, and since when in seconds since the epoch.
        suspended: Option<(String, i64)>,
    },
    Namespace {
        terminating: bool,
        stuck: Option<String>,
        /// What an existing one has, to be held against what is asked for.
        labels: BTreeMap<String, String>,
        /// Text of the annotation [`Domain::grant_annotation`].
        granted: Option<String>,
    },
    /// A Gateway is refused or not programmed, or its controller has not looked at it.
    Gateway {
        unable: Option<Cause>,
        unseen: bool,
    },
    /// A route is refused by one of its Gateways, or one of them has not looked at it.
    Route {
        refused: Option<Cause>,
        unseen: Option<String>,
    },
}

/// A reason and its message, as Kubernetes gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployment {
    /// ConfigMaps that its newest pods mount.
    pub config_maps: BTreeSet<String>,
    /// The controller has seen the newest template.
    pub observed: bool,
    pub desired: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub total: i64,
    pub unavailable: i64,
    /// `ReplicaFailure`: pods cannot be created (quota, admission).
    pub failure: Option<Cause>,
    /// `Progressing=False`: the deadline passed.
    pub stuck: Option<Cause>,
    /// Its rollout is paused; by this manager, where one is known.
    pub paused: Option<String>,
}

impl Deployment {
    /// As many pods as asked for, all of the newest template and available, and none beside them.
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
    /// ConfigMaps that its pods mount or read.
    pub config_maps: BTreeSet<String>,
    /// Which template of its Deployment it is: the higher, the newer.
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
    /// Seconds since the epoch.
    pub created: i64,
    /// What it asks for.
    pub requested: Option<String>,
    pub capacity: Option<String>,
    pub class: Option<String>,
    /// Who has to make the volume: known once the class exists and the volume is not put off.
    pub provisioner: Option<String>,
    /// Text of the annotation [`Domain::restores_annotation`].
    pub restores: Option<String>,
    /// When its requests were last written, in seconds since the epoch; 0 where that is not known.
    pub asked: i64,
    /// How far Kubernetes is with another size: `Resizing`, `FileSystemResizePending`, an error, or what it says of the
    /// allocated size.
    pub resizing: Option<Cause>,
}

impl ObservedStatus {
    /// Reads what status needs; kinds not named here need nothing.
    #[must_use]
    pub fn read(kind: &Kind, live: &Value) -> Self {
        match kind.kind {
            "Deployment" => Self::Deployment(deployment(live)),
            "ReplicaSet" => Self::ReplicaSet(replica_set(live)),
            "Pod" => Self::Pod(Box::new(pod::pod(live, kind.domain))),
            "PersistentVolumeClaim" => Self::Claim(claim(live, kind.domain)),
            "EndpointSlice" => slice(live),
            "Service" => Self::Service { address: address(live), node_ports: node_ports(live) },
            "HorizontalPodAutoscaler" => Self::Autoscaler {
                unable: condition(live, "AbleToScale", "False"),
                inactive: condition(live, "ScalingActive", "False"),
            },
            "Gateway" => route::gateway(live),
            "HTTPRoute" | "GRPCRoute" => route::route(live),
            "CronJob" => Self::CronJob { made: timestamp(live, "/metadata/creationTimestamp") },
            "Job" => Self::Job { end: job_end(live), suspended: suspended(live) },
            "Namespace" => Self::Namespace {
                terminating: string(live, "/status/phase") == "Terminating"
                    || live.pointer("/metadata/deletionTimestamp").is_some(),
                stuck: condition(live, "NamespaceContentRemaining", "True")
                    .or_else(|| condition(live, "NamespaceFinalizersRemaining", "True"))
                    .map(|cause| cause.message),
                labels: labels(live),
                granted: annotation(live, kind.domain.grant_annotation),
            },
            _ => Self::None,
        }
    }
}

pub(super) fn integer(live: &Value, pointer: &str) -> i64 {
    live.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn string(live: &Value, pointer: &str) -> String {
    live.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn condition(live: &Value, type_: &str, status: &str) -> Option<Cause> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| string(condition, "/type") == type_ && string(condition, "/status") == status)?;
    Some(Cause { reason: string(found, "/reason"), message: string(found, "/message") })
}

fn deployment(live: &Value) -> Deployment {
    Deployment {
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

/// That a pod, or the pods of a workload, mount.
pub(super) fn config_maps(live: &Value, volumes: &str) -> BTreeSet<String> {
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

/// By its conditions: a Job that failed has no completion time.
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

/// A Job that is suspended runs nothing until somebody releases it.
fn suspended(live: &Value) -> Option<(String, i64)> {
    live.pointer("/spec/suspend").and_then(Value::as_bool).filter(|suspend| *suspend)?;
    let mut owners = fingerprint::field_owners(live, "/f:spec/f:suspend");
    let manager = owners.next().map(|owner| owner.manager.to_owned()).unwrap_or_default();
    let made = timestamp(live, "/metadata/creationTimestamp").map_or(0, Timestamp::as_second);
    Some((manager, pod::since(live, "Suspended", "True").max(made)))
}

pub(super) fn timestamp(live: &Value, pointer: &str) -> Option<Timestamp> {
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

/// An error before what goes on, and a condition, which has words, before a bare state.
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

fn slice(live: &Value) -> ObservedStatus {
    let endpoints = live.get("endpoints").and_then(Value::as_array);
    let ready = endpoints
        .into_iter()
        .flatten()
        // A missing condition means ready, as the EndpointSlice API says.
        .filter(|endpoint| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true))
        .count();
    ObservedStatus::Slice {
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
    use crate::test_kinds::NAMESPACE;

    #[test]
    fn ready_waits_for_the_pods_that_are_too_many() {
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
    fn a_namespace_keeps_its_grant_and_no_other_annotation() {
        let live = serde_json::json!({ "metadata": { "annotations": {
            "toys.example.com/grant": "/dev/toy", "other": "x",
        } } });
        let ObservedStatus::Namespace { granted, .. } = ObservedStatus::read(&NAMESPACE, &live) else {
            panic!()
        };
        assert_eq!(granted.as_deref(), Some("/dev/toy"));
        let without = ObservedStatus::read(&NAMESPACE, &serde_json::json!({ "metadata": {} }));
        assert!(matches!(without, ObservedStatus::Namespace { granted: None, .. }));
    }
}
