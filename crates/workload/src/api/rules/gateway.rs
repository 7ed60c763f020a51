//! Rules of the Gateway API: what the routes of one host may contain.

use kube::core::Rule;

use super::{explained, forbidden};

pub fn one_kind_of_parent() -> Rule {
    Rule::new("has(self.className) != has(self.parentRefs)").message(
        "must have exactly one of `className`, which creates a Gateway, and `parentRefs`, which uses existing ones",
    )
}

pub fn tls_needs_own_gateway() -> Rule {
    forbidden(
        "!has(self.tls) || !has(self.parentRefs)",
        "may not be set with `parentRefs`: the certificate belongs to a listener of that Gateway; set it there, or use `className`",
    )
    .field_path(".tls")
}

/// The Gateway API requires a section name in each reference if a Gateway is referenced more than
/// once.
pub fn unique_parents() -> Rule {
    let same = "a.name == b.name && (has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '')";
    let whole = "!has(a.sectionName) || !has(b.sectionName) || a.sectionName == b.sectionName";
    forbidden(
        format!("self.all(a, self.exists_one(b, {same} && ({whole})))"),
        "must not name the same Gateway twice, unless each entry has a different `sectionName`",
    )
}

/// A listener accepts one kind of route per host and rejects the younger route of the other kind.
pub fn one_protocol_per_host() -> Rule {
    let grpc = |rule: &str| format!("(has({rule}.protocol) && {rule}.protocol == 'Grpc')");
    let clash = format!(
        "has(a.host) && self.exists(b, has(b.host) && a.host == b.host && {} != {})",
        grpc("a"),
        grpc("b")
    );
    explained(
        format!("!self.exists(a, {clash})"),
        format!(
            "\"host '%s' may not have rules for both Http and Grpc: a Gateway accepts only one kind of route per host; use another host for one of them\".format([self.filter(a, {clash})[0].host])"
        ),
    )
}

/// Applies at `gateway`. A rule without a host also matches the hosts of all other rules if they
/// share a listener.
pub fn any_host_has_one_protocol() -> Rule {
    let grpc = |rule: &str| format!("(has({rule}.protocol) && {rule}.protocol == 'Grpc')");
    forbidden(
        format!(
            "(has(self.className) && has(self.tls) && self.rules.all(r, !(!has(r.host) && {}))) || self.rules.all(a, has(a.host) || self.rules.all(b, {} == {}))",
            grpc("r"),
            grpc("a"),
            grpc("b")
        ),
        "may not have a rule without `host` together with rules of the other protocol: a Gateway accepts only one kind of route per host; set its `host`",
    )
    .field_path(".rules")
}

/// The Gateway API requires a separate rule for each path with a rewrite, and a route may have 16
/// rules.
pub fn few_rewrites() -> Rule {
    forbidden(
        "self.filter(r, has(r.rewrite)).size() <= 12",
        "may have a `rewrite` in at most 12 rules: each needs a separate rule in its route; for more, use `parentRefs` with routes of your own",
    )
}

/// `example` is a method of the product.
pub fn grpc_path(example: &str) -> Rule {
    const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";
    forbidden(
        format!(
            "self.all(r, !has(r.protocol) || r.protocol != 'Grpc' || !has(r.path) || r.path == '/' || r.path.matches('^/{NAME}([.]{NAME})*(/{NAME})?$'))"
        ),
        &format!(
            "must have, for protocol Grpc, a path that is '/' or a service and optionally a method, such as '{example}'"
        ),
    )
}

/// An Ingress and a Gateway for the same host would compete for its name and its certificate.
pub fn one_way_per_host() -> Rule {
    let on = |way: &str| format!("has(self.{way}) && (!has(self.{way}.enabled) || self.{way}.enabled)");
    // A rule without a host matches all hosts, in both kinds of exposure.
    let host = |rule: &str| format!("(has({rule}.host) ? {rule}.host : '')");
    let shared = format!("self.ingress.rules.exists(b, {} == {})", host("a"), host("b"));
    let both = format!("{} && {}", on("ingress"), on("gateway"));
    explained(
        format!("!({both}) || !self.gateway.rules.exists(a, {shared})"),
        format!(
            "\"`ingress` and `gateway` may not both be enabled for host '%s'; remove it from one of them\".format([self.gateway.rules.filter(a, {shared}).map(a, has(a.host) ? a.host : '*')[0]])"
        ),
    )
    .field_path(".gateway.rules")
}
