//! The escape hatch: changes to generated objects that have no field of their own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use workload::api::patches::{Operation, PatchType};

use super::rules::{self, patches as rule};

/// A change to one generated object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::patch_by_its_type(), validation = rule::operations_by_their_type())]
pub struct ObjectPatch {
    /// The object. One that is not there is told as `PatchUnmatched`.
    pub target: PatchTarget,
    /// `Merge` (default): objects are merged, `null` removes, a list replaces the list. `Strategic`: lists of containers,
    /// variables, ports, volumes and listeners are merged by name, port or path too, and `$patch: delete` in an object
    /// removes it. Prefer that to `null`, which `kubectl apply` drops unless it is `--server-side`.
    /// `Json6902`: the `operations`.
    #[serde(rename = "type")]
    pub type_: Option<PatchType>,
    /// Laid over the object, at most 64 KiB. What has a field of its own, or keeps the cluster together, may not be
    /// changed here: names, owner, the operator's labels, selectors, replicas.
    #[schemars(schema_with = "super::schema::free_form")]
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub patch: Map<String, Value>,
    /// With `Json6902`, in place of `patch`: applied in their order, all of them or none. One that fails is refused.
    #[schemars(length(min = 1, max = 64))]
    pub operations: Option<Vec<Operation>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PatchTarget {
    /// Such as `Deployment`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rule::kind_format(), validation = rule::no_secret())]
    pub kind: String,
    /// Such as `logpilot-all`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}
