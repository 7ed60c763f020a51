//! A Gateway of the Gateway API, with only the fields we write: its CRD may be absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::{
    logpilot::model::Cluster,
    workload::{
        metadata,
        model::{Gateway as Wanted, GatewayParents, Tls},
    },
};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gateway {
    pub metadata: ObjectMeta,
    pub spec: GatewaySpec,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    pub gateway_class_name: String,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    pub name: String,
    pub port: i32,
    pub protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    pub allowed_routes: AllowedRoutes,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    pub mode: &'static str,
    pub certificate_refs: [CertificateRef; 1],
}

/// An item of an atomic list: all of it is ours, what would be defaulted too.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CertificateRef {
    pub group: &'static str,
    pub kind: &'static str,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllowedRoutes {
    pub namespaces: RouteNamespaces,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteNamespaces {
    pub from: &'static str,
}

/// The listener of port 80.
pub const HTTP: &str = "http";

/// None unless a class was named: routes then hang on a Gateway that is there already.
#[must_use]
pub fn build(cluster: &Cluster) -> Option<Gateway> {
    let wanted = cluster.gateway.as_ref()?;
    let GatewayParents::Own { class_name, tls } = &wanted.parents else { return None };
    let mut metadata = metadata::shared(&cluster.scope, cluster.scope.prefix.gateway());
    metadata::annotate(&mut metadata, tls.as_ref().and_then(issuer));
    let mut listeners = vec![listener(HTTP.into(), 80, "HTTP", None, None)];
    if let Some(tls) = tls {
        listeners.extend(hosts(wanted).into_iter().enumerate().map(|(index, host)| {
            listener(https(index), 443, "HTTPS", host.map(str::to_owned), Some(termination(tls)))
        }));
    }
    Some(Gateway { metadata, spec: GatewaySpec { gateway_class_name: class_name.clone(), listeners } })
}

/// Every host of the rules once, in the order in which they were given; `None` is every other host.
#[must_use]
pub fn hosts(wanted: &Wanted) -> Vec<Option<&str>> {
    let mut hosts: Vec<Option<&str>> = Vec::new();
    for host in wanted.routes.iter().map(|route| route.host.as_deref()) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The listener of port 443 for the host at an index. One for each host, because cert-manager reads the names of a
/// certificate from listeners; a host added at the end renames no other.
#[must_use]
pub fn https(index: usize) -> String {
    match index {
        0 => "https".into(),
        index => format!("https-{}", index + 1),
    }
}

fn listener(
    name: String,
    port: i32,
    protocol: &'static str,
    hostname: Option<String>,
    tls: Option<ListenerTls>,
) -> Listener {
    let allowed_routes = AllowedRoutes { namespaces: RouteNamespaces { from: "Same" } };
    Listener { name, port, protocol, hostname, tls, allowed_routes }
}

fn termination(tls: &Tls) -> ListenerTls {
    ListenerTls {
        mode: "Terminate",
        certificate_refs: [CertificateRef { group: "", kind: "Secret", name: tls.secret_name.clone() }],
    }
}

/// cert-manager makes the Secret of an annotated Gateway, as it does for an Ingress.
fn issuer(tls: &Tls) -> Option<(String, String)> {
    let issuer = tls.issuer.as_ref()?;
    Some(issuer.annotation())
}
