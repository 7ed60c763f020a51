//! What an Ingress itself cannot say, in the annotations of ingress-nginx, the one controller we know.

use crate::{
    api::{
        common::StringMap,
        exposure::{HttpMethod, Protocol},
    },
    logpilot::model::{Cors, Ingress},
};

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// Headers a browser may send: the controller's own list, and the one that carries the API key.
const ALLOW_HEADERS: &str = "DNT, Keep-Alive, User-Agent, X-Requested-With, If-Modified-Since, \
                             Cache-Control, Content-Type, Range, Authorization, X-API-KEY";
const ALLOW_METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";

/// Whether the class is one whose annotations we know. No class means the cluster's default, which may be any.
#[must_use]
pub fn speaks(class_name: Option<&str>) -> bool {
    class_name.is_some_and(|name| name.contains("nginx"))
}

/// Annotations that the user's own may replace.
#[must_use]
pub fn defaults(wanted: &Ingress) -> StringMap {
    let mut all = StringMap::new();
    if speaks(wanted.class_name.as_deref()) && wanted.tls.is_some() {
        all.insert(key("ssl-redirect"), "true".into());
    }
    all
}

/// Annotations that typed fields ask for.
#[must_use]
pub fn required(wanted: &Ingress, protocol: Protocol) -> StringMap {
    let mut all = StringMap::new();
    if !speaks(wanted.class_name.as_deref()) {
        return all;
    }
    if protocol == Protocol::Grpc {
        all.insert(key("backend-protocol"), "GRPC".into());
    }
    if let Some(limit) = wanted.requests_per_second {
        // `rate-limit`, which many manifests carry, is no annotation of this controller.
        all.insert(key("limit-rps"), limit.to_string());
    }
    // Browsers do not speak gRPC.
    if let (Some(cors), Protocol::Http) = (&wanted.cors, protocol) {
        all.extend(cors_annotations(cors));
    }
    all
}

fn cors_annotations(cors: &Cors) -> [(String, String); 4] {
    let list = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
    let methods = |methods: &Vec<HttpMethod>| {
        methods.iter().map(|method| method_name(*method)).collect::<Vec<_>>().join(", ")
    };
    [
        (key("enable-cors"), "true".to_owned()),
        (key("cors-allow-origin"), list(cors.allow_origins.as_ref().map(|origins| origins.join(", ")), "*")),
        (key("cors-allow-methods"), list(cors.allow_methods.as_ref().map(methods), ALLOW_METHODS)),
        (
            key("cors-allow-headers"),
            list(cors.allow_headers.as_ref().map(|headers| headers.join(", ")), ALLOW_HEADERS),
        ),
    ]
}

fn key(name: &str) -> String {
    format!("{PREFIX}/{name}")
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
