//! What an Ingress itself cannot say, in the annotations of ingress-nginx, the one controller we know.

use crate::{
    StringMap,
    model::{Cors, Ingress},
};

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// What one Ingress of a resource is for, in the order in which they are asked for a certificate.
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
