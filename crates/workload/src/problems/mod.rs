//! Finds what is wrong with live objects of a plan. Pure: the same view gives the same list.

mod autoscalers;
mod crash;
mod pods;
mod routes;
mod volumes;
mod workloads;

use engine::{
    cache::{Snapshot, SyncState},
    child::Child,
    deadlines::DeadlineTracker,
    kind::{Kind, Nature},
    plan::{Plan, Planned},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crash::{EndCause, Place, Source, describe};
pub use volumes::remove_secondary_problems;

use super::{health, labels, reasons};

/// Seconds that a new PVC may take to find its volume, and a new pod to find its node, before that is a
/// problem: on every first start the scheduler tries once before the PVC is bound.
const SETTLING: i64 = 3;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `Error` or `Warning`.
    pub severity: Severity,
    /// Reason in one word, as listed in docs/reasons.md.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Object with the problem, as `Kind namespace/name`.
    #[schemars(length(max = 512))]
    pub object: String,
    /// Node of the pod with the problem. Absent if no node is involved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// Description of the problem.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What to do next.
    #[schemars(length(max = 512))]
    pub action: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    Error,
    Warning,
}

/// Facts that a product knows about its objects, and that the objects do not contain.
#[derive(Debug)]
pub struct Profile {
    /// What to do about a reason with this message.
    pub advice: fn(&str, &str) -> String,
    /// Whether other components wait for the Jobs of a component. They run without the Jobs of others.
    pub is_required_job: fn(&str) -> bool,
    /// Components whose claims may wait for their first Job: no server waits for them.
    pub late_claims: &'static [&'static str],
    /// The meanings of the last words of a server; the first that fits counts.
    pub end_causes: &'static [EndCause],
    /// Where servers mount the data.
    pub data_path: &'static str,
}

/// Returns a text without control characters: programs write messages, and terminals would obey them.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() || matches!(char, '\n' | '\t')).collect()
}

impl Profile {
    /// A problem, with the product's advice.
    #[must_use]
    pub fn problem(
        &self,
        severity: Severity,
        reason: &str,
        object: String,
        message: impl Into<String>,
    ) -> Problem {
        let message: String = printable(&message.into()).chars().take(1000).collect();
        let action = (self.advice)(reason, &message);
        Problem { severity, reason: reason.to_owned(), object, node: None, message, action }
    }

    fn error(&self, child: &Child, reason: &str, message: impl Into<String>) -> Problem {
        self.problem(Severity::Error, reason, child.to_string(), message)
    }

    fn warning(&self, child: &Child, reason: &str, message: impl Into<String>) -> Problem {
        self.problem(Severity::Warning, reason, child.to_string(), message)
    }
}

/// Returns the problems of the live objects of a plan, and of the watches of a kind table.
#[must_use]
pub fn live_problems(
    profile: &Profile,
    kinds: &[&'static Kind],
    plan: &Plan,
    snapshot: &Snapshot,
    clock: &DeadlineTracker,
) -> Vec<Problem> {
    let mut found = pods::pod_problems(profile, plan, snapshot, clock);
    for child in snapshot.children.values().filter(|child| !child.deleting) {
        found.extend(object_problem(profile, child, plan, (snapshot, clock)));
    }
    for kind in kinds {
        let (error, words, why) = match snapshot.coverage(kind) {
            SyncState::Failing(why) => (!kind.optional, "cannot be listed", why),
            SyncState::Stale(why) => (false, "cannot be watched any more, so changes are not seen", why),
            SyncState::Pending | SyncState::Synced | SyncState::NotServed => continue,
        };
        found.push(profile.problem(
            if error { Severity::Error } else { Severity::Warning },
            if why.contains("forbidden") { reasons::FORBIDDEN } else { reasons::WATCH_FAILING },
            kind.kind.to_owned(),
            format!("{} {words}: {why}", kind.plural),
        ));
    }
    found
}

fn object_problem(
    profile: &Profile,
    child: &Child,
    plan: &Plan,
    (snapshot, clock): (&Snapshot, &DeadlineTracker),
) -> Option<Problem> {
    // The Deployment controller owns ReplicaSets.
    if let Some(set) = child.observed::<health::ReplicaSet>() {
        let of_plan = |name: &String| {
            plan.objects.iter().any(|it| it.kind.nature == Nature::Workload && it.key.name == *name)
        };
        // Another workload may have copied the labels of a pod template.
        let is_ours = set.deployment.as_ref().is_none_or(of_plan);
        return workloads::replica_set_problem(profile, child, set).filter(|_| is_ours);
    }
    let is_planned =
        plan.objects.iter().any(|planned| planned.kind == child.kind && planned.key == child.key);
    // A CronJob creates the Job of a backup, and creates no other while that one has not ended.
    if let Some(health::Job { end: None, suspended: Some((manager, since)) }) = child.observed() {
        let waits = clock.expired(workloads::LONGEST_SUSPENDED, *since);
        return waits.then(|| workloads::of_suspended(profile, child, manager, is_planned));
    }
    if !is_planned {
        return None;
    }
    if let Some(deployment) = child.observed::<health::Deployment>() {
        workloads::deployment_problem(profile, child, deployment, plan)
    } else if let Some(claim) = child.observed::<health::Claim>() {
        volumes::claim_problem(profile, child, claim, plan, (snapshot, clock))
    } else if let Some(autoscaler) = child.observed::<health::Autoscaler>() {
        autoscalers::autoscaler_problem(profile, child, autoscaler)
    } else if let Some(gateway) = child.observed::<health::Gateway>() {
        routes::gateway_problem(profile, child, gateway)
    } else {
        routes::route_problem(profile, child, child.observed()?)
    }
}

/// Returns whether a planned object belongs to a component.
#[must_use]
pub fn is_of(planned: &Planned, component: &str) -> bool {
    let labels = planned.body.pointer("/metadata/labels").and_then(|labels| labels.get(labels::COMPONENT));
    labels.and_then(Value::as_str) == Some(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The profile of a product that knows one cause.
    pub const PROFILE: Profile = Profile {
        advice: |_, _| String::new(),
        is_required_job: |_| false,
        late_claims: &["backup"],
        end_causes: &[EndCause {
            words: &["permission denied"],
            place: Place::Data,
            reason: "DataNotWritable",
        }],
        data_path: "/data",
    };
}
