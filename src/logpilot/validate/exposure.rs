//! Validation of Ingress and Gateway rules: each rule needs an enabled component that serves its
//! protocol.

use std::collections::BTreeSet;

use super::{Violations, login};
use crate::{
    api::{
        cluster::LogPilotClusterSpec,
        exposure::{self as given, HttpMethod, IngressRule, IssuerKind, Protocol as GivenProtocol},
        gateway,
    },
    logpilot::{defaults, model::Component},
    workload::model::{Cors, Gateway, GatewayParents, Ingress, Issuer, ParentRef, Protocol, Route, Tls},
};

pub(super) fn ingress(
    spec: &LogPilotClusterSpec,
    components: &[Component],
    violations: &mut Violations,
) -> Option<Ingress> {
    let given = spec.exposure.as_ref()?.ingress.as_ref()?;
    if given.enabled == Some(false) {
        return None;
    }
    let of_all = spec.common_annotations.iter().map(|pair| ("spec.commonAnnotations", pair));
    let own = given.annotations.iter().map(|pair| ("spec.exposure.ingress.annotations", pair));
    for (at, (key, value)) in of_all.chain(own) {
        if let Some(why) = annotation(key, value) {
            violations.add(format!("{at}.{key}"), why);
        }
    }
    let routes = routes(&given.rules, "spec.exposure.ingress.rules", components, violations);
    let targets: BTreeSet<_> = routes.iter().filter_map(|route| route.rewrite.as_ref()).collect();
    violations.require(
        targets.len() < 2,
        "spec.exposure.ingress.rules",
        "must have the same `rewrite` in all rules that have one; for different ones use `gateway`",
    );
    named_certificate(&given.rules, given.tls.as_ref(), "spec.exposure.ingress", violations);
    let cors = given.cors.as_ref().filter(|cors| cors.enabled != Some(false));
    let limit = given.rate_limit.as_ref().filter(|limit| limit.enabled != Some(false));
    Some(Ingress {
        class_name: given.class_name.clone(),
        annotations: given.annotations.clone(),
        routes,
        tls: given.tls.as_ref().map(tls),
        cors: cors.map(self::cors),
        requests_per_second: limit.map(|limit| limit.requests_per_second),
    })
}

/// Returns the reason why an annotation is not allowed on an Ingress: it changes the configuration
/// of the controller. `api/rules/ingress.rs` contains the same check. It is repeated here because
/// no rules apply to patches, and an object may be older than a rule.
pub(super) fn annotation(key: &str, value: &str) -> Option<&'static str> {
    let (_, name) = key.split_once('/')?;
    let login = name.strip_prefix("auth-").map(|_| login::judge(key, value));
    let writes = ["mirror-", "modsecurity-", "config-"].iter().any(|start| name.starts_with(start))
        || ["-snippet", "-snippets"].iter().any(|end| name.ends_with(end))
        || name == "server-alias"
        || matches!(login, Some(Err(None)));
    if writes {
        return Some("may not be set: it changes the ingress controller's configuration; remove it");
    }
    match login {
        Some(Err(why)) => return why,
        Some(Ok(())) => return None,
        None => {}
    }
    let breaks = value.contains(['\n', '\r']);
    let ends = value.contains(['{', '}', ';', '"', '\'', '`', '$', '#', '\\']);
    (key.contains("nginx") && (breaks || ends) || key.contains("haproxy") && breaks)
        .then_some("must not contain line breaks, quotes, backslashes or any of {};$#")
}

/// Returns `true` if a path of an Ingress could break out of the location block that it is written
/// to. A patch may contain regular expressions.
pub(super) fn ends_its_place(path: &str) -> bool {
    path.contains(|char: char| char.is_whitespace() || char.is_control() || "{};\"'`#".contains(char))
}

pub(super) fn gateway(
    spec: &LogPilotClusterSpec,
    components: &[Component],
    violations: &mut Violations,
) -> Option<Gateway> {
    let given = spec.exposure.as_ref()?.gateway.as_ref()?;
    if given.enabled == Some(false) {
        return None;
    }
    let parents = match (&given.class_name, &given.parent_refs) {
        (Some(class_name), None) => {
            GatewayParents::Own { class_name: class_name.clone(), tls: given.tls.as_ref().map(tls) }
        }
        (None, Some(parents)) => GatewayParents::Existing(parents.iter().map(parent).collect()),
        _ => {
            violations.add(
                "spec.exposure.gateway",
                "must have exactly one of `className`, which creates a Gateway, and `parentRefs`, which uses existing ones",
            );
            return None;
        }
    };
    let routes = routes(&given.rules, "spec.exposure.gateway.rules", components, violations);
    named_certificate(&given.rules, given.tls.as_ref(), "spec.exposure.gateway", violations);
    Some(Gateway { parents, routes })
}

