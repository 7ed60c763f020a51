//! Patches: changes to generated objects that have no field of their own.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use workload::api::patches::{Operation, PatchType};

use super::rules::{self, patches as rule};

/// A change to one generated object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::patch_by_its_type(), validation = rule::operations_by_their_type())]
pub struct ObjectPatch {
    /// Object to change. If it does not exist, the operator reports `PatchUnmatched`.
    pub target: PatchTarget,
    /// Type of the patch. `Merge`: objects are merged, `null` removes a field, a list replaces the
    /// list. `Strategic`: in addition, lists of containers, variables, ports, volumes and listeners
    /// are merged by name, port or path, and `$patch: delete` in an object removes it. Prefer
    /// `$patch: delete` to `null`, which `kubectl apply` drops unless you use `--server-side`.
    /// `Json6902`: the `operations`. Default `Merge`.
    #[serde(rename = "type")]
    pub type_: Option<PatchType>,
    /// Patch of type `Merge` or `Strategic`, at most 64 KiB. It must not change what has a field of
    /// its own or what the operator depends on: names, owner references, the operator's labels,
    /// selectors, replicas.
    #[schemars(schema_with = "super::schema::free_form")]
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub patch: Map<String, Value>,
    /// Operations of type `Json6902`, in place of `patch`. They are applied in order, all or none.
    /// A patch with a failing operation is rejected.
    #[schemars(length(min = 1, max = 64))]
    pub operations: Option<Vec<Operation>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PatchTarget {
    /// Kind of the object, such as `Deployment`. `Secret` is not allowed.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rule::kind_format(), validation = rule::no_secret())]
    pub kind: String,
    /// Name of the object, such as `logpilot-all`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}
