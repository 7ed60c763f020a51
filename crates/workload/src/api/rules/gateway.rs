//! Exposure by the Gateway API: what the routes of one host may say.

use kube::core::Rule;

use super::{explained, forbidden};

pub fn one_kind_of_parent() -> Rule {
    Rule::new("has(self.className) != has(self.parentRefs)").message(
        "must have exactly one of `className`, which makes a Gateway, and `parentRefs`, which uses those that are there",
    )
}

pub fn tls_needs_own_gateway() -> Rule {
    forbidden(
        "!has(self.tls) || !has(self.parentRefs)",
        "may not be set with `parentRefs`: the certificate belongs to a listener of that Gateway; set it there, or use `className`",
    )
    .field_path(".tls")
}

/// The Gateway API asks for a section in each where a Gateway stands twice.
pub fn unique_parents() -> Rule {
    let same = "a.name == b.name && (has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '')";
    let whole = "!has(a.sectionName) || !has(b.sectionName) || a.sectionName == b.sectionName";
    forbidden(
        format!("self.all(a, self.exists_one(b, {same} && ({whole})))"),
        "must not name one Gateway twice, unless each names another `sectionName`",
    )
}

/// A listener takes either kind of route for a host and refuses the younger one of the other kind.
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
            "\"host '%s' may not have rules for both Http and Grpc: a Gateway accepts one kind of route for a host; give one of them another host\".format([self.filter(a, {clash})[0].host])"
        ),
    )
}

/// At `gateway`. Without a host a rule is for those of every other rule too, where they share a listener.
pub fn any_host_has_one_protocol() -> Rule {
    let grpc = |rule: &str| format!("(has({rule}.protocol) && {rule}.protocol == 'Grpc')");
    forbidden(
        format!(
            "(has(self.className) && has(self.tls) && self.rules.all(r, !(!has(r.host) && {}))) || self.rules.all(a, has(a.host) || self.rules.all(b, {} == {}))",
            grpc("r"),
            grpc("a"),
            grpc("b")
        ),
        "may not have a rule without `host` beside rules of the other protocol: a Gateway accepts one kind of route for a host; give it a host",
    )
    .field_path(".rules")
}

/// The Gateway API asks for a rule of its own for each path that is replaced, and a route has room for 16.
pub fn few_rewrites() -> Rule {
    forbidden(
        "self.filter(r, has(r.rewrite)).size() <= 12",
        "may have a `rewrite` in at most 12 rules: each needs a rule of its own in its route; use `parentRefs` and routes of your own for more",
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
            "must have, for protocol Grpc, a path that is '/' or a service and perhaps a method, such as '{example}'"
        ),
    )
}

/// Two ways in for one host would fight over its name and its certificate.
pub fn one_way_per_host() -> Rule {
    let on = |way: &str| format!("has(self.{way}) && (!has(self.{way}.enabled) || self.{way}.enabled)");
    // Without a host it is every host's, on either way.
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
