//! What is remembered of each resource between reconciles: the status last written and the spec last seen.
//! Losing it costs nothing but one comparison: a restart reads both from the resource.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

/// A change of counts alone is written at most this often.
pub const COUNTS: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Written {
    uid: Option<String>,
    version: u64,
    status: Value,
    at: Instant,
}

/// UID, generation and spec of a resource.
type Seen = (Option<String>, Option<i64>, Value);

#[derive(Default)]
pub struct Memory {
    written: Mutex<HashMap<String, Written>>,
    specs: Mutex<HashMap<String, Seen>>,
}

impl Memory {
    /// The newest status there is: the resource's own, or what we wrote after that view of it.
    #[must_use]
    pub fn status(&self, object: &DynamicObject) -> Value {
        let live = object.data.get("status").cloned().unwrap_or(Value::Null);
        match self.of(object) {
            Some(written) if written.version > version(object) => written.status,
            _ => live,
        }
    }

    /// Somebody else wrote the status since we did.
    #[must_use]
    pub fn is_foreign(&self, object: &DynamicObject) -> bool {
        self.of(object).is_some_and(|written| {
            version(object) > written.version && object.data.get("status") != Some(&written.status)
        })
    }

    /// How long a change of counts has to wait.
    #[must_use]
    pub fn too_soon(&self, object: &DynamicObject) -> Option<Duration> {
        COUNTS.checked_sub(self.of(object)?.at.elapsed())
    }

    /// A status was written; `answer` is the resource as the API server returned it.
    pub fn wrote(&self, object: &DynamicObject, answer: &Value) {
        let version = answer.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        let written = Written {
            uid: object.uid(),
            version: version.and_then(|version| version.parse().ok()).unwrap_or(0),
            status: answer.get("status").cloned().unwrap_or(Value::Null),
            at: Instant::now(),
        };
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(object.name_any(), written);
    }

    /// The spec of an earlier generation, where it was seen; remembers this one.
    pub fn previous_spec(&self, object: &DynamicObject) -> Option<Value> {
        let spec = object.data.get("spec").cloned().unwrap_or(Value::Null);
        let mut specs = self.specs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = specs.insert(object.name_any(), (object.uid(), object.metadata.generation, spec));
        before
            .filter(|(uid, generation, _)| *uid == object.uid() && *generation != object.metadata.generation)
            .map(|(_, _, spec)| spec)
    }

    pub fn forget(&self, name: &str) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.specs.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn of(&self, object: &DynamicObject) -> Option<Written> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(&object.name_any()).filter(|written| written.uid == object.uid()).cloned()
    }
}

fn version(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