/// cert-manager reads the names of a certificate from the hosts.
fn named_certificate(rules: &[IngressRule], tls: Option<&given::Tls>, at: &str, violations: &mut Violations) {
    violations.require(
        tls.is_none_or(|tls| tls.issuer_ref.is_none()) || rules.iter().any(|rule| rule.host.is_some()),
        format!("{at}.tls.issuerRef"),
        "needs a `host` in at least one rule, because a certificate is issued for names; set a `host`, or remove `issuerRef` and use an existing Secret",
    );
}

fn tls(given: &given::Tls) -> Tls {
    let issuer = given.issuer_ref.as_ref().map(|issuer| Issuer {
        name: issuer.name.clone(),
        cluster_wide: issuer.kind.unwrap_or_default() == IssuerKind::ClusterIssuer,
    });
    Tls { secret_name: given.secret_name.clone(), issuer }
}

fn parent(given: &gateway::ParentRef) -> ParentRef {
    ParentRef {
        name: given.name.clone(),
        namespace: given.namespace.clone(),
        section_name: given.section_name.clone(),
    }
}

fn cors(given: &given::Cors) -> Cors {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let methods = given.allow_methods.as_ref();
    Cors {
        allow_origins: given.allow_origins.clone().unwrap_or_else(|| texts(&[defaults::CORS_ORIGIN])),
        allow_methods: methods.map_or_else(
            || texts(defaults::CORS_METHODS),
            |methods| methods.iter().map(|method| method_name(*method).to_owned()).collect(),
        ),
        allow_headers: given.allow_headers.clone().unwrap_or_else(|| texts(defaults::CORS_HEADERS)),
    }
}

fn method_name(method: HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Head => "HEAD",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
    }
}

fn routes(
    rules: &[IngressRule],
    at: &str,
    components: &[Component],
    violations: &mut Violations,
) -> Vec<Route> {
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("{at}[{index}]");
        let Some(route) = route(rule, &path, components, violations) else { continue };
        violations.require(
            seen.insert((route.host.clone(), route.path.clone())),
            path,
            format!(
                "host '{}' with path '{}' is defined twice; remove one",
                route.host.as_deref().unwrap_or("*"),
                route.path
            ),
        );
        routes.push(route);
    }
    routes
}

/// Returns `None` after a violation.
fn route(
    rule: &IngressRule,
    path: &str,
    components: &[Component],
    violations: &mut Violations,
) -> Option<Route> {
    let protocol = rule.protocol.unwrap_or_default();
    let component = match (rule.component, components) {
        (None, [only]) => only,
        (None, _) => {
            violations
                .add(format!("{path}.component"), "must be given unless exactly one component is enabled");
            return None;
        }
        (Some(key), components) => {
            let found = components.iter().find(|component| component.role.key == key);
            if found.is_none() {
                let name = defaults::role(key).name;
                violations.add(
                    format!("{path}.component"),
                    format!(
                        "'{name}' is not enabled; add `spec.components.{name}` or name another component"
                    ),
                );
            }
            found?
        }
    };
    violations.require(
        rule.rewrite.is_none() || protocol == GivenProtocol::Http,
        format!("{path}.rewrite"),
        "is only for protocol Http: the path of a gRPC request is the name of its method; remove it",
    );
    let Some(port) = component.role.port(protocol) else {
        let (speaks, other) = match protocol {
            GivenProtocol::Http => ("HTTP", "Grpc"),
            GivenProtocol::Grpc => ("gRPC", "Http"),
        };
        violations.add(
            format!("{path}.protocol"),
            format!(
                "component '{}' does not serve {speaks}; use '{other}' or another component",
                component.role.name
            ),
        );
        return None;
    };
    Some(Route {
        host: rule.host.clone(),
        path: rule.path.clone().unwrap_or_else(|| "/".to_owned()),
        rewrite: rule.rewrite.as_deref().map(|rewrite| match rewrite.trim_end_matches('/') {
            "" => "/".to_owned(),
            other => other.to_owned(),
        }),
        protocol: match protocol {
            GivenProtocol::Http => Protocol::Http,
            GivenProtocol::Grpc => Protocol::Grpc,
        },
        service: component.name.clone(),
        port: port.number,
    })
}
