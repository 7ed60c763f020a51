//! The objects that should exist, as untyped JSON: they are written, compared and printed. This module
//! has no client.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::kind::Kind;

/// Identifies an object of a known kind.
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

/// The source of a workload's number of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// The plan: the body contains the number. Also for all objects without replicas.
    #[default]
    Planned,
    /// An autoscaler of the plan: the body contains no number, and a new workload starts with
    /// `initial`.
    Autoscaled { initial: i32 },
    /// An autoscaler of another owner: the body contains the number that the plan would set, and the
    /// live number stays.
    AutoscaledByOthers,
    /// The plan, enforced without delay: more pods than planned would damage the data. The pause
    /// between two reverts stays short.
    Enforced,
}

/// One object of a plan.
#[derive(Clone, PartialEq)]
pub struct Planned {
    pub kind: &'static Kind,
    pub key: Key,
    /// The whole object, from `apiVersion` to `spec`, with only the fields that the operator sets.
    pub body: Value,
    pub replicas: Replicas,
    /// Set if the object is neither written nor pruned for now: the reason.
    pub held: Option<&'static str>,
}

/// Prints only the object's name: a body may contain a secret.
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
    /// Adds an object of this kind. `replicas` says who sets its replicas, and `held` why it must not
    /// be changed now.
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
            // The plan contains the desired state only; other controllers write the status.
            map.remove("status");
        }
        let text = |field: &str| body.pointer(field).and_then(Value::as_str).map(str::to_owned);
        let key =
            Key { namespace: text("/metadata/namespace"), name: text("/metadata/name").unwrap_or_default() };
        self.objects.push(Planned { kind, key, body, replicas, held });
    }

    /// Returns the objects in the order in which they are written.
    #[must_use]
    pub fn in_apply_order(&self) -> Vec<&Planned> {
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort_by_key(|planned| planned.kind.wave);
        objects
    }
}

/// Converts an object to JSON. The typed objects of the builders have string keys and finite numbers
/// only, so this cannot fail. If it failed, the API server would reject the empty object, so nothing
/// would be written.
fn to_json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_else(|_| Value::Object(Map::new()))
}
