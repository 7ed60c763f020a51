//! From what was seen and done to the status. Pure, but for the time that is given.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{PersistentVolumeClaim, Service},
        discovery::v1::EndpointSlice,
        networking::v1::Ingress,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::Value;

use super::{backups, facts::Facts, problems, qos, reasons, restart::RESTART};
use crate::{
    api::{
        LogPilotCluster, LogPilotClusterStatus,
        status::{
            BackupStatus, ComponentStatus, Effective, Endpoint, EndpointPort, LastChange, Problem, Severity,
            VolumeStatus,
        },
    },
    engine::{
        apply::Outcome,
        conditions::{self, Wanted},
        detail::Detail,
        kind::Managed,
        live::Snapshot,
        plan::{Plan, Planned},
    },
    objects::{
        gateway::Gateway,
        routes::{GRPCRoute, HTTPRoute},
    },
};

/// Everything a status is made from.
pub struct View<'a> {
    pub cr: &'a LogPilotCluster,
    /// The newest status there is, which may be newer than the one in `cr`.
    pub before: &'a LogPilotClusterStatus,
    pub namespace: &'a str,
    pub plan: &'a Plan,
    pub outcome: &'a Outcome,
    pub snapshot: &'a Snapshot,
    /// Problems that were known before anything was written, and warnings about the spec.
    pub known: Vec<Problem>,
    pub backups: Vec<BackupStatus>,
    pub effective: Option<Effective>,
    pub change: Option<LastChange>,
    pub paused: bool,
    pub stopped: bool,
    pub facts: &'a Facts,
    pub now: Time,
}

/// The status of a resource that was planned.
#[must_use]
pub fn of(view: View<'_>) -> LogPilotClusterStatus {
    let before = view.before.clone();
    let mut found = view.known.clone();
    found.extend(problems::of_outcome(view.outcome));
    found.extend(problems::of_live(view.plan, view.snapshot, view.now.0.as_second()));
    drop_consequences(&mut found);
    found.sort_by_key(|problem| problem.severity);
    found.dedup();
    let deployments: Vec<Workload> = view
        .plan
        .objects
        .iter()
        .filter(|planned| planned.kind == Deployment::KIND)
        .map(|planned| workload(planned, &view))
        .collect();
    let wanted = conditions_of(&view, &found, &deployments);
    let ready = wanted.iter().find(|condition| condition.type_ == "Ready");
    let summary = if view.paused {
        reasons::PAUSED.to_owned()
    } else {
        ready.map(|condition| condition.reason.clone()).unwrap_or_default()
    };
    let sum = |count: fn(&ComponentStatus) -> i32| -> i32 {
        deployments.iter().map(|workload| count(&workload.status)).sum()
    };
    LogPilotClusterStatus {
        conditions: conditions::merge(&before.conditions, wanted, view.cr.metadata.generation, &view.now),
        observed_generation: view.cr.metadata.generation,
        namespace: Some(view.namespace.to_owned()),
        pods: Some(format!("{}/{}", sum(|status| status.ready), sum(|status| status.desired))),
        version: Some(version(&deployments)),
        summary: Some(summary),
        problem_count: errors(&found),
        component_summary: Some(
            deployments
                .iter()
                .map(|workload| {
                    let status = &workload.status;
                    format!("{}:{}/{}", status.name, status.ready, status.desired)
                })
                .collect::<Vec<_>>()
                .join(" "),
        ),
        storage_summary: storage_summary(&view),
        url: url(&view),
        components: deployments.iter().map(|workload| workload.status.clone()).collect(),
        endpoints: endpoints(&view),
        volumes: volumes(&before.volumes, &view),
        last_backup: backups::oldest(&view.backups),
        backups: view.backups,
        effective: view.effective,
        last_change: view.change.or(before.last_change),
        problems: found.into_iter().take(32).collect(),
    }
}

/// The status of a resource that cannot be planned: what runs is left as it is, and stays reported as it was.
#[must_use]
pub fn rejected(
    before: LogPilotClusterStatus,
    generation: Option<i64>,
    reason: &str,
    problems: Vec<Problem>,
    now: &Time,
) -> LogPilotClusterStatus {
    let message = problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ");
    let condition =
        |type_, status| Wanted { type_, status, reason: reason.to_owned(), message: message.clone() };
    let wanted = vec![condition("Ready", false), condition("Accepted", false), condition("Stalled", true)];
    LogPilotClusterStatus {
        conditions: conditions::merge(&before.conditions, wanted, generation, now),
        observed_generation: generation,
        summary: Some(reason.to_owned()),
        problem_count: errors(&problems),
        problems: problems.into_iter().take(32).collect(),
        ..before
    }
}

