//! Hosts and paths of a stack.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    stack::{
        api::{
            ServiceStack,
            exposure::{RateLimit, RouteRule},
        },
        model::{Ingress, IngressRoute, Rate, StackComponent},
    },
    workload::{
        model::{Gateway, GatewayParents, Protocol, Route},
        resolve::{
            Violations,
            exposure::{parent, rewrite, tls},
        },
    },
};

pub fn ingress(
    cr: &ServiceStack,
    components: &BTreeMap<String, StackComponent>,
    violations: &mut Violations,
) -> Option<Ingress> {
    let given = cr.spec.exposure.as_ref()?.ingress.as_ref().filter(|given| given.enabled != Some(false))?;
    let mut rules = Vec::new();
    let mut behind = BTreeSet::new();
    for (index, rule) in given.rules.iter().enumerate() {
        let path = format!("spec.exposure.ingress.rules[{index}]");
        let Some(route) = route(rule, components, &path, violations) else { continue };
        behind.insert(rule.component.clone());
        rules.push(IngressRoute {
            route,
            web_socket: rule.web_socket == Some(true),
            rate: rule.rate_limit.as_ref().map_or_else(|| given.rate_limit.as_ref().and_then(rate), rate),
        });
    }
    Some(Ingress {
        name: given.name.clone().or_else(|| cr.metadata.name.clone()).unwrap_or_default(),
        class_name: given.class_name.clone(),
        tls: given.tls.as_ref().map(tls),
        rules,
        components: behind,
    })
}

pub fn gateway(
    cr: &ServiceStack,
    components: &BTreeMap<String, StackComponent>,
    violations: &mut Violations,
) -> Option<Gateway> {
    let given = cr.spec.exposure.as_ref()?.gateway.as_ref().filter(|given| given.enabled != Some(false))?;
    let mut routes = Vec::new();
    for (index, rule) in given.rules.iter().enumerate() {
        let path = format!("spec.exposure.gateway.rules[{index}]");
        routes.extend(route(rule, components, &path, violations));
    }
    let parents = match (&given.class_name, &given.parent_refs) {
        (Some(class_name), _) => {
            GatewayParents::Own { class_name: class_name.clone(), tls: given.tls.as_ref().map(tls) }
        }
        (None, parents) => GatewayParents::Existing(parents.iter().flatten().map(parent).collect()),
    };
    Some(Gateway { parents, routes })
}

/// Whether a rule of the Gateway asks for a rate limit.
pub fn limits_gateway(cr: &ServiceStack) -> bool {
    let gateway = cr.spec.exposure.as_ref().and_then(|exposure| exposure.gateway.as_ref());
    let mut limits =
        gateway.iter().flat_map(|gateway| &gateway.rules).filter_map(|it| it.rate_limit.as_ref());
    limits.any(|limit| rate(limit).is_some())
}

fn route(
    rule: &RouteRule,
    components: &BTreeMap<String, StackComponent>,
    path: &str,
    violations: &mut Violations,
) -> Option<Route> {
    let Some(component) = components.get(&rule.component) else {
        let known = components.keys().map(String::as_str);
        violations.add(
            format!("{path}.component"),
            format!("no component '{}'{}", rule.component, super::names::hint(&rule.component, known)),
        );
        return None;
    };
    let Some(workload) = component.workload.as_ref().filter(|_| component.has_service) else {
        violations.add(
            format!("{path}.component"),
            format!("component '{}' has no Service: it needs `ports`, and has to be enabled", rule.component),
        );
        return None;
    };
    let port = match &rule.port {
        None => workload.ports.first(),
        Some(name) => workload.ports.iter().find(|port| port.name == *name),
    };
    violations.require(
        port.is_some(),
        format!("{path}.port"),
        format!("component '{}' has no port '{}'", rule.component, rule.port.as_deref().unwrap_or_default()),
    );
    Some(Route {
        host: rule.host.clone(),
        path: rule.path.clone().unwrap_or_else(|| "/".to_owned()),
        rewrite: rule.rewrite.as_deref().map(rewrite),
        protocol: Protocol::Http,
        service: workload.name.clone(),
        port: port?.published,
    })
}

fn rate(given: &RateLimit) -> Option<Rate> {
    if given.enabled == Some(false) {
        return None;
    }
    let minute = given.requests_per_minute.map(Rate::PerMinute);
    minute.or(given.requests_per_second.map(Rate::PerSecond))
}
