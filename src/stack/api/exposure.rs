//! How clients outside the Kubernetes cluster reach the components of a stack.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rules as rule;
use crate::workload::api::{
    exposure::Tls,
    gateway::ParentRef,
    rules::{self, ingress},
};

/// An Ingress, routes of the Gateway API, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Exposure {
    /// An Ingress. It is created when every component that it names has been ready once.
    pub ingress: Option<Ingress>,
    /// Routes of the Gateway API. They are created when every component that they name has been ready once.
    pub gateway: Option<Gateway>,
}

/// An Ingress. Rules that need different settings of the controller become further Ingress objects,
/// `<name>-2` and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// `false` removes the Ingress and keeps the settings.
    pub enabled: Option<bool>,
    /// Name of the Ingress. Default: that of the stack.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::dns_label())]
    pub name: Option<String>,
    /// Default: the Kubernetes cluster's default class.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: Option<String>,
    /// TLS for every host of the rules.
    pub tls: Option<Tls>,
    /// Requests per client address, for every rule.
    pub rate_limit: Option<RateLimit>,
    /// Hosts and paths.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = ingress::unique_locations())]
    pub rules: Vec<RouteRule>,
}

/// Routes of the Gateway API: one HTTPRoute for each host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.className) != has(self.parentRefs)")
    .message("must have exactly one of `className` (creates a Gateway) and `parentRefs` (Gateways that exist)"))]
pub struct Gateway {
    /// `false` removes the routes and keeps the settings.
    pub enabled: Option<bool>,
    /// Creates a Gateway of this class, with port 80, and port 443 where `tls` is given.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: Option<String>,
    /// Gateways that exist and accept routes of this namespace.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Option<Vec<ParentRef>>,
    /// TLS for every host of the rules, with `className`.
    pub tls: Option<Tls>,
    /// Hosts and paths.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = ingress::unique_locations())]
    pub rules: Vec<RouteRule>,
}

/// One host and path, and the component that answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// A DNS name, optionally with one leading `*.`. Default: every host that no other rule names.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ingress::host_format("shop.example.com"))]
    pub host: Option<String>,
    /// A path prefix. Default `/`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = ingress::path_format())]
    pub path: Option<String>,
    /// Replaces the prefix `path` in the request that the component receives. Default: requests arrive
    /// unchanged.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = ingress::path_format())]
    pub rewrite: Option<String>,
    /// The component.
    #[schemars(length(min = 1, max = 40))]
    pub component: String,
    /// Name of the component's port. Default: the main port.
    #[schemars(length(min = 1, max = 15))]
    pub port: Option<String>,
    /// With `true` connections are kept open for an hour, as WebSockets need it. Default `false`.
    pub web_socket: Option<bool>,
    /// Requests per client address, for this rule in place of that of the Ingress.
    pub rate_limit: Option<RateLimit>,
}

/// Requests per client address, counted by each replica of the ingress controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_rate())]
pub struct RateLimit {
    /// `false` removes the limit.
    pub enabled: Option<bool>,
    /// Requests per second.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: Option<i32>,
    /// Requests per minute.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<i32>,
}
