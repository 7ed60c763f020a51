//! What is remembered of a resource's status: the one last written and the spec last seen.
//! Losing it costs nothing but one comparison: a restart reads both from the resource.

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

/// How long a resource counts as gone that was found not to be there, though no event said so yet.
pub const GONE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Written {
    version: u64,
    status: Value,
    at: Instant,
    /// How often it was put right as it was, and when last.
    repairs: u32,
    repaired: Instant,
}

impl Written {
    /// Nothing had to be put right for so long that it is no longer contested.
    fn calm(&self) -> bool {
        self.repaired.elapsed()
            >= CONTESTED_RESET + write_backoff::pause(self.repairs, backoff::FAILURE).unwrap_or_default()
    }
}

#[derive(Default)]
struct Known {
    written: Option<Written>,
    /// Generation and spec last seen.
    spec: Option<(Option<i64>, Value)>,
    /// When it was found not to be there any more.
    missed: Option<Instant>,
}

/// Of one resource.
#[derive(Default)]
pub struct StatusHistory(Mutex<Known>);

impl StatusHistory {
    /// The newest status there is: the resource's own, or what we wrote after that view of it.
    #[must_use]
    pub fn status(&self, object: &DynamicObject) -> Value {
        let live = object.data.get("status").cloned().unwrap_or(Value::Null);
        match self.written() {
            Some(written) if written.version > version(object) => written.status,
            _ => live,
        }
    }

    /// The newest version of the resource that is known.
    #[must_use]
    pub fn version(&self, object: &DynamicObject) -> u64 {
        self.written().map_or(0, |written| written.version).max(version(object))
    }

    /// Somebody else wrote the status since we did.
    #[must_use]
    pub fn is_foreign(&self, object: &DynamicObject) -> bool {
        self.written().is_some_and(|written| {
            version(object) > written.version && object.data.get("status") != Some(&written.status)
        })
    }

    /// How long a change of counts has to wait, where one is written at most so often.
    #[must_use]
    pub fn too_soon(&self, pause: Duration) -> Option<Duration> {
        pause.checked_sub(self.written()?.at.elapsed())
    }

    /// How long this status has to wait, where somebody changes it as often as it is written.
    #[must_use]
    pub fn contested(&self, object: &DynamicObject, wanted: &Value) -> Option<Duration> {
        let written = self.written().filter(|_| self.is_foreign(object))?;
        let pause = write_backoff::pause(written.repairs, backoff::FAILURE)
            .filter(|_| timeless(&written.status) == timeless(wanted))?;
        pause.checked_sub(written.at.elapsed())
    }

    /// A status was written; `answer` is the resource as the API server returned it. Whether somebody changes it as often.
    pub fn record(&self, answer: &Value) -> bool {
        let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let status = answer.get("status").cloned().unwrap_or(Value::Null);
        let now = Instant::now();
        // Whoever changes it is not done because we have something new to say, which takes nothing off the count.
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

    /// The spec of an earlier generation, where it was seen; remembers this one.
    pub fn previous_spec(&self, object: &DynamicObject) -> Option<Value> {
        let spec = object.data.get("spec").cloned().unwrap_or(Value::Null);
        let generation = object.metadata.generation;
        let (before, spec) = self.lock().spec.replace((generation, spec))?;
        (before != generation).then_some(spec)
    }

    /// It is gone, though no event said so yet: answers after how long to come again.
    pub fn miss(&self) -> Duration {
        self.lock().missed = Some(Instant::now());
        GONE
    }

    /// How long it counts as gone.
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

/// A status without the times of its conditions, which change with each repair.
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
    fn a_resource_found_gone_counts_as_gone_for_a_while() {
        let memory = StatusHistory::default();
        assert_eq!(memory.missing(), None);
        assert_eq!(memory.miss(), GONE);
        assert!(memory.missing().is_some_and(|wait| wait <= GONE));
        memory.lock().missed = Instant::now().checked_sub(GONE + Duration::from_secs(1));
        assert_eq!(memory.missing(), None);
    }

    #[test]
    fn a_status_that_others_change_again_and_again_is_put_right_ever_more_rarely() {
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
        // What is new is no repair, and what nobody changed waits for nothing.
        assert_eq!(memory.contested(&foreign, &status("NotReady", 11)), None);
        assert_eq!(memory.contested(&resource(21, &status("Ready", 9)), &status("Ready", 11)), None);
        // But it is as contested, until it was left alone for a while.
        assert!(write(101, &status("NotReady", 12)));
        let foreign = resource(102, &status("Other", 12));
        assert!(memory.contested(&foreign, &status("NotReady", 12)).is_some());
        let earlier = Instant::now().checked_sub(CONTESTED_RESET + 2 * backoff::FIRST).unwrap();
        memory.lock().written.as_mut().unwrap().repaired = earlier;
        assert!(!write(103, &status("Ready", 13)));
        assert_eq!(memory.contested(&resource(104, &status("Other", 13)), &status("Ready", 13)), None);
    }
}
