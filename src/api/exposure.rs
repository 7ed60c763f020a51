//! Access for clients outside the Kubernetes cluster.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::StringMap,
    rules::{self, ingress as rule},
};

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
    #[x_kube(validation = rule::host_format())]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    #[default]
    Http,
    Grpc,
}

/// TLS for every host of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with the certificate, in the namespace of the servers.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub secret_name: String,
    /// cert-manager issuer that creates the Secret. Absent: you provide the Secret.
    pub issuer_ref: Option<IssuerRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct IssuerRef {
    /// Kind of the issuer. Default `Issuer`.
    pub kind: Option<IssuerKind>,
    /// Name of the Issuer or ClusterIssuer.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IssuerKind {
    #[default]
    Issuer,
    ClusterIssuer,
}

/// Cross-origin resource sharing (CORS). The ingress controller adds the headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::presence::origins_are_kept(),
    validation = rules::presence::switch_stays_off("pages of other origins could send requests")
)]
pub struct Cors {
    /// `false` turns CORS off and keeps its settings. Default true.
    pub enabled: Option<bool>,
    /// Allowed origins. Default `*`.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|https?://[a-z0-9*.:-]+)$"))
    )]
    pub allow_origins: Option<Vec<String>>,
    /// Allowed methods. Default `GET, PUT, POST, DELETE, PATCH, OPTIONS`.
    #[schemars(length(min = 1, max = 9))]
    pub allow_methods: Option<Vec<HttpMethod>>,
    /// Allowed request headers. Default: the usual request headers and `X-API-KEY`, which carries
    /// the API key.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))
    )]
    pub allow_headers: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
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
