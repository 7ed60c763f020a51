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
    /// Secret with the certificate, in the cluster's namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub secret_name: String,
    /// A cert-manager issuer that makes the Secret.
    pub issuer_ref: Option<IssuerRef>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct IssuerRef {
    /// Default `Issuer`.
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

/// Cross-origin requests, answered by the ingress controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::presence::origins_are_kept(),
    validation = rules::presence::switch_stays_off("pages of other origins could connect")
)]
pub struct Cors {
    /// `false` leaves CORS out and keeps its settings.
    pub enabled: Option<bool>,
    /// Default `*`.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 253), regex(pattern = r"^(\*|https?://[a-z0-9*.:-]+)$"))
    )]
    pub allow_origins: Option<Vec<String>>,
    /// Default `GET, PUT, POST, DELETE, PATCH, OPTIONS`.
    #[schemars(length(min = 1, max = 9))]
    pub allow_methods: Option<Vec<HttpMethod>>,
    /// Default: the usual request headers and `X-API-KEY`, which carries the key.
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