fn errors(problems: &[Problem]) -> i32 {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    i32::try_from(errors).unwrap_or(i32::MAX)
}

/// A pod that waits for a volume is no problem of its own where the volume is one.
fn drop_consequences(found: &mut Vec<Problem>) {
    let volume = [reasons::VOLUME_PENDING, reasons::DATA_VOLUME_LOST];
    if found.iter().any(|problem| volume.contains(&problem.reason.as_str())) {
        found.retain(|problem| {
            problem.reason != reasons::UNSCHEDULABLE
                || !problem.message.to_lowercase().contains("persistentvolumeclaim")
        });
    }
}

struct Workload {
    status: ComponentStatus,
    /// The newest template runs on every pod that is wanted, and nothing older is left.
    complete: bool,
}

fn workload(planned: &Planned, view: &View<'_>) -> Workload {
    let text =
        |pointer: &str| planned.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let component = planned
        .body
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get("app.kubernetes.io/component"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let config = planned
        .body
        .pointer("/spec/template/spec/volumes")
        .and_then(Value::as_array)
        .and_then(|volumes| volumes.iter().find_map(|volume| volume.pointer("/configMap/name")?.as_str()))
        .and_then(|name| name.rsplit('-').next())
        .unwrap_or_default()
        .to_owned();
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    let template = "/spec/template";
    let mut status = ComponentStatus {
        qos_class: planned
            .body
            .pointer(&format!("{template}/spec"))
            .map(qos::class)
            .unwrap_or_default()
            .to_owned(),
        replicas_before_stop: view.facts.before_stop.get(component.as_str()).copied(),
        restart: text(&format!("{template}/metadata/annotations/{}", RESTART.replace('/', "~1"))),
        name: component,
        image: text("/spec/template/spec/containers/0/image"),
        config_hash: config,
        desired: small(planned.body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0)),
        ..ComponentStatus::default()
    };
    let mut complete = false;
    if let Some(child) = view.snapshot.get(planned.kind, &planned.key)
        && let Detail::Deployment(live) = &child.detail
    {
        status.desired = small(live.desired);
        status.updated = small(live.updated);
        status.ready = small(live.ready);
        status.available = small(live.available);
        complete = !child.deleting
            && live.observed
            && live.updated >= live.desired
            && live.available >= live.desired
            && live.total <= live.updated;
    }
    Workload { status, complete }
}

