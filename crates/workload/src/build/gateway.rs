//! A Gateway of the Gateway API. Only the fields that the operator sets are written, because the CRD
//! may be absent.

pub use gateway_api::gateways::Gateway;
use gateway_api::gateways::{
    GatewayListeners, GatewayListenersAllowedRoutes, GatewayListenersAllowedRoutesNamespaces,
    GatewayListenersAllowedRoutesNamespacesFrom, GatewayListenersTls, GatewayListenersTlsCertificateRefs,
    GatewayListenersTlsMode, GatewaySpec,
};

use crate::{
    metadata,
    model::{Gateway as Wanted, GatewayParents, Issuer, Tls},
    scope::Scope,
};

/// API group, which routes also use to refer to their parents.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// The listener of port 80.
pub const HTTP: &str = "http";

/// Returns `None` unless a class was given. Otherwise the routes attach to an existing Gateway.
#[must_use]
pub fn build(scope: &Scope, wanted: Option<&Wanted>) -> Option<Gateway> {
    let wanted = wanted?;
    let GatewayParents::Own { class_name, tls } = &wanted.parents else { return None };
    let mut metadata = metadata::shared(scope, scope.prefix.gateway());
    // cert-manager creates the Secret of an annotated Gateway, as it does for an Ingress.
    metadata::annotate(
        &mut metadata,
        tls.as_ref().and_then(|tls| tls.issuer.as_ref()).map(Issuer::annotation),
    );
    let mut listeners = vec![listener(HTTP.into(), 80, "HTTP", None, None)];
    if let Some(tls) = tls {
        listeners.extend(hosts(wanted).into_iter().enumerate().map(|(index, host)| {
            listener(https(index), 443, "HTTPS", host.map(str::to_owned), Some(termination(tls)))
        }));
    }
    let spec = GatewaySpec { gateway_class_name: class_name.clone(), listeners, ..GatewaySpec::default() };
    Some(Gateway { metadata, spec, status: None })
}

/// Returns every host of the rules once, in the given order. `None` stands for every other host.
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

/// Returns the name of the listener of port 443 for the host at an index. Each host has its own
/// listener, because cert-manager reads the names of a certificate from the listeners. A host that is
/// added at the end renames no other listener.
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
    protocol: &str,
    hostname: Option<String>,
    tls: Option<GatewayListenersTls>,
) -> GatewayListeners {
    let namespaces = GatewayListenersAllowedRoutesNamespaces {
        from: Some(GatewayListenersAllowedRoutesNamespacesFrom::Same),
        selector: None,
    };
    let allowed_routes = GatewayListenersAllowedRoutes { kinds: None, namespaces: Some(namespaces) };
    GatewayListeners {
        allowed_routes: Some(allowed_routes),
        hostname,
        name,
        port,
        protocol: protocol.to_owned(),
        tls,
    }
}

fn termination(tls: &Tls) -> GatewayListenersTls {
    // The operator owns an item of an atomic list as a whole, including the schema's defaults in it.
    let certificate = GatewayListenersTlsCertificateRefs {
        group: Some(String::new()),
        kind: Some("Secret".to_owned()),
        name: tls.secret_name.clone(),
        namespace: None,
    };
    GatewayListenersTls {
        certificate_refs: Some(vec![certificate]),
        mode: Some(GatewayListenersTlsMode::Terminate),
        options: None,
    }
}
