//! Access for clients outside the Kubernetes cluster.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::{
    StringMap,
    api::exposure::{Cors, Protocol, Tls},
};

use super::rules::{self, ingress as rule};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = super::rules::gateway::one_way_per_host())]
pub struct Exposure {
    /// Ingress in front of the components.
    pub ingress: Option<Ingress>,
    /// Routes of the Gateway API, on an existing Gateway or on one that the operator creates.
    pub gateway: Option<super::gateway::Gateway>,
}

/// An Ingress. gRPC rules are in a second Ingress, because the backend protocol is a setting of a
/// whole Ingress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::certificate_needs_host(),
    validation = rules::presence::tls_is_kept_on_ingress(),
    validation = rules::presence::switch_stays_off("clients could connect"),
    validation = rules::presence::ingress_class_is_kept(),
    validation = rules::widening::rules_stay_narrow(),
    validation = rules::widening::ingress_guards_are_kept()
)]
pub struct Ingress {
    /// `false` removes the Ingress and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// IngressClass. Default: the default IngressClass of the Kubernetes cluster.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: Option<String>,
    /// Annotations of the Ingress, for settings of the ingress controller that have no field here.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(
        validation = rules::metadata::qualified_keys(),
        validation = rules::metadata::no_reserved_annotations(),
        validation = rule::no_dangerous_annotations(),
        validation = rule::no_owned_annotations(),
        validation = rule::no_injected_values(),
        validation = rule::no_injected_login()
    )]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
    /// Hosts and paths. If more than one component runs, each rule must name its component.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rule::unique_locations(), validation = rule::one_rewrite())]
    pub rules: Vec<IngressRule>,
    /// TLS for all hosts of the rules.
    pub tls: Option<Tls>,
    /// Cross-origin resource sharing (CORS). Absent: no CORS headers.
    pub cors: Option<Cors>,
    /// Rate limit per client address. Absent: no limit.
    pub rate_limit: Option<RateLimit>,
}

/// One host and path, and the component that serves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::rewrite_only_http())]
pub struct IngressRule {
    /// DNS name, optionally with one leading `*.`. Absent: all hosts that no other rule names,
    /// including the rules of other resources.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::host_format("logpilot.example.com"))]
    pub host: Option<String>,
    /// Path prefix. Default `/`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::path_format())]
    pub path: Option<String>,
    /// Replacement for `path` in requests to the server. With `/`, a request to `/logs/api` with
    /// path `/logs` arrives as `/api`. Only for protocol `Http`. Absent: requests arrive unchanged.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::path_format())]
    pub rewrite: Option<String>,
    /// Component that serves the requests: `all`, `rest` or `grpc`. Default: the only component
    /// that runs.
    pub component: Option<ComponentKey>,
    /// Protocol of the requests. Default `Http`.
    pub protocol: Option<Protocol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKey {
    All,
    Rest,
    Grpc,
}

/// Rate limit per client address. The ingress controller enforces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// `false` removes the limit and keeps its setting. Default true.
    pub enabled: Option<bool>,
    /// Requests per second from one client address.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: i32,
}
