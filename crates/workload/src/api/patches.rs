//! Changes to generated objects.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rules::patches as rule;

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

// No doc comment: it would replace the description of the field in the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatchType {
    /// JSON Merge Patch (RFC 7386).
    #[default]
    Merge,
    /// As kubectl's, with the merge keys that `patches` names.
    Strategic,
    /// JSON Patch (RFC 6902).
    Json6902,
}
