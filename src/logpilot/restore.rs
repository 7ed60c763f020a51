//! Determines the progress of a restore and its effects on the plan. Pure, apart from the given time:
//! everything follows from the spec, the previous status and the live objects, so that a restarted
//! operator continues where its predecessor stopped.
//!
//! The status is written before the Job is created, so the status always contains a running Job. The
//! result is recorded in the status, on the PVC, and in a file next to the database: each of them alone
//! prevents a second run.

mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{PersistentVolumeClaim, Pod},
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    backups,
    facts::SharedPlace,
    model::{Cluster, Component, Restore},
    problems::problem,
};
use crate::{
    api::{
        self,
        status::{Problem, RestorePhase, RestoreStatus, Severity},
    },
    engine::{
        cache::{Snapshot, SyncState},
        child::Child,
    },
    kinds::Managed,
    reasons,
    workload::health::{self, JobEnd},
};

/// The effects of a restore on the plan and the status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub status: Option<RestoreStatus>,
    /// PVCs whose servers must not run.
    pub stopped: BTreeSet<String>,
    /// The restore whose Job is planned.
    pub job: Option<Restore>,
    /// The restores that ended, as recorded on the PVCs.
    pub records: BTreeMap<String, String>,
    pub problems: Vec<Problem>,
    /// Whether the next step can start as soon as the status is written.
    pub look_again: bool,
}

impl State {
    /// Returns the cluster to plan for: without the workloads that must not run meanwhile, and without
    /// backups that would copy data that is being replaced.
    #[must_use]
    pub fn stop(&self, mut cluster: Cluster) -> Cluster {
        for component in &mut cluster.components {
            component.stopped |= self.stopped.contains(&component.claim);
        }
        if let Some(backup) = cluster.backup.as_mut().filter(|_| !self.stopped.is_empty()) {
            backup.suspend = true;
        }
        cluster
    }

    /// Returns what the restore is waiting for while servers are stopped for it.
    #[must_use]
    pub fn progress(&self) -> Option<String> {
        let told = self.status.as_ref().filter(|status| status.phase.stops());
        let told = told.map(|status| format!("restore '{}': {}", status.request_id, status.message));
        (!self.stopped.is_empty())
            .then(|| told.unwrap_or_else(|| "waits for the pods of a restore to terminate".to_owned()))
    }
}

/// The inputs to the decision.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub cluster: &'a Cluster,
    /// Whether the operator knows its own image, which the Job runs.
    pub image: bool,
    /// The newest status that was written.
    pub before: Option<&'a RestoreStatus>,
    pub snapshot: &'a Snapshot,
    /// The locations where other resources keep data and backups too.
    pub shared: &'a [SharedPlace],
    pub now: Timestamp,
}

/// Adds a placeholder request, for what must be known of a restore Job before one exists.
#[must_use]
pub fn any(cluster: &Cluster) -> Option<Restore> {
    let first = || {
        let claim = cluster.backup.as_ref()?.jobs.first()?.claim.clone();
        Some(Restore { request_id: "any".to_owned(), from: String::new(), component: None, claim })
    };
    cluster.restore.clone().or_else(first)
}

/// Returns the state of the running restore, or else of the requested one.
#[must_use]
pub fn advance(world: World<'_>) -> State {
    let asked = world.cluster.restore.as_ref();
    let running =
        world.before.filter(|before| !before.phase.ended()).and_then(|before| world.running(before));
    let Some(request) = running.as_ref().or(asked) else {
        // A request that did not start is forgotten; one that ended stays in the status.
        let status = world.before.filter(|before| before.phase.ended()).cloned();
        return State {
            status,
            stopped: world.claims_with_restore_pods(),
            records: world.records(None),
            ..State::default()
        };
    };
    let mut state = world.step(request);
    let over = state.status.as_ref().filter(|status| status.phase.ended());
    state.records = world.records(over.map(|status| (request.claim.as_str(), status)));
    if over.is_some()
        && let Some(next) = asked.filter(|asked| asked.request_id != request.request_id)
        && world.recorded_phase(next).is_none()
    {
        // Otherwise the servers would start and stop in between.
        state.stopped.insert(next.claim.clone());
        state.look_again = true;
    }
    state.problems.extend(world.failure(asked, state.status.as_ref()));
    state
}

