//! Hosts and paths for clients outside the cluster. Two objects, because the protocol spoken to the backend
//! is a setting of a whole Ingress.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::{ingress_nginx, meta};
use crate::{
    api::{
        common::StringMap,
        exposure::{IssuerKind, Protocol},
    },
    logpilot::model::{self, Cluster, Route},
};

/// None unless there is a rule for HTTP.
#[must_use]
pub fn http(cluster: &Cluster) -> Option<Ingress> {
    build(cluster, Protocol::Http, cluster.prefix.ingress())
}

/// None unless there is a rule for gRPC.
#[must_use]
pub fn grpc(cluster: &Cluster) -> Option<Ingress> {
    build(cluster, Protocol::Grpc, cluster.prefix.grpc_ingress())
}

fn build(cluster: &Cluster, protocol: Protocol, name: String) -> Option<Ingress> {
    let wanted = cluster.ingress.as_ref()?;
    let routes: Vec<_> = wanted.routes.iter().filter(|route| route.protocol == protocol).collect();
    if routes.is_empty() {
        return None;
    }
    let mut metadata = meta::shared(cluster, name);
    meta::annotate(&mut metadata, annotations(wanted, protocol));
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(rules(&routes)),
            tls: tls(wanted, protocol),
            default_backend: None,
        }),
        ..Ingress::default()
    })
}

/// The user's over our defaults, what the typed fields ask for over both.
fn annotations(wanted: &model::Ingress, protocol: Protocol) -> StringMap {
    let mut all = ingress_nginx::defaults(wanted);
    all.extend(wanted.annotations.clone());
    all.extend(ingress_nginx::required(wanted, protocol));
    if let Some(issuer) = wanted
        .tls
        .as_ref()
        .and_then(|tls| tls.issuer.as_ref())
        .filter(|_| asks_for_certificate(wanted, protocol))
    {
        let key = match issuer.kind.unwrap_or_default() {
            IssuerKind::Issuer => "cert-manager.io/issuer",
            IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
        };
        all.insert(key.into(), issuer.name.clone());
    }
    all
}

/// cert-manager lets one Ingress own a certificate: the HTTP one where there is one.
fn asks_for_certificate(wanted: &model::Ingress, protocol: Protocol) -> bool {
    protocol == Protocol::Http || wanted.routes.iter().all(|route| route.protocol == Protocol::Grpc)
}

/// The Ingress that asks for the certificate names the hosts of both, or it would not cover the other's.
fn tls(wanted: &model::Ingress, protocol: Protocol) -> Option<Vec<IngressTLS>> {
    let tls = wanted.tls.as_ref()?;
    let every_host = tls.issuer.is_some() && asks_for_certificate(wanted, protocol);
    let mut hosts: Vec<String> = Vec::new();
    for route in &wanted.routes {
        if (every_host || route.protocol == protocol) && !hosts.contains(&route.host) {
            hosts.push(route.host.clone());
        }
    }
    Some(vec![IngressTLS { hosts: Some(hosts), secret_name: Some(tls.secret_name.clone()) }])
}

/// One rule per host, in the order in which the hosts were given.
fn rules(routes: &[&Route]) -> Vec<IngressRule> {
    let mut rules: Vec<(String, Vec<HTTPIngressPath>)> = Vec::new();
    for route in routes {
        match rules.iter_mut().find(|(host, _)| *host == route.host) {
            Some((_, paths)) => paths.push(path(route)),
            None => rules.push((route.host.clone(), vec![path(route)])),
        }
    }
    let rule = |(host, paths)| IngressRule { host: Some(host), http: Some(HTTPIngressRuleValue { paths }) };
    rules.into_iter().map(rule).collect()
}

fn path(route: &Route) -> HTTPIngressPath {
    HTTPIngressPath {
        path: Some(route.path.clone()),
        path_type: "Prefix".into(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: route.service.clone(),
                port: Some(ServiceBackendPort { number: Some(route.port), name: None }),
            }),
            resource: None,
        },
    }
}