fn conditions_of(view: &View<'_>, found: &[Problem], workloads: &[Workload]) -> Vec<Wanted> {
    let condition = |type_, status, reason: &str, message: String| Wanted {
        type_,
        status,
        reason: reason.to_owned(),
        message,
    };
    let mut wanted = Vec::new();
    let first_error = found.iter().find(|problem| problem.severity == Severity::Error);
    let unsettled = view.outcome.steps.iter().find(|step| !step.result.settled());
    let applied = unsettled.is_none() && !view.paused;
    let in_force =
        view.outcome.steps.iter().all(|step| step.result.settled() || problems::is_mere_warning(step));
    let complete = workloads.iter().all(|workload| workload.complete);
    let progress = workloads
        .iter()
        .filter(|workload| !workload.complete)
        .map(|workload| {
            let status = &workload.status;
            format!(
                "{}: {} of {} pods updated, {} available",
                status.name, status.updated, status.desired, status.available
            )
        })
        .collect::<Vec<_>>()
        .join("; ");
    let cause = |fallback: &str, message: String| match first_error {
        Some(problem) => (problem.reason.clone(), format!("{}: {}", problem.object, problem.message)),
        None => (fallback.to_owned(), message),
    };

    wanted.push(if first_error.is_none() && view.stopped && !view.paused {
        let left: i32 = workloads.iter().map(|workload| workload.status.ready).sum();
        let message = match left {
            0 => "no pods run while spec.operation.stopped is true; the data is kept".to_owned(),
            left => format!("stopping: {left} pods are left"),
        };
        condition("Ready", false, reasons::STOPPED, message)
    } else if first_error.is_none() && complete && in_force {
        condition("Ready", true, reasons::READY, "every pod runs the declared state".into())
    } else {
        let (reason, message) = cause(reasons::PROGRESSING, progress.clone());
        condition("Ready", false, &reason, message)
    });
    wanted.push(condition("Accepted", true, reasons::ACCEPTED, "the resource is valid".into()));
    wanted.push(if view.paused {
        condition(
            "Applied",
            false,
            reasons::PAUSED,
            "nothing is written while spec.operation.paused is true".into(),
        )
    } else if let Some(step) = unsettled {
        let (reason, message) =
            cause(reasons::PROGRESSING, format!("{} is not yet as planned", step.object()));
        condition("Applied", false, &reason, message)
    } else {
        condition(
            "Applied",
            true,
            reasons::APPLIED,
            format!("{} objects are as planned", view.plan.objects.len()),
        )
    });

    let lost = first_error.is_some_and(|problem| problem.reason == reasons::DATA_VOLUME_LOST);
    let stuck = first_error.filter(|_| {
        lost || problems::needs_help(view.outcome)
            || found.iter().any(|problem| {
                problem.severity == Severity::Error
                    && [
                        reasons::DEADLINE_EXCEEDED,
                        reasons::API_KEY_INVALID,
                        reasons::REFERENCE_MISSING,
                        reasons::QUOTA_EXCEEDED,
                        reasons::ADMISSION_DENIED,
                        reasons::ROUTE_NOT_ACCEPTED,
                    ]
                    .contains(&problem.reason.as_str())
            })
    });
    if let Some(problem) = stuck {
        wanted.push(condition(
            "Stalled",
            true,
            &problem.reason,
            format!("{}: {}", problem.object, problem.message),
        ));
    } else if !(view.paused || applied && complete) {
        let (reason, message) = cause(reasons::PROGRESSING, progress);
        wanted.push(condition("Reconciling", true, &reason, message));
    }
    let warnings: Vec<&Problem> =
        found.iter().filter(|problem| problem.severity == Severity::Warning).collect();
    if let Some(first) = warnings.first() {
        let message = warnings
            .iter()
            .map(|problem| format!("{} ({}): {}", problem.reason, problem.object, problem.message))
            .collect::<Vec<_>>()
            .join("; ");
        wanted.push(condition("Warning", true, &first.reason, message));
    }
    wanted
}

/// The tag or digest that all components share.
fn version(workloads: &[Workload]) -> String {
    let mut versions: Vec<String> =
        workloads.iter().map(|workload| tag(&workload.status.image).chars().take(128).collect()).collect();
    versions.sort();
    versions.dedup();
    match versions.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        _ => "mixed".to_owned(),
    }
}

