//! The status of a stack. Every field is optional to readers, so that an old status stays readable.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::component::ComponentKind;
use crate::{api::status::LastChange, workload::problems::Problem};

/// The state of the stack, as the operator reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStackStatus {
    /// `Ready`, `Accepted`, `Applied`; `Reconciling`, `Stalled` and `Warning` are present only while true.
    #[schemars(schema_with = "crate::workload::api::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The generation that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready and enabled components, `4/8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub ready: Option<String>,
    /// The components that others wait for, without those that only wait themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub waiting: Option<String>,
    /// One word for the table: `Ready`, `Paused`, or the reason of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub summary: Option<String>,
    /// Problems of severity Error.
    pub problem_count: i32,
    /// Problems of severity Warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_count: Option<i32>,
    /// First address from outside the Kubernetes cluster, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// Number of tiers: components of one tier start together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiers: Option<i32>,
    /// The components, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentStatus>,
    /// Generated Secrets. The UID tells a lost Secret from a new one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secrets: Vec<SecretStatus>,
    /// The last change of the spec that was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<LastChange>,
    /// At most 32, the most severe first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub problems: Vec<StackProblem>,
}

/// One component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ComponentStatus {
    /// Name of the component, its key in the spec.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Kind of the component.
    pub kind: ComponentKind,
    /// Components of tier 1 depend on none.
    pub tier: i32,
    /// Where the component is between its creation and `Ready`.
    pub phase: Phase,
    /// Ready and wanted pods, `1/1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub ready: Option<String>,
    /// Image of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// It was complete once, so that it is created again without waiting for its dependencies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub started: bool,
    /// Hash of the last template that was completely rolled out, or of the Job that completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reached: Option<String>,
    /// Hash of the last restart, or of the last rerun of a Job, that an annotation requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub restart: Option<String>,
    /// Dependencies that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub blocked_by: Vec<Blocker>,
}

/// A dependency that a component waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Blocker {
    /// Name of the dependency.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Why it is not ready.
    #[schemars(length(max = 256))]
    pub why: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Waits for a dependency.
    #[default]
    Waiting,
    /// Runs for the first time and is not ready yet.
    Starting,
    /// A change is being rolled out.
    Updating,
    Ready,
    /// It was ready and is not.
    Degraded,
    Failed,
    /// A Job that succeeded.
    Completed,
    /// It was scaled to zero, and pods are still terminating.
    Stopping,
    Stopped,
    /// An address outside the stack.
    NotChecked,
    Disabled,
}

/// A generated Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name"]))]
pub struct SecretStatus {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
    /// UID of the Secret.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// A problem, the component that has it, and those that suffer from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StackProblem {
    #[serde(flatten)]
    pub problem: Problem,
    /// Name of the component with the problem. Absent if no single component has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub component: Option<String>,
    /// Components that depend on it, directly or through others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub affects: Vec<String>,
}

impl StackProblem {
    /// The same problem of an object of the stack, in place of the stack itself.
    #[must_use]
    pub fn of_object(self, object: String) -> Self {
        Self { problem: Problem { object, ..self.problem }, ..self }
    }
}
