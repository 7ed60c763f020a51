//! Hosts and paths for clients outside the Kubernetes cluster. Up to three objects, because the
//! protocol of the backend and the replacement of a path are settings of a whole Ingress.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::ingress_nginx::{self, Part};
use crate::{
    StringMap, metadata,
    model::{self, Protocol, Route},
    scope::Scope,
};

/// Returns `None` unless there is an HTTP rule whose path is not replaced.
#[must_use]
pub fn http(scope: &Scope, wanted: Option<&model::Ingress>) -> Option<Ingress> {
    build(scope, wanted?, Part::Http, scope.prefix.ingress())
}

/// Returns `None` unless a path is replaced, and the class supports that.
#[must_use]
pub fn rewritten(scope: &Scope, wanted: Option<&model::Ingress>) -> Option<Ingress> {
    build(scope, wanted?, Part::Rewritten, scope.prefix.rewrite_ingress())
}

/// Returns `None` unless there is a gRPC rule.
#[must_use]
pub fn grpc(scope: &Scope, wanted: Option<&model::Ingress>) -> Option<Ingress> {
    build(scope, wanted?, Part::Grpc, scope.prefix.grpc_ingress())
}

/// Returns the object that contains a route.
fn part(wanted: &model::Ingress, route: &Route) -> Part {
    match route.protocol {
        Protocol::Grpc => Part::Grpc,
        Protocol::Http if route.rewrite.is_some() && ingress_nginx::speaks(wanted.class_name.as_deref()) => {
            Part::Rewritten
        }
        Protocol::Http => Part::Http,
    }
}

fn build(scope: &Scope, wanted: &model::Ingress, which: Part, name: String) -> Option<Ingress> {
    let routes: Vec<_> = wanted.routes.iter().filter(|route| part(wanted, route) == which).collect();
    if routes.is_empty() {
        return None;
    }
    let mut metadata = metadata::shared(scope, name);
    metadata::annotate(&mut metadata, annotations(wanted, which));
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(rules(&routes, which)),
            tls: tls(wanted, which),
            default_backend: None,
        }),
        ..Ingress::default()
    })
}

/// Returns the annotations: the user's override the defaults, and those that typed fields require
/// override both.
fn annotations(wanted: &model::Ingress, which: Part) -> StringMap {
    let mut all = ingress_nginx::defaults(wanted);
    all.extend(wanted.annotations.clone());
    all.extend(ingress_nginx::required(wanted, which));
    if let Some(issuer) = wanted
        .tls
        .as_ref()
        .and_then(|tls| tls.issuer.as_ref())
        .filter(|_| asks_for_certificate(wanted, which))
    {
        all.extend([issuer.annotation()]);
    }
    all
}

/// Returns whether this Ingress requests the certificate: the first existing one does, because
/// cert-manager lets only one Ingress own a certificate.
fn asks_for_certificate(wanted: &model::Ingress, which: Part) -> bool {
    wanted.routes.iter().all(|route| part(wanted, route) >= which)
}

/// Returns the TLS section. The Ingress that requests the certificate names the hosts of all, since the
/// certificate would not cover the others' hosts otherwise.
fn tls(wanted: &model::Ingress, which: Part) -> Option<Vec<IngressTLS>> {
    let tls = wanted.tls.as_ref()?;
    let every_host = tls.issuer.is_some() && asks_for_certificate(wanted, which);
    let mut hosts: Vec<String> = Vec::new();
    for route in &wanted.routes {
        if (every_host || part(wanted, route) == which)
            && let Some(host) = route.host.as_ref().filter(|host| !hosts.contains(host))
        {
            hosts.push(host.clone());
        }
    }
    // Without hosts, the certificate applies to every host.
    let hosts = (!hosts.is_empty()).then_some(hosts);
    Some(vec![IngressTLS { hosts, secret_name: Some(tls.secret_name.clone()) }])
}

/// Returns one rule for each host, in the given order.
fn rules(routes: &[&Route], which: Part) -> Vec<IngressRule> {
    let mut rules: Vec<(Option<String>, Vec<HTTPIngressPath>)> = Vec::new();
    for route in routes {
        match rules.iter_mut().find(|(host, _)| *host == route.host) {
            Some((_, paths)) => paths.push(path(route, which)),
            None => rules.push((route.host.clone(), vec![path(route, which)])),
        }
    }
    let rule = |(host, paths)| IngressRule { host, http: Some(HTTPIngressRuleValue { paths }) };
    rules.into_iter().map(rule).collect()
}

fn path(route: &Route, which: Part) -> HTTPIngressPath {
    let (path, path_type) = match which {
        Part::Rewritten => (ingress_nginx::captured(&route.path), "ImplementationSpecific"),
        Part::Http | Part::Grpc => (route.path.clone(), "Prefix"),
    };
    HTTPIngressPath {
        path: Some(path),
        path_type: path_type.into(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: route.service.clone(),
                port: Some(ServiceBackendPort { number: Some(route.port), name: None }),
            }),
            resource: None,
        },
    }
}
