//! The Gateway API.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A Gateway, and perhaps one listener of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Default: the cluster's namespace. Another one has to allow routes of this one in its listeners.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label())]
    pub namespace: Option<String>,
    /// Name of a listener. Default: every one that fits.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub section_name: Option<String>,
}
