//! Routes of the Gateway API. Only the fields that the operator sets are written, because the CRDs may
//! be absent.
//!
//! The operator owns the lists as a whole, so each item includes the defaults of the CRD's schema.

use gateway_api::{
    grpcroutes::{
        GrpcRouteParentRefs, GrpcRouteRules, GrpcRouteRulesBackendRefs, GrpcRouteRulesMatches,
        GrpcRouteRulesMatchesMethod, GrpcRouteRulesMatchesMethodType, GrpcRouteSpec,
    },
    httproutes::{
        HttpRouteParentRefs, HttpRouteRules, HttpRouteRulesBackendRefs, HttpRouteRulesFilters,
        HttpRouteRulesFiltersRequestRedirect, HttpRouteRulesFiltersRequestRedirectScheme,
        HttpRouteRulesFiltersType, HttpRouteRulesFiltersUrlRewrite, HttpRouteRulesFiltersUrlRewritePath,
        HttpRouteRulesFiltersUrlRewritePathType, HttpRouteRulesMatches, HttpRouteRulesMatchesPath,
        HttpRouteRulesMatchesPathType, HttpRouteSpec,
    },
};
// Renamed to the kinds, as in the kind table.
pub use gateway_api::{grpcroutes::GrpcRoute as GRPCRoute, httproutes::HttpRoute as HTTPRoute};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::gateway::{self, GATEWAY_API};
use crate::{
    metadata,
    model::{Gateway, GatewayParents, ParentRef, Protocol, Route},
    scope::Scope,
};

/// The input of a route of either kind.
struct Draft<'a> {
    metadata: ObjectMeta,
    parents: Vec<ParentRef>,
    hostnames: Option<Vec<String>>,
    /// For each rule of the route, the routes that it combines: they share a Service, and the rewrite
    /// if there is one.
    rules: Vec<Vec<&'a Route>>,
}

/// Returns one route for each host of an HTTP rule: hostnames are a setting of a whole route.
#[must_use]
pub fn http(scope: &Scope, wanted: Option<&Gateway>) -> Vec<HTTPRoute> {
    let route = |draft: Draft| {
        let rules = draft.rules.iter().filter_map(|routes| http_rule(routes)).collect();
        http_route(draft.metadata, draft.parents, draft.hostnames, rules)
    };
    drafts(scope, wanted, Protocol::Http).map(route).collect()
}

/// Returns one route for each host of a gRPC rule.
#[must_use]
pub fn grpc(scope: &Scope, wanted: Option<&Gateway>) -> Vec<GRPCRoute> {
    let route = |draft: Draft| GRPCRoute {
        metadata: draft.metadata,
        spec: GrpcRouteSpec {
            hostnames: draft.hostnames,
            parent_refs: Some(draft.parents.into_iter().map(grpc_parent).collect()),
            rules: Some(draft.rules.iter().filter_map(|routes| grpc_rule(routes)).collect()),
        },
        status: None,
    };
    drafts(scope, wanted, Protocol::Grpc).map(route).collect()
}

/// Returns `None` unless the operator's own Gateway terminates TLS: a request to port 80 would carry
/// its API key in clear text.
#[must_use]
pub fn redirect(scope: &Scope, wanted: Option<&Gateway>) -> Option<HTTPRoute> {
    let wanted = wanted?;
    let GatewayParents::Own { tls: Some(_), .. } = &wanted.parents else { return None };
    let redirect = HttpRouteRulesFilters {
        r#type: HttpRouteRulesFiltersType::RequestRedirect,
        request_redirect: Some(HttpRouteRulesFiltersRequestRedirect {
            scheme: Some(HttpRouteRulesFiltersRequestRedirectScheme::Https),
            status_code: Some(301),
            ..HttpRouteRulesFiltersRequestRedirect::default()
        }),
        ..HttpRouteRulesFilters::default()
    };
    let rule = HttpRouteRules {
        matches: Some(vec![path_match("/")]),
        filters: Some(vec![redirect]),
        ..HttpRouteRules::default()
    };
    let metadata = metadata::shared(scope, scope.prefix.redirect_route());
    Some(http_route(metadata, vec![own_parent(scope, gateway::HTTP.into())], None, vec![rule]))
}

/// Returns the routes of one protocol.
fn drafts<'a>(
    scope: &'a Scope,
    wanted: Option<&'a Gateway>,
    protocol: Protocol,
) -> impl Iterator<Item = Draft<'a>> {
    wanted.into_iter().flat_map(move |wanted| {
        let hosts = gateway::hosts(wanted).into_iter().filter(move |host| {
            wanted.routes.iter().any(|route| route.host.as_deref() == *host && route.protocol == protocol)
        });
        hosts.enumerate().map(move |(index, host)| Draft {
            metadata: metadata::shared(scope, scope.prefix.route(index)),
            parents: parents(scope, wanted, host),
            hostnames: host.map(|host| vec![host.to_owned()]),
            rules: rules(wanted, host),
        })
    })
}

/// Returns one rule for each Service, with all its paths: a route can have 16 rules with 64 matches
/// each, and the rule that contains a match does not affect which match wins. A path that is replaced
/// has a rule of its own.
fn rules<'a>(wanted: &'a Gateway, host: Option<&str>) -> Vec<Vec<&'a Route>> {
    let mut rules: Vec<Vec<&Route>> = Vec::new();
    for route in wanted.routes.iter().filter(|route| route.host.as_deref() == host) {
        match rules.iter_mut().find(|rule| rule.iter().all(|other| share_rule(other, route))) {
            Some(rule) => rule.push(route),
            None => rules.push(vec![route]),
        }
    }
    rules
}

