//! Changes to generated objects.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rules::patches as rule;

/// One operation of RFC 6902.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::from_by_its_operation())]
pub struct Operation {
    /// What to do. `test` refuses the patch where the value is another one.
    pub op: Op,
    /// Such as `/spec/template/spec/hostAliases`; `~1` is a slash in a name, `~0` a tilde, `-` the end of a list.
    #[schemars(length(min = 2, max = 1024))]
    #[x_kube(validation = rule::pointer())]
    pub path: String,
    /// Where `move` and `copy` take the value from.
    #[schemars(length(min = 2, max = 1024))]
    #[x_kube(validation = rule::pointer())]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What `add`, `replace` and `test` need.
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

// No doc comment: it would stand in the schema in place of what the field says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PatchType {
    /// RFC 7386.
    #[default]
    Merge,
    /// As kubectl's, with the merge keys that `patches` names.
    Strategic,
    /// RFC 6902.
    Json6902,
}