/// What stands behind the name: a digest, or a tag after the last colon of the last path part.
fn tag(image: &str) -> &str {
    if let Some((_, digest)) = image.split_once('@') {
        return digest;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').map_or("", |(_, tag)| tag)
}

fn storage_summary(view: &View<'_>) -> Option<String> {
    let claims: Vec<String> = view
        .plan
        .objects
        .iter()
        .filter(|planned| planned.kind == PersistentVolumeClaim::KIND && !problems::of_backups(planned))
        .map(|planned| {
            let (phase, size) = match view.snapshot.get(planned.kind, &planned.key).map(|child| &child.detail)
            {
                Some(Detail::Claim(claim)) => (claim.phase.clone(), claim.capacity.clone()),
                _ => ("Pending".to_owned(), None),
            };
            let size = size.or_else(|| {
                planned
                    .body
                    .pointer("/spec/resources/requests/storage")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            });
            format!("{} {} {phase}", planned.key.name, size.unwrap_or_default())
        })
        .collect();
    (!claims.is_empty()).then(|| claims.join(", "))
}

/// The first host of a Gateway or an Ingress, else the first address of a load balancer.
fn url(view: &View<'_>) -> Option<String> {
    let gateway = gateway_url(view.plan);
    let ingress =
        view.plan.objects.iter().find(|planned| planned.kind == Ingress::KIND).and_then(|planned| {
            let host = planned.body.pointer("/spec/rules/0/host")?.as_str()?;
            let scheme = if planned.body.pointer("/spec/tls").is_some() { "https" } else { "http" };
            Some(format!("{scheme}://{host}"))
        });
    gateway.or(ingress).or_else(|| {
        view.snapshot.of_kind(Service::KIND).find_map(|child| match &child.detail {
            Detail::Address(Some(address)) => Some(address.clone()),
            _ => None,
        })
    })
}

/// Whether somebody else's Gateway ends TLS is not known, so its host stands without a scheme.
fn gateway_url(plan: &Plan) -> Option<String> {
    let first = |kind| plan.objects.iter().find(|planned| planned.kind == kind);
    let route = first(HTTPRoute::KIND).or_else(|| first(GRPCRoute::KIND))?;
    let host = route.body.pointer("/spec/hostnames/0")?.as_str()?;
    Some(match first(Gateway::KIND) {
        Some(gateway) if gateway.body.pointer("/spec/listeners/1").is_some() => format!("https://{host}"),
        Some(_) => format!("http://{host}"),
        None => host.to_owned(),
    })
}

fn endpoints(view: &View<'_>) -> Vec<Endpoint> {
    view.plan
        .objects
        .iter()
        .filter(|planned| planned.kind == Service::KIND)
        .map(|planned| {
            let ports = planned.body.pointer("/spec/ports").and_then(Value::as_array);
            let ready = view
                .snapshot
                .of_kind(EndpointSlice::KIND)
                .filter_map(|child| match &child.detail {
                    Detail::Slice { service, ready } if *service == planned.key.name => Some(*ready),
                    _ => None,
                })
                // One pod stands in one slice per address family; the largest is the number of pods.
                .max();
            Endpoint {
                name: planned.key.name.clone(),
                host: format!(
                    "{}.{}.svc",
                    planned.key.name,
                    planned.key.namespace.as_deref().unwrap_or_default()
                ),
                ports: ports
                    .into_iter()
                    .flatten()
                    .filter_map(|port| {
                        Some(EndpointPort {
                            name: port.get("name")?.as_str()?.to_owned(),
                            port: i32::try_from(port.get("port")?.as_i64()?).ok()?,
                        })
                    })
                    .collect(),
                ready_addresses: i32::try_from(ready.unwrap_or(0)).unwrap_or(i32::MAX),
            }
        })
        .take(16)
        .collect()
}

/// Claims ever used, with the UID that holds the data now; one that is gone keeps its UID, so that it is missed.
fn volumes(before: &[VolumeStatus], view: &View<'_>) -> Vec<VolumeStatus> {
    let mut volumes: Vec<VolumeStatus> = before.to_vec();
    for child in view.snapshot.of_kind(PersistentVolumeClaim::KIND) {
        if child.key.namespace.as_deref() != Some(view.namespace) {
            continue;
        }
        // Of the backups, or of no use any more: its loss is no loss of data, and the list is short.
        let holds_data = view.plan.objects.iter().any(|planned| {
            planned.kind == child.kind && planned.key == child.key && !problems::of_backups(planned)
        });
        if !holds_data && volumes.iter().all(|volume| volume.name != child.key.name) {
            continue;
        }
        let known = VolumeStatus { name: child.key.name.clone(), uid: child.uid.clone() };
        match volumes.iter_mut().find(|volume| volume.name == known.name) {
            Some(volume) => *volume = known,
            None => volumes.push(known),
        }
    }
    volumes.truncate(4);
    volumes
}

/// What a user changed, as `path: old → new`; at most 8 paths and how many more there are.
#[must_use]
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut all = Vec::new();
    differences("spec", old, new, &mut all);
    let more = all.len().saturating_sub(8);
    all.truncate(8);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

fn differences(path: &str, old: &Value, new: &Value, into: &mut Vec<String>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&format!("{path}.{key}"), &at(a), &at(b), into);
            }
        }
        _ => into.push(format!("{path}: {} → {}", short(old), short(new))),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_told_as_old_and_new_by_path() {
        let old = json!({ "image": "a:1", "components": { "all": { "replicas": 2 } } });
        let new = json!({ "image": "a:2", "components": { "all": { "replicas": 2 }, "rest": {} } });
        assert_eq!(changes(&old, &new), ["spec.components.rest: unset → {}", "spec.image: a:1 → a:2"]);
        assert!(changes(&old, &old).is_empty());
        let many: serde_json::Map<String, Value> = (0..12).map(|i| (i.to_string(), json!(i))).collect();
        let told = changes(&json!({}), &Value::Object(many));
        assert_eq!((told.len(), told[8].as_str()), (9, "and 4 more"));
    }

    #[test]
    fn the_version_is_the_tag_or_digest() {
        for (image, expected) in [
            ("danpung2/logpilot:1.2.0", "1.2.0"),
            ("registry:5000/logpilot", ""),
            ("registry:5000/logpilot:2", "2"),
            ("a/b@sha256:abc", "sha256:abc"),
        ] {
            assert_eq!(tag(image), expected);
        }
    }
}