fn share_rule(one: &Route, other: &Route) -> bool {
    let shares = |route: &Route| route.rewrite.is_none() && !matches_everything(route);
    (&one.service, one.port) == (&other.service, other.port) && shares(one) && shares(other)
}

/// Returns whether a gRPC route has no match. A gRPC rule for `/` has none, and cannot share its rule
/// with a route that has one.
fn matches_everything(route: &Route) -> bool {
    route.protocol == Protocol::Grpc && grpc_match(route).is_none()
}

fn http_route(
    metadata: ObjectMeta,
    parents: Vec<ParentRef>,
    hostnames: Option<Vec<String>>,
    rules: Vec<HttpRouteRules>,
) -> HTTPRoute {
    let parent_refs = Some(parents.into_iter().map(http_parent).collect());
    HTTPRoute { metadata, spec: HttpRouteSpec { hostnames, parent_refs, rules: Some(rules) }, status: None }
}

fn http_rule(routes: &[&Route]) -> Option<HttpRouteRules> {
    let first = routes.first()?;
    let backend = HttpRouteRulesBackendRefs {
        group: Some(String::new()),
        kind: Some("Service".to_owned()),
        name: first.service.clone(),
        port: Some(first.port),
        weight: Some(1),
        ..HttpRouteRulesBackendRefs::default()
    };
    Some(HttpRouteRules {
        backend_refs: Some(vec![backend]),
        filters: first.rewrite.as_deref().map(|prefix| vec![replace_prefix(prefix)]),
        matches: Some(routes.iter().map(|route| path_match(&route.path)).collect()),
        ..HttpRouteRules::default()
    })
}

fn grpc_rule(routes: &[&Route]) -> Option<GrpcRouteRules> {
    let first = routes.first()?;
    let backend = GrpcRouteRulesBackendRefs {
        group: Some(String::new()),
        kind: Some("Service".to_owned()),
        name: first.service.clone(),
        port: Some(first.port),
        weight: Some(1),
        ..GrpcRouteRulesBackendRefs::default()
    };
    Some(GrpcRouteRules {
        backend_refs: Some(vec![backend]),
        // Either all of them have a match, or none does. Without a match the rule applies to all
        // requests.
        matches: routes.iter().map(|route| grpc_match(route)).collect(),
        ..GrpcRouteRules::default()
    })
}

fn replace_prefix(prefix: &str) -> HttpRouteRulesFilters {
    let path = HttpRouteRulesFiltersUrlRewritePath {
        r#type: HttpRouteRulesFiltersUrlRewritePathType::ReplacePrefixMatch,
        replace_prefix_match: Some(prefix.to_owned()),
        replace_full_path: None,
    };
    HttpRouteRulesFilters {
        r#type: HttpRouteRulesFiltersType::UrlRewrite,
        url_rewrite: Some(HttpRouteRulesFiltersUrlRewrite { hostname: None, path: Some(path) }),
        ..HttpRouteRulesFilters::default()
    }
}

fn path_match(prefix: &str) -> HttpRouteRulesMatches {
    let path = HttpRouteRulesMatchesPath {
        r#type: Some(HttpRouteRulesMatchesPathType::PathPrefix),
        value: Some(prefix.to_owned()),
    };
    HttpRouteRulesMatches { path: Some(path), ..HttpRouteRulesMatches::default() }
}

/// Returns `/service/method` as a match of a GRPCRoute, or `None` for `/`, which matches everything.
fn grpc_match(route: &Route) -> Option<GrpcRouteRulesMatches> {
    let mut parts = route.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
    let method = GrpcRouteRulesMatchesMethod {
        service: Some(parts.next()?),
        method: parts.next(),
        r#type: Some(GrpcRouteRulesMatchesMethodType::Exact),
    };
    Some(GrpcRouteRulesMatches { headers: None, method: Some(method) })
}

fn parents(scope: &Scope, wanted: &Gateway, host: Option<&str>) -> Vec<ParentRef> {
    match &wanted.parents {
        GatewayParents::Own { tls, .. } => {
            let index = gateway::hosts(wanted).iter().position(|known| *known == host).unwrap_or_default();
            let section = if tls.is_some() { gateway::https(index) } else { gateway::HTTP.into() };
            vec![own_parent(scope, section)]
        }
        GatewayParents::Existing(given) => given.clone(),
    }
}

fn own_parent(scope: &Scope, section: String) -> ParentRef {
    ParentRef { name: scope.prefix.gateway(), namespace: None, section_name: Some(section) }
}

fn http_parent(parent: ParentRef) -> HttpRouteParentRefs {
    HttpRouteParentRefs {
        group: Some(GATEWAY_API.to_owned()),
        kind: Some("Gateway".to_owned()),
        name: parent.name,
        namespace: parent.namespace,
        port: None,
        section_name: parent.section_name,
    }
}

fn grpc_parent(parent: ParentRef) -> GrpcRouteParentRefs {
    GrpcRouteParentRefs {
        group: Some(GATEWAY_API.to_owned()),
        kind: Some("Gateway".to_owned()),
        name: parent.name,
        namespace: parent.namespace,
        port: None,
        section_name: parent.section_name,
    }
}
