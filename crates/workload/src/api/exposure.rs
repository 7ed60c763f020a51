//! How clients outside the cluster reach components: what an Ingress and the Gateway API share.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

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
