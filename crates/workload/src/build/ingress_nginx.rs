//! Settings that an Ingress itself cannot express, as annotations of ingress-nginx, the only supported
//! controller.

use crate::{
    StringMap,
    model::{Cors, Ingress},
};

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// The purpose of one Ingress of a resource, in the order in which they request a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Http,
    /// HTTP with a replaced path.
    Rewritten,
    Grpc,
}

/// Returns whether the annotations of a class are known. Without a class the cluster's default applies,
/// which can be any controller.
#[must_use]
pub fn speaks(class_name: Option<&str>) -> bool {
    class_name.is_some_and(|name| name.contains("nginx"))
}

/// Returns annotations that the user may override.
#[must_use]
pub fn defaults(wanted: &Ingress) -> StringMap {
    let mut all = StringMap::new();
    if speaks(wanted.class_name.as_deref()) && wanted.tls.is_some() {
        all.insert(key("ssl-redirect"), "true".into());
    }
    all
}

/// Returns annotations that typed fields require.
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
        // `rate-limit`, which many manifests contain, is not an annotation of this controller.
        all.insert(key("limit-rps"), limit.to_string());
    }
    // Browsers do not use gRPC.
    if let (Some(cors), Part::Http | Part::Rewritten) = (&wanted.cors, which) {
        all.extend(cors_annotations(cors));
    }
    let target = wanted.routes.iter().find_map(|route| route.rewrite.as_deref());
    if let (Some(target), Part::Rewritten) = (target, which) {
        all.insert(key("use-regex"), "true".into());
        // The second group of [`captured`]: the part after the path.
        all.insert(key("rewrite-target"), format!("{}/$2", target.trim_end_matches('/')));
    }
    all
}

/// Returns a path as the regular expression whose groups `rewrite-target` refers to. Like a prefix, it
/// ends at a segment. The dot is the only character of a path with a special meaning in a regular
/// expression, and brackets escape it without a backslash.
#[must_use]
pub fn captured(path: &str) -> String {
    let prefix = path.trim_end_matches('/').replace('.', "[.]");
    if prefix.is_empty() { "/()(.*)".into() } else { format!("{prefix}(/|$)(.*)") }
}

fn cors_annotations(cors: &Cors) -> [(String, String); 4] {
    [
        (key("enable-cors"), "true".to_owned()),
        (key("cors-allow-origin"), cors.allow_origins.join(", ")),
        (key("cors-allow-methods"), cors.allow_methods.join(", ")),
        (key("cors-allow-headers"), cors.allow_headers.join(", ")),
    ]
}

fn key(name: &str) -> String {
    format!("{PREFIX}/{name}")
}
