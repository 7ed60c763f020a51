//! Access through the Gateway API.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use workload::api::{exposure::Tls, gateway::ParentRef};

use super::{
    exposure::IngressRule,
    rules::{self, gateway as rule, ingress},
};

/// Routes of the Gateway API: an HTTPRoute for each host of an HTTP rule, and a GRPCRoute for each
/// host of a gRPC rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::one_kind_of_parent(),
    validation = rule::tls_needs_own_gateway(),
    validation = rule::any_host_has_one_protocol(),
    validation = ingress::certificate_needs_host(),
    validation = rules::presence::tls_is_kept_on_gateway(),
    validation = rules::presence::switch_stays_off("clients could connect"),
    validation = rules::widening::rules_stay_narrow(),
    validation = rules::widening::listeners_stay_named()
)]
pub struct Gateway {
    /// `false` removes the routes and the Gateway that the operator created, and keeps the
    /// settings. Default true.
    pub enabled: Option<bool>,
    /// GatewayClass of a Gateway that the operator creates, with port 80, and port 443 if `tls` is
    /// set. Mutually exclusive with `parentRefs`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub class_name: Option<String>,
    /// Existing Gateways. They must allow routes from the namespace of the servers. Mutually
    /// exclusive with `className`.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = rule::unique_parents())]
    pub parent_refs: Option<Vec<ParentRef>>,
    /// Hosts and paths. If more than one component runs, each rule must name its component. The
    /// path of a gRPC rule is a service and optionally a method, such as
    /// `/logpilot.LogService/Send`.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(
        validation = ingress::unique_locations(),
        validation = rule::one_protocol_per_host(),
        validation = rule::grpc_path("/logpilot.LogService/Send"),
        validation = rule::few_rewrites()
    )]
    pub rules: Vec<IngressRule>,
    /// TLS for all hosts of the rules. Allowed only with `className`. Port 443 terminates TLS, and
    /// port 80 redirects HTTP clients to it.
    pub tls: Option<Tls>,
}
