//! Derives the backup status from Jobs and the output of their pods. Pure, apart from the given time.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use serde_json::Value;

use super::{
    facts::Facts,
    model::{Backup, BackupJob, Cluster},
    problems::problem,
    schedule::Schedule,
};
use crate::{
    api::status::{BackupResult, BackupStatus, BackupSuccess, Problem, Severity},
    engine::{cache::Snapshot, child::Child, deadlines::DeadlineTracker},
    kinds::Managed,
    reasons,
    workload::health,
};

/// The status and the problems of the backups of one resource.
pub struct Backups {
    pub status: Vec<BackupStatus>,
    pub problems: Vec<Problem>,
}

/// Returns the oldest of the newest backups of all PVCs, for the table; `None` if one PVC has no backup
/// at all.
#[must_use]
pub fn oldest(status: &[BackupStatus]) -> Option<Time> {
    let times: Option<Vec<Time>> =
        status.iter().map(|one| one.last_success.as_ref().map(|success| success.time.clone())).collect();
    times?.into_iter().min()
}

/// Returns nothing if the spec requests no backups. The status of the last backup outlives its Job.
#[must_use]
pub fn observe(
    cluster: &Cluster,
    facts: &Facts,
    before: &[BackupStatus],
    snapshot: &Snapshot,
    clock: &DeadlineTracker,
) -> Backups {
    let mut all = Backups { status: Vec::new(), problems: Vec::new() };
    let Some(backup) = &cluster.backup else { return all };
    for job in &backup.jobs {
        let key = cluster.key(&job.name);
        let cron_job = format!("CronJob {key}");
        if facts.operator_image.0.is_none() {
            all.problems.push(problem(
                Severity::Warning,
                reasons::BACKUP_IMAGE_UNKNOWN,
                cron_job.clone(),
                "no backups are made: the operator does not know its own image".to_owned(),
            ));
        }
        let known = before.iter().find(|status| status.name == job.name);
        let ended = ended(job, snapshot);
        let schedule = Schedule::parse(&backup.schedule, &backup.time_zone).ok();
        let status = status(backup, job, known, (&ended, snapshot), schedule.as_ref(), clock.now());
        if let Some(last) = ended.last().filter(|last| !last.end.succeeded) {
            all.problems.push(problem(
                Severity::Warning,
                reasons::BACKUP_FAILED,
                last.job.to_string(),
                failure(last, snapshot),
            ));
        }
        let made =
            snapshot.get(CronJob::KIND, &key).and_then(|child| child.observed::<health::CronJob>()?.made);
        let newest = status.last_success.as_ref().map(|success| success.time.0).or(made);
        if let (Some(schedule), Some(newest), false) = (&schedule, newest, backup.suspend)
            && let Some(late) = schedule.late(newest)
            && clock.expired(0, late.as_second())
        {
            let what = if status.last_success.is_some() {
                "the newest backup was made at"
            } else {
                "no backup was made since"
            };
            let message = format!("{what} {newest}; the next one was due and did not succeed by {late}");
            all.problems.push(problem(Severity::Warning, reasons::BACKUP_OLD, cron_job, message));
        }
        all.status.push(status);
    }
    all
}

/// A Job that ended.
pub(super) struct Ended<'a> {
    pub(super) job: &'a Arc<Child>,
    pub(super) end: &'a health::JobEnd,
}

/// Returns the Jobs that ended, oldest first.
fn ended<'a>(job: &BackupJob, snapshot: &'a Snapshot) -> Vec<Ended<'a>> {
    let mut all: Vec<Ended<'a>> = snapshot
        .of_kind(Job::KIND)
        .filter(|child| {
            child.controller.as_ref().is_some_and(|owner| owner.kind == "CronJob" && owner.name == job.name)
        })
        .filter_map(|child| {
            let end = child.observed::<health::Job>()?.end.as_ref()?;
            Some(Ended { job: child, end })
        })
        .collect();
    all.sort_by_key(|ended| ended.end.at);
    all
}

fn status(
    backup: &Backup,
    job: &BackupJob,
    known: Option<&BackupStatus>,
    (ended, snapshot): (&[Ended<'_>], &Snapshot),
    schedule: Option<&Schedule>,
    now: Timestamp,
) -> BackupStatus {
    let newest = ended.iter().rev().find(|ended| ended.end.succeeded).map(|ended| success(ended, snapshot));
    let known_success = known.and_then(|known| known.last_success.clone());
    let last_success = match (newest, known_success) {
        // The pod may no longer exist, or its output may not have arrived yet: keep what was read before.
        (Some(new), Some(old)) if old.time > new.time || (old.time == new.time && new.file.is_empty()) => {
            Some(old)
        }
        (new, old) => new.or(old),
    };
    let last = ended.last().map(|last| {
        let result = if last.end.succeeded { BackupResult::Succeeded } else { BackupResult::Failed };
        (result, Time(last.end.at))
    });
    let last =
        last.or_else(|| known.and_then(|known| Some((known.last_result?, known.last_result_time.clone()?))));
    BackupStatus {
        name: job.name.clone(),
        last_success,
        last_result: last.as_ref().map(|(result, _)| *result),
        last_result_time: last.map(|(_, time)| time),
        next_schedule: schedule.filter(|_| !backup.suspend).and_then(|schedule| schedule.next(now)).map(Time),
    }
}

/// Returns the parsed output of the pod that completed the Job.
pub(super) fn job_output(ended: &Ended<'_>, snapshot: &Snapshot) -> Option<Value> {
    pods(ended, snapshot).find_map(|pod| serde_json::from_str(pod.said.as_deref()?).ok())
}

/// Returns the result of a successful Job. The output of its pod is the line that `logpilot-operator
/// backup` writes.
fn success(ended: &Ended<'_>, snapshot: &Snapshot) -> BackupSuccess {
    let said = job_output(ended, snapshot).unwrap_or_default();
    let available = said.get("available").and_then(Value::as_array);
    BackupSuccess {
        time: Time(ended.end.at),
        file: said.get("file").and_then(Value::as_str).unwrap_or_default().chars().take(64).collect(),
        size: said.get("size").and_then(Value::as_i64).unwrap_or(0),
        rows: said.get("rows").and_then(Value::as_i64).unwrap_or(0),
        available: available
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| crate::backup::is_backup_name(name))
            .take(20)
            .map(str::to_owned)
            .collect(),
    }
}

pub(super) fn failure(ended: &Ended<'_>, snapshot: &Snapshot) -> String {
    let cause = &ended.end.cause;
    let words = pods(ended, snapshot)
        .filter_map(|pod| pod.terminated.as_ref())
        .map(|end| end.words.text().to_owned());
    match words.filter(|words| !words.is_empty()).last() {
        Some(words) => format!("{} ({})", words, cause.reason),
        None => format!("{}: {}", cause.reason, cause.message),
    }
}

fn pods<'a>(ended: &'a Ended<'_>, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a health::Pod> {
    let pods = snapshot.of_kind(Pod::KIND).filter_map(|child| child.observed::<health::Pod>());
    pods.filter(|pod| pod.job.as_ref() == Some(&ended.job.key.name))
}
