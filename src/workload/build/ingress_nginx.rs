//! What an Ingress itself cannot say, in the annotations of ingress-nginx, the one controller we know.

use crate::{
    api::{common::StringMap, exposure::HttpMethod},
    logpilot::model::{Cors, Ingress},
};

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// Headers a browser may send: the controller's own list, and the one that carries the API key.
const ALLOW_HEADERS: &str = "DNT, Keep-Alive, User-Agent, X-Requested-With, If-Modified-Since, \
                             Cache-Control, Content-Type, Range, Authorization, X-API-KEY";
const ALLOW_METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";

/// What one Ingress of a cluster is for, in the order in which they are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Http,
    /// HTTP with another path behind the Ingress.
    Rewritten,
    Grpc,
}

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
pub fn required(wanted: &Ingress, which: Part) -> StringMap {
    let mut all = StringMap::new();
    if !speaks(wanted.class_name.as_deref()) {
        return all;
    }
    if which == Part::Grpc {
        all.insert(key("backend-protocol"), "GRPC".into());
    }
    if let Some(limit) = wanted.requests_per_second {
        // `rate-limit`, which many manifests carry, is no annotation of this controller.
        all.insert(key("limit-rps"), limit.to_string());
    }
    // Browsers do not speak gRPC.
    if let (Some(cors), Part::Http | Part::Rewritten) = (&wanted.cors, which) {
        all.extend(cors_annotations(cors));
    }
    let target = wanted.routes.iter().find_map(|route| route.rewrite.as_deref());
    if let (Some(target), Part::Rewritten) = (target, which) {
        all.insert(key("use-regex"), "true".into());
        // The second group of [`captured`]: what follows the path.
        all.insert(key("rewrite-target"), format!("{}/$2", target.trim_end_matches('/')));
    }
    all
}

/// A path as the regular expression that `rewrite-target` counts groups of. It ends at a segment, as a prefix does. Of its
/// letters only the dot means something there, and brackets take that away without a backslash.
#[must_use]
pub fn captured(path: &str) -> String {
    let prefix = path.trim_end_matches('/').replace('.', "[.]");
    if prefix.is_empty() { "/()(.*)".into() } else { format!("{prefix}(/|$)(.*)") }
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
