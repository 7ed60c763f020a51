//! Patches: changes to generated objects that have no field of their own.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// One operation of a JSON Patch (RFC 6902).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::from_by_its_operation())]
pub struct Operation {
    /// Operation to apply. `test` rejects the patch if the value differs.
    pub op: Op,
    /// JSON pointer to the field, such as `/spec/template/spec/hostAliases`. `~1` stands for a
    /// slash in a name, `~0` for a tilde, `-` for the end of a list.
    #[schemars(length(min = 2, max = 1024))]
    #[x_kube(validation = rule::pointer())]
    pub path: String,
    /// JSON pointer to the source of `move` and `copy`. Not allowed for other operations.
    #[schemars(length(min = 2, max = 1024))]
    #[x_kube(validation = rule::pointer())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Value of `add`, `replace` and `test`.
    #[schemars(schema_with = "super::schema::anything")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
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

// No doc comment: it would replace the description of the field in the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatchType {
    /// JSON Merge Patch (RFC 7386).
    #[default]
    Merge,
    /// Strategic merge as in kubectl, with the merge keys that `logpilot::patches` names.
    Strategic,
    /// JSON Patch (RFC 6902).
    Json6902,
}
