//! Remembers the status that the operator last wrote for a resource, and the last observed spec. Losing
//! this costs one comparison: after a restart, both are read from the resource.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::api::DynamicObject;
use serde_json::Value;

use super::{
    backoff,
    write_backoff::{self, CONTESTED_RESET},
};

/// Time for which a resource that was found to be deleted counts as deleted before the event arrives.
pub const GONE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Written {
    version: u64,
    status: Value,
    at: Instant,
    /// Number of times the status was reverted, and the time of the last revert.
    repairs: u32,
    repaired: Instant,
}

impl Written {
    /// Returns whether the last revert was so long ago that the status is no longer contested.
    fn calm(&self) -> bool {
        self.repaired.elapsed()
            >= CONTESTED_RESET + write_backoff::pause(self.repairs, backoff::FAILURE).unwrap_or_default()
    }
}

#[derive(Default)]
struct Known {
    written: Option<Written>,
    /// Generation and spec that were observed last.
    spec: Option<(Option<i64>, Value)>,
    /// When the resource was found to be deleted.
    missed: Option<Instant>,
}

/// Status history of one resource.
#[derive(Default)]
pub struct StatusHistory(Mutex<Known>);

impl StatusHistory {
    /// Returns the newest known status: the resource's own, or the one that the operator wrote after
    /// that version.
    #[must_use]
    pub fn status(&self, object: &DynamicObject) -> Value {
        let live = object.data.get("status").cloned().unwrap_or(Value::Null);
        match self.written() {
            Some(written) if written.version > version(object) => written.status,
            _ => live,
        }
    }

    /// Returns the newest known version of the resource.
    #[must_use]
    pub fn version(&self, object: &DynamicObject) -> u64 {
        self.written().map_or(0, |written| written.version).max(version(object))
    }

    /// Returns whether another client has written the status since the operator did.
    #[must_use]
    pub fn is_foreign(&self, object: &DynamicObject) -> bool {
        self.written().is_some_and(|written| {
            version(object) > written.version && object.data.get("status") != Some(&written.status)
        })
    }

    /// Returns how long a change of counts has to wait. Such changes are written at most once per
    /// `pause`.
    #[must_use]
    pub fn too_soon(&self, pause: Duration) -> Option<Duration> {
        pause.checked_sub(self.written()?.at.elapsed())
    }

    /// Returns how long this status has to wait because another client keeps reverting it.
    #[must_use]
    pub fn contested(&self, object: &DynamicObject, wanted: &Value) -> Option<Duration> {
        let written = self.written().filter(|_| self.is_foreign(object))?;
        let pause = write_backoff::pause(written.repairs, backoff::FAILURE)
            .filter(|_| timeless(&written.status) == timeless(wanted))?;
        pause.checked_sub(written.at.elapsed())
    }

    /// Records a written status. `answer` is the resource as the API server returned it. Returns
    /// whether another client keeps reverting the status.
    pub fn record(&self, answer: &Value) -> bool {
        let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let status = answer.get("status").cloned().unwrap_or(Value::Null);
        let now = Instant::now();
        // A new status does not stop the other client, so it does not reset the counter.
        let before = self.written().filter(|before| !before.calm());
        let (repairs, repaired) = match before {
            Some(before) if timeless(&before.status) == timeless(&status) => {
                (before.repairs.saturating_add(1), now)
            }
            Some(before) => (before.repairs, before.repaired),
            None => (0, now),
        };
        let written = Written {
            version: version.and_then(|version| version.parse().ok()).unwrap_or(0),
            status,
            at: now,
            repairs,
            repaired,
        };
        let contested = write_backoff::pause(written.repairs, backoff::FAILURE).is_some();
        self.lock().written = Some(written);
        contested
    }

    /// Returns the spec of an earlier generation if it was observed, and remembers this one.
    pub fn previous_spec(&self, object: &DynamicObject) -> Option<Value> {
        let spec = object.data.get("spec").cloned().unwrap_or(Value::Null);
        let generation = object.metadata.generation;
        let (before, spec) = self.lock().spec.replace((generation, spec))?;
        (before != generation).then_some(spec)
    }

    /// Records that the resource was found to be deleted before the event arrived. Returns when to
    /// check again.
    pub fn miss(&self) -> Duration {
        self.lock().missed = Some(Instant::now());
        GONE
    }

    /// Returns how long the resource still counts as deleted.
    #[must_use]
    pub fn missing(&self) -> Option<Duration> {
        let missed = self.lock().missed?;
        GONE.checked_sub(missed.elapsed())
    }

    fn written(&self) -> Option<Written> {
        self.lock().written.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a status without the transition times of its conditions, which change with each revert.
fn timeless(status: &Value) -> Value {
    let mut status = status.clone();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = condition.as_object_mut() {
            fields.remove("lastTransitionTime");
        }
    }
    status
}

fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::write_backoff::CONTESTED_AFTER;

    fn resource(version: u64, status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": { "name": "x", "uid": "u", "resourceVersion": version.to_string() },
            "status": status,
        }))
        .unwrap()
    }

    fn status(reason: &str, second: u64) -> Value {
        json!({ "conditions": [{ "reason": reason, "lastTransitionTime": second }] })
    }

    #[test]
    fn a_deleted_resource_stays_deleted_for_a_while() {
        let memory = StatusHistory::default();
        assert_eq!(memory.missing(), None);
        assert_eq!(memory.miss(), GONE);
        assert!(memory.missing().is_some_and(|wait| wait <= GONE));
        memory.lock().missed = Instant::now().checked_sub(GONE + Duration::from_secs(1));
        assert_eq!(memory.missing(), None);
    }

    #[test]
    fn a_contested_status_is_reverted_with_backoff() {
        let memory = StatusHistory::default();
        let write = |version: u64, status: &Value| {
            memory.record(&serde_json::to_value(resource(version, status)).unwrap())
        };
        assert!(!write(1, &status("Ready", 0)));
        for time in 0..u64::from(CONTESTED_AFTER) {
            let foreign = resource(2 * time + 2, &status("Other", time));
            assert!(memory.is_foreign(&foreign));
            assert_eq!(memory.contested(&foreign, &status("Ready", time)), None, "{time}");
            assert_eq!(write(2 * time + 3, &status("Ready", time)), time + 1 == u64::from(CONTESTED_AFTER));
        }
        let foreign = resource(100, &status("Other", 0));
        let wait = memory.contested(&foreign, &status("Ready", 11)).unwrap();
        assert!(wait > Duration::from_millis(500) && wait <= backoff::FIRST, "{wait:?}");
        // A new status is not a revert, and an uncontested status waits for nothing.
        assert_eq!(memory.contested(&foreign, &status("NotReady", 11)), None);
        assert_eq!(memory.contested(&resource(21, &status("Ready", 9)), &status("Ready", 11)), None);
        // It is still contested, until it was left alone for a while.
        assert!(write(101, &status("NotReady", 12)));
        let foreign = resource(102, &status("Other", 12));
        assert!(memory.contested(&foreign, &status("NotReady", 12)).is_some());
        let earlier = Instant::now().checked_sub(CONTESTED_RESET + 2 * backoff::FIRST).unwrap();
        memory.lock().written.as_mut().unwrap().repaired = earlier;
        assert!(!write(103, &status("Ready", 13)));
        assert_eq!(memory.contested(&resource(104, &status("Other", 13)), &status("Ready", 13)), None);
    }
}
