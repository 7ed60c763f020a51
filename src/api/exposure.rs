//! How clients outside the cluster reach the server.

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
    /// An Ingress.
    pub ingress: Option<Ingress>,
    /// Routes of the Gateway API, on a Gateway of your own or on one that is made here.
    pub gateway: Option<super::gateway::Gateway>,
}

/// An Ingress, and a second one for gRPC rules: the backend protocol is a setting of a whole Ingress.
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
    /// `false` removes the Ingress and keeps its settings.
    pub enabled: Option<bool>,
    /// Default: the cluster's default class.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: Option<String>,
    /// Settings of the ingress controller that have no field here.
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
    /// Hosts and paths. Components have to be named where more than one runs.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rule::unique_locations(), validation = rule::one_rewrite())]
    pub rules: Vec<IngressRule>,
    /// TLS for every host of the rules.
    pub tls: Option<Tls>,
    /// Cross-origin requests.
    pub cors: Option<Cors>,
    /// Requests per client address.
    pub rate_limit: Option<RateLimit>,
}

/// One host and path, and the component that answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule::rewrite_only_http())]
pub struct IngressRule {
    /// A DNS name, optionally with one leading `*.`. Default: every host that no other rule names, those of other
    /// resources included.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::host_format("logpilot.example.com"))]
    pub host: Option<String>,
    /// A path prefix. Default `/`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::path_format())]
    pub path: Option<String>,
    /// What the server sees in the place of `path`: with `/`, a request to `/logs/api` with path `/logs` arrives as `/api`.
    /// Default: requests arrive as they are. Only for protocol Http.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::path_format())]
    pub rewrite: Option<String>,
    /// `all`, `rest` or `grpc`. Default: the only component there is.
    pub component: Option<ComponentKey>,
    /// Default `Http`.
    pub protocol: Option<Protocol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKey {
    All,
    Rest,
    Grpc,
}

/// Requests per client address, enforced by the ingress controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// `false` leaves the limit out and keeps its setting.
    pub enabled: Option<bool>,
    /// From one address.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: i32,
}