impl World<'_> {
    /// Returns the request in the status while its Job or a pod of it exists: it then runs to its end
    /// regardless of the spec. A Job that no node could run has changed nothing: the spec may be
    /// corrected, or no longer request it.
    fn running(&self, before: &RestoreStatus) -> Option<Restore> {
        let component = |component: &&Component| before.component.is_none_or(|key| key == component.role.key);
        let request = Restore {
            request_id: before.request_id.clone(),
            from: before.from.clone(),
            component: before.component,
            claim: self.cluster.components.iter().find(component)?.claim.clone(),
        };
        let there = self.job(&request).is_some() || self.pods(&request).next().is_some();
        (there && !self.snapshot.has_not_begun(&self.key(&request).name)).then_some(request)
    }

    fn step(&self, request: &Restore) -> State {
        let known = self.before.filter(|before| before.request_id == request.request_id);
        let status = |phase, message: String| RestoreStatus {
            request_id: request.request_id.clone(),
            from: request.from.clone(),
            component: request.component,
            phase,
            message: message.chars().take(1000).collect(),
            start_time: known.and_then(|known| known.start_time.clone()),
            completion_time: None,
            rows: None,
            taken_at: None,
            replaced: None,
        };
        let stopping = |phase, message| {
            let fresh = status(phase, message);
            let start_time = fresh.start_time.clone().or(Some(Time(self.now)));
            State {
                status: Some(RestoreStatus { start_time, ..fresh }),
                stopped: [request.claim.clone()].into(),
                ..State::default()
            }
        };
        let job = self.job(request);
        let end = job.and_then(|job| job.observed::<health::Job>()?.end.as_ref());
        let alive = self.pods(request).next().is_some();
        let kept = || job.filter(|job| !job.deleting).map(|_| request.clone());
        let running = |job| State {
            job,
            ..stopping(
                RestorePhase::Restoring,
                format!("Job {} replaces the database with {}", self.key(request), request.from),
            )
        };
        let over = |status| State {
            status: Some(status),
            // The Job is kept while the spec names the request, so that its log can be read.
            job: kept().filter(|_| {
                self.cluster.restore.as_ref().is_some_and(|asked| asked.request_id == request.request_id)
            }),
            stopped: self.claims_with_restore_pods(),
            ..State::default()
        };
        match (known.filter(|known| known.phase.ended()), job, end) {
            (Some(known), _, None) => over(known.clone()),
            (_, Some(job), Some(end)) if !alive => over(self.ended(known, (job, end), status)),
            (_, Some(_), _) => running(Some(request.clone())),
            _ if alive => running(None),
            _ => match self.recorded_phase(request) {
                Some(phase) => over(status(phase, "was carried out before on this PVC, as its annotation says, and is not repeated; set another requestId to restore again".to_owned())),
                None => self.begin(request, known, status, stopping, running),
            },
        }
    }

    /// Returns the next step while no Job exists.
    fn begin(
        &self,
        request: &Restore,
        known: Option<&RestoreStatus>,
        status: impl Fn(RestorePhase, String) -> RestoreStatus,
        stopping: impl Fn(RestorePhase, String) -> State,
        running: impl Fn(Option<Restore>) -> State,
    ) -> State {
        let begun = known.filter(|known| {
            known.phase.stops() && known.from == request.from && known.component == request.component
        });
        if self.cluster.paused {
            let phase = begun.map_or(RestorePhase::Pending, |begun| begun.phase);
            let waits = status(phase, "waits: spec.operation.paused is true".to_owned());
            let stopped = begun.map(|_| request.claim.clone()).into_iter().collect();
            return State { status: Some(waits), stopped, ..State::default() };
        }
        if let Some(other) = self.shared.iter().find(|it| it.is_data_of_older(&request.claim)) {
            // The servers of that resource would not stop for this restore.
            let waits = format!(
                "waits: {} holds the data of {} '{}', which is older",
                other.place,
                api::KIND,
                other.by
            );
            return State { status: Some(status(RestorePhase::Pending, waits)), ..State::default() };
        }
        if !self.image {
            let message = "waits: the operator does not know its own image, which the restore runs";
            return State {
                status: Some(status(RestorePhase::Pending, message.to_owned())),
                problems: vec![problem(
                    Severity::Warning,
                    reasons::BACKUP_IMAGE_UNKNOWN,
                    format!("Job {}", self.key(request)),
                    format!("restore '{}' {message}; nothing is stopped", request.request_id),
                )],
                ..State::default()
            };
        }
        if let Some(kind) = [Pod::KIND, Deployment::KIND, Job::KIND, PersistentVolumeClaim::KIND]
            .into_iter()
            .find(|kind| self.snapshot.coverage(kind) != SyncState::Synced)
        {
            let waits = status(RestorePhase::Pending, format!("waits: {} cannot be listed", kind.plural));
            return State { status: Some(waits), ..State::default() };
        }
        let left = self.remaining_users(request);
        match (left.is_empty(), begun.is_some()) {
            (true, true) => running(Some(request.clone())),
            (true, false) => State {
                look_again: true,
                ..stopping(RestorePhase::Stopping, "no pod that uses the data runs".to_owned())
            },
            _ => {
                let more = left.len().saturating_sub(4);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let named = left.into_iter().take(4).collect::<Vec<_>>().join(", ");
                stopping(RestorePhase::Stopping, format!("waits for {named}{more} to terminate"))
            }
        }
    }

    /// Returns how a Job ended, from the output of its pod. An output that was read before stays when
    /// the pod no longer exists.
    fn ended(
        &self,
        known: Option<&RestoreStatus>,
        (job, end): (&Arc<Child>, &JobEnd),
        status: impl Fn(RestorePhase, String) -> RestoreStatus,
    ) -> RestoreStatus {
        let ended = backups::Ended { job, end };
        let told = known.filter(|known| known.phase.ended());
        if !end.succeeded {
            let fresh = || status(RestorePhase::Failed, backups::failure(&ended, self.snapshot));
            let told = told.cloned().unwrap_or_else(fresh);
            return RestoreStatus { completion_time: Some(Time(end.at)), ..told };
        }
        let Some(said) = backups::job_output(&ended, self.snapshot) else {
            let unheard = "the backup replaced the database; the output of its pod is not known";
            let fresh = || status(RestorePhase::Succeeded, unheard.to_owned());
            return RestoreStatus {
                completion_time: Some(Time(end.at)),
                ..told.cloned().unwrap_or_else(fresh)
            };
        };
        let text = |field: &str| said.get(field).and_then(serde_json::Value::as_str);
        let rows = said.get("rows").and_then(serde_json::Value::as_i64);
        let replaced: Option<String> = text("before").map(|name| name.chars().take(128).collect());
        let taken_at: Option<Timestamp> = text("takenAt").and_then(|time| time.parse().ok());
        let message = format!(
            "the data is from {}: {} rows; {}",
            taken_at.map_or_else(|| "the backup".to_owned(), |time| time.to_string()),
            rows.unwrap_or_default(),
            replaced.as_ref().map_or_else(
                || "no database existed before".to_owned(),
                |name| format!("the previous database is {name} on the same volume")
            )
        );
        RestoreStatus {
            completion_time: Some(Time(end.at)),
            rows,
            taken_at: taken_at.map(Time),
            replaced,
            ..status(RestorePhase::Succeeded, message)
        }
    }

    /// Reports a failure while the spec requests the restore that failed.
    fn failure(&self, asked: Option<&Restore>, status: Option<&RestoreStatus>) -> Option<Problem> {
        let asked = asked?;
        let failed = status
            .filter(|status| status.phase == RestorePhase::Failed && status.request_id == asked.request_id)?;
        Some(problem(
            Severity::Warning,
            reasons::RESTORE_FAILED,
            format!("Job {}", self.key(asked)),
            format!("restore '{}': {}", failed.request_id, failed.message),
        ))
    }
}
