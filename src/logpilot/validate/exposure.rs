//! Validation of Ingress and Gateway rules: each rule needs an enabled component that serves its
//! protocol.

use std::collections::BTreeSet;

use super::login;
use crate::{
    api::{cluster::LogPilotClusterSpec, exposure::IngressRule},
    logpilot::{defaults, model::Component},
    workload::{
        api::exposure::Protocol,
        model::{Gateway, GatewayParents, Ingress, Route},
        resolve::{Violations, exposure},
    },
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
    exposure::named_certificate(
        has_host(&given.rules),
        given.tls.as_ref(),
        "spec.exposure.ingress",
        violations,
    );
    let cors = given.cors.as_ref().filter(|cors| cors.enabled != Some(false));
    let limit = given.rate_limit.as_ref().filter(|limit| limit.enabled != Some(false));
    Some(Ingress {
        class_name: given.class_name.clone(),
        annotations: given.annotations.clone(),
        routes,
        tls: given.tls.as_ref().map(exposure::tls),
        cors: cors.map(|cors| exposure::cors(cors, &defaults::CORS)),
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
            GatewayParents::Own { class_name: class_name.clone(), tls: given.tls.as_ref().map(exposure::tls) }
        }
        (None, Some(parents)) => GatewayParents::Existing(parents.iter().map(exposure::parent).collect()),
        _ => {
            violations.add(
                "spec.exposure.gateway",
                "must have exactly one of `className`, which creates a Gateway, and `parentRefs`, which uses existing ones",
            );
            return None;
        }
    };
    let routes = routes(&given.rules, "spec.exposure.gateway.rules", components, violations);
    exposure::named_certificate(
        has_host(&given.rules),
        given.tls.as_ref(),
        "spec.exposure.gateway",
        violations,
    );
    Some(Gateway { parents, routes })
}

fn has_host(rules: &[IngressRule]) -> bool {
    rules.iter().any(|rule| rule.host.is_some())
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
        rule.rewrite.is_none() || protocol == Protocol::Http,
        format!("{path}.rewrite"),
        "is only for protocol Http: the path of a gRPC request is the name of its method; remove it",
    );
    let Some(port) = component.role.port(protocol) else {
        let (speaks, other) = match protocol {
            Protocol::Http => ("HTTP", "Grpc"),
            Protocol::Grpc => ("gRPC", "Http"),
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
        rewrite: rule.rewrite.as_deref().map(exposure::rewrite),
        protocol: exposure::protocol(protocol),
        service: component.name.clone(),
        port: port.number,
    })
}
