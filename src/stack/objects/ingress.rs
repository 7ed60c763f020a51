//! The Ingress objects of a stack. Settings of ingress-nginx are annotations of a whole object, so that
//! rules with different needs stand in different objects.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

use crate::{
    stack::model::{Ingress as Wanted, IngressRoute, Rate},
    workload::{
        StringMap,
        build::ingress_nginx::{captured, speaks},
        metadata,
        model::Issuer,
        scope::Scope,
    },
};

const PREFIX: &str = "nginx.ingress.kubernetes.io";
/// Seconds that a proxy keeps an idle WebSocket open.
const WEB_SOCKET_SECONDS: &str = "3600";

/// Settings of one object. Rules with the same settings share an object.
#[derive(Clone, Debug, PartialEq)]
struct Needs {
    /// ingress-nginx reads every path of a host as a regular expression as soon as one path of the host
    /// is rewritten.
    regex: bool,
    rewrite: Option<String>,
    web_socket: bool,
    rate: Option<Rate>,
}

/// In the order of the rules. The first has the name that was asked for, the others a number after it.
#[must_use]
pub fn build(scope: &Scope, wanted: &Wanted) -> Vec<Ingress> {
    let nginx = speaks(wanted.class_name.as_deref());
    let rewritten: BTreeSet<Option<&String>> = wanted
        .rules
        .iter()
        .filter(|rule| nginx && rule.route.rewrite.is_some())
        .map(|rule| rule.route.host.as_ref())
        .collect();
    let mut groups: Vec<(Needs, Vec<&IngressRoute>)> = Vec::new();
    for rule in &wanted.rules {
        let regex = rewritten.contains(&rule.route.host.as_ref());
        let needs = if nginx {
            let rewrite = rule.route.rewrite.clone();
            Needs { regex, rewrite, web_socket: rule.web_socket, rate: rule.rate }
        } else {
            Needs { regex: false, rewrite: None, web_socket: false, rate: None }
        };
        match groups.iter_mut().find(|(other, _)| *other == needs) {
            Some((_, rules)) => rules.push(rule),
            None => groups.push((needs, vec![rule])),
        }
    }
    let object = |(index, (needs, rules)): (usize, &(Needs, Vec<&IngressRoute>))| {
        let name = match index {
            0 => wanted.name.clone(),
            index => format!("{}-{}", wanted.name, index + 1),
        };
        one(scope, wanted, (name, index == 0), needs, rules)
    };
    groups.iter().enumerate().map(object).collect()
}

fn one(
    scope: &Scope,
    wanted: &Wanted,
    (name, first): (String, bool),
    needs: &Needs,
    rules: &[&IngressRoute],
) -> Ingress {
    let mut metadata = metadata::shared(scope, name);
    let issuer = wanted.tls.as_ref().and_then(|tls| tls.issuer.as_ref()).filter(|_| first);
    metadata::annotate(&mut metadata, annotations(needs).into_iter().chain(issuer.map(Issuer::annotation)));
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(hosts(rules, needs)),
            tls: tls(wanted, first, rules),
            default_backend: None,
        }),
        ..Ingress::default()
    }
}

fn annotations(needs: &Needs) -> StringMap {
    let mut all = StringMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(format!("{PREFIX}/{name}"), value.to_owned());
    };
    if needs.regex {
        set("use-regex", "true");
    }
    if let Some(target) = &needs.rewrite {
        let target = target.trim_end_matches('/');
        // The first group of the path is its end or the next slash, the second what follows.
        set("rewrite-target", &if target.is_empty() { "/$2".to_owned() } else { format!("{target}$1$2") });
    }
    if needs.web_socket {
        set("proxy-read-timeout", WEB_SOCKET_SECONDS);
        set("proxy-send-timeout", WEB_SOCKET_SECONDS);
    }
    match needs.rate {
        Some(Rate::PerSecond(limit)) => set("limit-rps", &limit.to_string()),
        Some(Rate::PerMinute(limit)) => set("limit-rpm", &limit.to_string()),
        None => {}
    }
    if needs.rate.is_some() {
        // The default lets five times as many through.
        set("limit-burst-multiplier", "1");
    }
    all
}

/// One rule per host, in the order in which the hosts were given.
fn hosts(rules: &[&IngressRoute], needs: &Needs) -> Vec<IngressRule> {
    let mut hosts: Vec<(Option<String>, Vec<HTTPIngressPath>)> = Vec::new();
    for IngressRoute { route, .. } in rules {
        let (path, path_type) = if needs.regex {
            (captured(&route.path), "ImplementationSpecific")
        } else {
            (route.path.clone(), "Prefix")
        };
        let path = HTTPIngressPath {
            path: Some(path),
            path_type: path_type.to_owned(),
            backend: IngressBackend {
                service: Some(IngressServiceBackend {
                    name: route.service.clone(),
                    port: Some(ServiceBackendPort { number: Some(route.port), name: None }),
                }),
                resource: None,
            },
        };
        match hosts.iter_mut().find(|(host, _)| *host == route.host) {
            Some((_, paths)) => paths.push(path),
            None => hosts.push((route.host.clone(), vec![path])),
        }
    }
    let rule = |(host, paths)| IngressRule { host, http: Some(HTTPIngressRuleValue { paths }) };
    hosts.into_iter().map(rule).collect()
}

/// The first object asks for the certificate, which has to cover the hosts of all.
fn tls(wanted: &Wanted, first: bool, rules: &[&IngressRoute]) -> Option<Vec<IngressTLS>> {
    let tls = wanted.tls.as_ref()?;
    let all: Vec<&IngressRoute> =
        if first && tls.issuer.is_some() { wanted.rules.iter().collect() } else { rules.to_vec() };
    let mut hosts: Vec<String> = Vec::new();
    for host in all.iter().filter_map(|rule| rule.route.host.as_ref()) {
        if !hosts.contains(host) {
            hosts.push(host.clone());
        }
    }
    let hosts = (!hosts.is_empty()).then_some(hosts);
    Some(vec![IngressTLS { hosts, secret_name: Some(tls.secret_name.clone()) }])
}
