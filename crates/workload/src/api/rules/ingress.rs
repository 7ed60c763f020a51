//! Hosts, paths and certificates of what an Ingress or a Gateway says.

use kube::core::{Message, Rule};

use super::forbidden;

/// `example` is a host of the product.
pub fn host_format(example: &str) -> Rule {
    Rule::new("self.matches('^([*][.])?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$') && !isIP(self)").message(Message::Message(format!(
"must be a lower-case DNS name such as '{example}', optionally with one leading '*.', without scheme, port or path, and not an IP address"
)))
}

pub fn path_format() -> Rule {
    Rule::new("self.matches('^(/[A-Za-z0-9_.-]+)*/?$') && !self.matches('/[.]{1,2}(/|$)')").message(
        "must start with '/' and consist of letters, digits, '-', '_', '.' and single '/', without '.' or '..' as a segment",
    )
}

/// nginx assigns a location to the older Ingress and ignores the other one, whatever its protocol.
pub fn unique_locations() -> Rule {
    let path = |rule: &str| format!("(has({rule}.path) ? {rule}.path : '/')");
    let host = |rule: &str| format!("(has({rule}.host) ? {rule}.host : '')");
    forbidden(
        format!(
            "self.all(a, self.exists_one(b, {} == {} && {} == {}))",
            host("a"),
            host("b"),
            path("a"),
            path("b")
        ),
        "must not name the same host and path twice (the default path is '/'), even for different protocols; use another host or path for one of them",
    )
}

/// The rewrite target is a setting of a whole Ingress.
pub fn one_rewrite() -> Rule {
    forbidden(
        "self.all(a, !has(a.rewrite) || self.all(b, !has(b.rewrite) || a.rewrite == b.rewrite))",
        "must have the same `rewrite` in all rules that have one: an Ingress has one rewrite target for all paths; for different ones use `gateway`",
    )
}

/// Applies at a rule. The path of a gRPC request is the name of its method.
pub fn rewrite_only_http() -> Rule {
    forbidden(
        "!has(self.rewrite) || !has(self.protocol) || self.protocol != 'Grpc'",
        "may only be given for protocol Http: the path of a gRPC request is the name of its method; remove it",
    )
    .field_path(".rewrite")
}

/// Applies at `ingress` and `gateway`. cert-manager reads the names of a certificate from the
/// hosts.
pub fn certificate_needs_host() -> Rule {
    forbidden(
        "!has(self.tls) || !has(self.tls.issuerRef) || self.rules.exists(r, has(r.host))",
        "may only be given if a rule has a `host`: a certificate is issued for names; set a `host`, or remove `issuerRef` and use an existing Secret",
    )
    .field_path(".tls.issuerRef")
}
