//! What status needs of a live object beyond its existence: a few integers and the cause of a failure.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::kind::Kind;

/// Readiness of one object, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Detail {
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
    /// First address of a load balancer, where one was assigned.
    Address(Option<String>),
    /// Conditions that are not as they should be, as `reason: message`.
    Autoscaler {
        unable: Option<Cause>,
        inactive: Option<Cause>,
    },
    /// When it was made.
    CronJob {
        made: Option<Timestamp>,
    },
    /// How it ended, where it did.
    Job(Option<JobEnd>),
    Namespace {
        terminating: bool,
        stuck: Option<String>,
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
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaSet {
    /// ConfigMaps that its pods mount or read.
    pub config_maps: BTreeSet<String>,
    pub deployment: Option<String>,
    pub replicas: i64,
    pub failure: Option<Cause>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub component: String,
    pub node: Option<String>,
    pub phase: String,
    pub ready: bool,
    /// Since when it is not ready, in seconds since the epoch; 0 where it is, or was never looked at.
    pub unready_since: i64,
    pub restarts: i64,
    /// The container waits: `ImagePullBackOff`, `CrashLoopBackOff`, `CreateContainerConfigError`…
    pub waiting: Option<Cause>,
    /// The last end of the container, where it was not a clean one.
    pub terminated: Option<Terminated>,
    /// The scheduler found no node; since when, in seconds since the epoch.
    pub unschedulable: Option<(String, i64)>,
    /// The image of a container that waits.
    pub image: String,
    /// The Job that it belongs to.
    pub job: Option<String>,
    /// What a container of a Job said when it ended well.
    pub said: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    pub exit_code: i64,
    pub reason: String,
    pub message: String,
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
    pub capacity: Option<String>,
    pub class: Option<String>,
    /// `Resizing`, `FileSystemResizePending` or an error of it.
    pub resizing: Option<Cause>,
}

impl Detail {
    /// Reads what status needs; kinds not named here need nothing.
    #[must_use]
    pub fn read(kind: &Kind, live: &Value) -> Self {
        match kind.kind {
            "Deployment" => Self::Deployment(deployment(live)),
            "ReplicaSet" => Self::ReplicaSet(replica_set(live)),
            "Pod" => Self::Pod(Box::new(pod(live))),
            "PersistentVolumeClaim" => Self::Claim(claim(live)),
            "EndpointSlice" => slice(live),
            "Service" | "Ingress" => Self::Address(address(live)),
            "HorizontalPodAutoscaler" => Self::Autoscaler {
                unable: condition(live, "AbleToScale", "False"),
                inactive: condition(live, "ScalingActive", "False"),
            },
            "Gateway" => super::routes::gateway(live),
            "HTTPRoute" | "GRPCRoute" => super::routes::route(live),
            "CronJob" => Self::CronJob { made: timestamp(live, "/metadata/creationTimestamp") },
            "Job" => Self::Job(job_end(live)),
            "Namespace" => Self::Namespace {
                terminating: string(live, "/status/phase") == "Terminating"
                    || live.pointer("/metadata/deletionTimestamp").is_some(),
                stuck: condition(live, "NamespaceContentRemaining", "True")
                    .or_else(|| condition(live, "NamespaceFinalizersRemaining", "True"))
                    .map(|cause| cause.message),
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

fn condition(live: &Value, type_: &str, status: &str) -> Option<Cause> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| string(condition, "/type") == type_ && string(condition, "/status") == status)?;
    Some(Cause { reason: string(found, "/reason"), message: string(found, "/message") })
}

fn deployment(live: &Value) -> Deployment {
    Deployment {
        observed: integer(live, "/status/observedGeneration") >= integer(live, "/metadata/generation"),
        desired: integer(live, "/spec/replicas"),
        updated: integer(live, "/status/updatedReplicas"),
        ready: integer(live, "/status/readyReplicas"),
        available: integer(live, "/status/availableReplicas"),
        total: integer(live, "/status/replicas"),
        unavailable: integer(live, "/status/unavailableReplicas"),
        failure: condition(live, "ReplicaFailure", "True"),
        stuck: condition(live, "Progressing", "False"),
    }
}

fn replica_set(live: &Value) -> ReplicaSet {
    let spec = live.pointer("/spec/template/spec");
    let volumes = spec.and_then(|spec| spec.get("volumes")).and_then(Value::as_array);
    ReplicaSet {
        config_maps: volumes
            .into_iter()
            .flatten()
            .map(|volume| string(volume, "/configMap/name"))
            .filter(|name| !name.is_empty())
            .collect(),
        deployment: live
            .pointer("/metadata/ownerReferences/0/name")
            .and_then(Value::as_str)
            .map(str::to_owned),
        replicas: integer(live, "/spec/replicas"),
        failure: condition(live, "ReplicaFailure", "True"),
    }
}

fn pod(live: &Value) -> Pod {
    let statuses = live.pointer("/status/containerStatuses").and_then(Value::as_array);
    let container = statuses.and_then(|statuses| {
        // The one that does not run tells the cause.
        statuses.iter().find(|status| status.pointer("/state/waiting").is_some()).or_else(|| statuses.first())
    });
    let labels = live.pointer("/metadata/labels");
    let job = labels
        .and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    let waiting = container
        .and_then(|status| status.pointer("/state/waiting"))
        .map(|waiting| Cause { reason: string(waiting, "/reason"), message: string(waiting, "/message") })
        .filter(|cause| !matches!(cause.reason.as_str(), "ContainerCreating" | "PodInitializing" | ""));
    let terminated = container
        .and_then(|status| {
            status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
        })
        .map(|end| Terminated {
            exit_code: integer(end, "/exitCode"),
            reason: string(end, "/reason"),
            message: last_words(&string(end, "/message")),
        })
        // 143 is SIGTERM: the server's clean stop.
        .filter(|end| !matches!(end.exit_code, 0 | 143));
    Pod {
        component: live
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get("app.kubernetes.io/component"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        node: live.pointer("/spec/nodeName").and_then(Value::as_str).map(str::to_owned),
        phase: string(live, "/status/phase"),
        ready: condition(live, "Ready", "True").is_some(),
        unready_since: since(live, "Ready"),
        restarts: container.map_or(0, |status| integer(status, "/restartCount")),
        waiting,
        terminated,
        unschedulable: condition(live, "PodScheduled", "False")
            .filter(|cause| cause.reason == "Unschedulable")
            .map(|cause| (cause.message, since(live, "PodScheduled"))),
        image: container.map(|status| string(status, "/image")).unwrap_or_default(),
        said: job.as_ref().and(container).and_then(|status| {
            let end = status.pointer("/state/terminated").filter(|end| integer(end, "/exitCode") == 0)?;
            Some(string(end, "/message"))
        }),
        job,
    }
}

/// Since when a condition is False, in seconds since the epoch; 0 where it is not.
fn since(live: &Value, type_: &str) -> i64 {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .find(|it| string(it, "/type") == type_ && string(it, "/status") == "False")
        .and_then(|it| string(it, "/lastTransitionTime").parse::<Timestamp>().ok())
        .map_or(0, Timestamp::as_second)
}

/// The end of a message, where a crash names its cause; at most 512 characters.
fn last_words(message: &str) -> String {
    let skip = message.chars().count().saturating_sub(512);
    message.trim_end().chars().skip(skip).collect()
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

fn timestamp(live: &Value, pointer: &str) -> Option<Timestamp> {
    live.pointer(pointer)?.as_str()?.parse().ok()
}

fn claim(live: &Value) -> Claim {
    Claim {
        phase: string(live, "/status/phase"),
        created: string(live, "/metadata/creationTimestamp")
            .parse::<Timestamp>()
            .map_or(0, Timestamp::as_second),
        capacity: live.pointer("/status/capacity/storage").and_then(Value::as_str).map(str::to_owned),
        class: live.pointer("/spec/storageClassName").and_then(Value::as_str).map(str::to_owned),
        resizing: ["ControllerResizeError", "NodeResizeError", "Resizing", "FileSystemResizePending"]
            .iter()
            .find_map(|type_| {
                condition(live, type_, "True").map(|cause| Cause { reason: (*type_).to_owned(), ..cause })
            }),
    }
}

fn slice(live: &Value) -> Detail {
    let endpoints = live.get("endpoints").and_then(Value::as_array);
    let ready = endpoints
        .into_iter()
        .flatten()
        // A missing condition means ready, as the EndpointSlice API says.
        .filter(|endpoint| endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true))
        .count();
    Detail::Slice {
        service: live
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get("kubernetes.io/service-name"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        ready: i64::try_from(ready).unwrap_or(i64::MAX),
    }
}

fn address(live: &Value) -> Option<String> {
    let first = live.pointer("/status/loadBalancer/ingress/0")?;
    first.get("hostname").or_else(|| first.get("ip")).and_then(Value::as_str).map(str::to_owned)
}
