//! Certificates, cross-origin requests and Gateways of an exposure.

use super::Violations;
use crate::{
    api::{
        exposure::{self as given, HttpMethod, IssuerKind, Protocol as GivenProtocol},
        gateway,
    },
    model::{Cors, Issuer, ParentRef, Protocol, Tls},
};

/// Permissions of browsers that a product's `cors` does not set.
#[derive(Clone, Copy, Debug)]
pub struct CorsDefaults<'a> {
    pub origin: &'a str,
    pub methods: &'a [&'a str],
    pub headers: &'a [&'a str],
}

/// cert-manager reads the names of a certificate from the hosts.
/// `named` where some rule has a host; `at` is the path of the block.
pub fn named_certificate(named: bool, tls: Option<&given::Tls>, at: &str, violations: &mut Violations) {
    violations.require(
        tls.is_none_or(|tls| tls.issuer_ref.is_none()) || named,
        format!("{at}.tls.issuerRef"),
        "needs a `host` in at least one rule, because a certificate is issued for names; set a `host`, or remove `issuerRef` and use an existing Secret",
    );
}

#[must_use]
pub fn tls(given: &given::Tls) -> Tls {
    let issuer = given.issuer_ref.as_ref().map(|issuer| Issuer {
        name: issuer.name.clone(),
        cluster_wide: issuer.kind.unwrap_or_default() == IssuerKind::ClusterIssuer,
    });
    Tls { secret_name: given.secret_name.clone(), issuer }
}

#[must_use]
pub fn parent(given: &gateway::ParentRef) -> ParentRef {
    ParentRef {
        name: given.name.clone(),
        namespace: given.namespace.clone(),
        section_name: given.section_name.clone(),
    }
}

#[must_use]
pub fn cors(given: &given::Cors, defaults: &CorsDefaults<'_>) -> Cors {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let methods = given.allow_methods.as_ref();
    Cors {
        allow_origins: given.allow_origins.clone().unwrap_or_else(|| texts(&[defaults.origin])),
        allow_methods: methods.map_or_else(
            || texts(defaults.methods),
            |methods| methods.iter().map(|method| method_name(*method).to_owned()).collect(),
        ),
        allow_headers: given.allow_headers.clone().unwrap_or_else(|| texts(defaults.headers)),
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

#[must_use]
pub fn protocol(given: GivenProtocol) -> Protocol {
    match given {
        GivenProtocol::Http => Protocol::Http,
        GivenProtocol::Grpc => Protocol::Grpc,
    }
}

/// Returns the replacement of a path, in the form of the model.
#[must_use]
pub fn rewrite(given: &str) -> String {
    match given.trim_end_matches('/') {
        "" => "/".to_owned(),
        other => other.to_owned(),
    }
}
