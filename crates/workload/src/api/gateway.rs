//! The Gateway API.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// A reference to a Gateway, or to one of its listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Namespace of the Gateway. The listeners of a Gateway in another namespace must allow routes
    /// from the namespace of the servers. Default: the namespace of the servers.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label())]
    pub namespace: Option<String>,
    /// Name of a listener. Absent: all listeners that match.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub section_name: Option<String>,
}
