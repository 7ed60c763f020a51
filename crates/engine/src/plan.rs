//! The objects that should exist, typed no longer: what is written, compared and printed. No client here.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::kind::Kind;

/// Names an object of a known kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{namespace}/{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Who decides the number of pods of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// The plan: its body says how many. Also for everything that has no replicas.
    #[default]
    Planned,
    /// An autoscaler of the plan: the body says nothing, and `initial` is where a new workload starts.
    Autoscaled { initial: i32 },
    /// An autoscaler that others brought: the body says what the plan would have, and the live number stays.
    AutoscaledByOthers,
    /// The plan, and at once: more pods than it says would harm the data. The pause between two repairs stays short.
    Enforced,
}

/// One object of a plan.
#[derive(Clone, PartialEq)]
pub struct Planned {
    pub kind: &'static Kind,
    pub key: Key,
    /// The whole object, `apiVersion` to `spec`: only the fields we mean.
    pub body: Value,
    pub replicas: Replicas,
    /// Neither written nor pruned for now, and why.
    pub held: Option<&'static str>,
}

/// Names the object only: a body may hold a secret.
impl fmt::Debug for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.kind, self.key)
    }
}

/// Every object that should exist, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub objects: Vec<Planned>,
}

impl Plan {
    /// Adds an object of this kind, with who decides its replicas and why it may not be touched now.
    pub fn push(
        &mut self,
        kind: &'static Kind,
        object: &impl Serialize,
        replicas: Replicas,
        held: Option<&'static str>,
    ) {
        let mut body = to_json(object);
        if let Some(map) = body.as_object_mut() {
            map.insert("apiVersion".into(), kind.api_version().into());
            map.insert("kind".into(), kind.kind.into());
            // A spec is desired; a status is not ours to write.
            map.remove("status");
        }
        let text = |field: &str| body.pointer(field).and_then(Value::as_str).map(str::to_owned);
        let key =
            Key { namespace: text("/metadata/namespace"), name: text("/metadata/name").unwrap_or_default() };
        self.objects.push(Planned { kind, key, body, replicas, held });
    }

    /// The objects in the order in which they are written.
    #[must_use]
    pub fn in_apply_order(&self) -> Vec<&Planned> {
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort_by_key(|planned| planned.kind.wave);
        objects
    }
}

/// Typed objects of our builders have string keys and finite numbers only, so this cannot fail;
/// were it to, the empty object is refused by the API server and never written.
fn to_json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_else(|_| Value::Object(Map::new()))
}
