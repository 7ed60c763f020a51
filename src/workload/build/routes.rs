//! Routes of the Gateway API, with only the fields we write: their CRDs may be absent.
//!
//! Their lists are owned as a whole, so each item carries what the CRD's schema would default in it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::{
    logpilot::model::Cluster,
    workload::{
        build::gateway,
        kinds::GATEWAY_API,
        metadata,
        model::{Gateway, GatewayParents, Protocol, Route},
    },
};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HTTPRoute {
    pub metadata: ObjectMeta,
    pub spec: RouteSpec<HttpMatch>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GRPCRoute {
    pub metadata: ObjectMeta,
    pub spec: RouteSpec<GrpcMatch>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec<M> {
    pub parent_refs: Vec<ParentRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    pub rules: Vec<Rule<M>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    pub group: &'static str,
    pub kind: &'static str,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule<M> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<M>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<BackendRef>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HttpMatch {
    pub path: PathMatch,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathMatch {
    #[serde(rename = "type")]
    pub type_: &'static str,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrpcMatch {
    pub method: MethodMatch,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodMatch {
    #[serde(rename = "type")]
    pub type_: &'static str,
    pub service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    #[serde(rename = "type")]
    pub type_: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_redirect: Option<Redirect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_rewrite: Option<UrlRewrite>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UrlRewrite {
    pub path: PathRewrite,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathRewrite {
    #[serde(rename = "type")]
    pub type_: &'static str,
    pub replace_prefix_match: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    pub scheme: &'static str,
    pub status_code: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendRef {
    pub group: &'static str,
    pub kind: &'static str,
    pub name: String,
    pub port: i32,
    pub weight: i32,
}

/// One for each host of an HTTP rule: hostnames are a setting of a whole route.
#[must_use]
pub fn http(cluster: &Cluster) -> Vec<HTTPRoute> {
    by_host(cluster, Protocol::Http, http_match)
        .map(|(metadata, spec)| HTTPRoute { metadata, spec })
        .collect()
}

/// One for each host of a gRPC rule.
#[must_use]
pub fn grpc(cluster: &Cluster) -> Vec<GRPCRoute> {
    by_host(cluster, Protocol::Grpc, grpc_match)
        .map(|(metadata, spec)| GRPCRoute { metadata, spec })
        .collect()
}

/// None unless our own Gateway ends TLS: a request to port 80 would carry its API key in the clear.
#[must_use]
pub fn redirect(cluster: &Cluster) -> Option<HTTPRoute> {
    let wanted = cluster.gateway.as_ref()?;
    let GatewayParents::Own { tls: Some(_), .. } = &wanted.parents else { return None };
    let redirect = Redirect { scheme: "https", status_code: 301 };
    Some(HTTPRoute {
        metadata: metadata::shared(&cluster.scope, cluster.scope.prefix.redirect_route()),
        spec: RouteSpec {
            parent_refs: vec![own_parent(cluster, gateway::HTTP.into())],
            hostnames: Vec::new(),
            rules: vec![Rule {
                matches: vec![path_match("/".into())],
                filters: vec![Filter {
                    type_: "RequestRedirect",
                    request_redirect: Some(redirect),
                    url_rewrite: None,
                }],
                backend_refs: Vec::new(),
            }],
        },
    })
}

/// Metadata and spec of the routes of one protocol.
fn by_host<M: PartialEq>(
    cluster: &Cluster,
    protocol: Protocol,
    to_match: fn(&Route) -> Vec<M>,
) -> impl Iterator<Item = (ObjectMeta, RouteSpec<M>)> {
    let wanted = cluster.gateway.iter();
    wanted.flat_map(move |wanted| {
        let hosts = gateway::hosts(wanted).into_iter().filter(move |host| {
            wanted.routes.iter().any(|route| route.host.as_deref() == *host && route.protocol == protocol)
        });
        let hosts = hosts.enumerate();
        hosts.map(move |(index, host)| {
            let spec = RouteSpec {
                parent_refs: parents(cluster, wanted, host),
                hostnames: host.into_iter().map(str::to_owned).collect(),
                rules: rules(wanted, host, to_match),
            };
            (metadata::shared(&cluster.scope, cluster.scope.prefix.route(index)), spec)
        })
    })
}

/// One rule for each Service, with all its paths: a route has room for 16 rules and 64 matches in each, and which
/// match wins does not depend on the rule it stands in. A path that is replaced has one of its own.
fn rules<M: PartialEq>(wanted: &Gateway, host: Option<&str>, to_match: fn(&Route) -> Vec<M>) -> Vec<Rule<M>> {
    let mut rules: Vec<Rule<M>> = Vec::new();
    for route in wanted.routes.iter().filter(|route| route.host.as_deref() == host) {
        let backend = BackendRef {
            group: "",
            kind: "Service",
            name: route.service.clone(),
            port: route.port,
            weight: 1,
        };
        // What takes everything matches by having no match, and cannot share its rule with one that has.
        let matches = to_match(route);
        let filters: Vec<_> = route.rewrite.as_deref().map(replaced).into_iter().collect();
        let beside = rules.iter_mut().find(|rule| {
            rule.backend_refs.contains(&backend)
                && rule.filters.is_empty()
                && filters.is_empty()
                && !rule.matches.is_empty()
                && !matches.is_empty()
        });
        match beside {
            Some(rule) => rule.matches.extend(matches),
            None => rules.push(Rule { matches, filters, backend_refs: vec![backend] }),
        }
    }
    rules
}

fn replaced(prefix: &str) -> Filter {
    let path = PathRewrite { type_: "ReplacePrefixMatch", replace_prefix_match: prefix.to_owned() };
    Filter { type_: "URLRewrite", request_redirect: None, url_rewrite: Some(UrlRewrite { path }) }
}

fn http_match(route: &Route) -> Vec<HttpMatch> {
    vec![path_match(route.path.clone())]
}

fn path_match(value: String) -> HttpMatch {
    HttpMatch { path: PathMatch { type_: "PathPrefix", value } }
}

/// `/service/method` in the words of a GRPCRoute; none for `/`, which is everything.
fn grpc_match(route: &Route) -> Vec<GrpcMatch> {
    let mut parts = route.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    let Some(service) = parts.next() else { return Vec::new() };
    vec![GrpcMatch { method: MethodMatch { type_: "Exact", service, method: parts.next() } }]
}

fn parents(cluster: &Cluster, wanted: &Gateway, host: Option<&str>) -> Vec<ParentRef> {
    match &wanted.parents {
        GatewayParents::Own { tls, .. } => {
            let index = gateway::hosts(wanted).iter().position(|known| *known == host).unwrap_or_default();
            let section = if tls.is_some() { gateway::https(index) } else { gateway::HTTP.into() };
            vec![own_parent(cluster, section)]
        }
        GatewayParents::Existing(given) => given
            .iter()
            .map(|parent| ParentRef {
                namespace: parent.namespace.clone(),
                section_name: parent.section_name.clone(),
                ..gateway_named(parent.name.clone())
            })
            .collect(),
    }
}

fn own_parent(cluster: &Cluster, section: String) -> ParentRef {
    ParentRef { section_name: Some(section), ..gateway_named(cluster.scope.prefix.gateway()) }
}

fn gateway_named(name: String) -> ParentRef {
    ParentRef { group: GATEWAY_API, kind: "Gateway", name, namespace: None, section_name: None }
}
