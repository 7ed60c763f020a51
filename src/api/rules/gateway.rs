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
    let clash = format!("self.exists(b, a.host == b.host && {} != {})", grpc("a"), grpc("b"));
    explained(
        format!("!self.exists(a, {clash})"),
        format!(
            "\"host '%s' may not have rules for both Http and Grpc: a Gateway accepts one kind of route for a host; give one of them another host\".format([self.filter(a, {clash})[0].host])"
        ),
    )
}

pub fn grpc_path() -> Rule {
    const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";
    forbidden(
        format!(
            "self.all(r, !has(r.protocol) || r.protocol != 'Grpc' || !has(r.path) || r.path == '/' || r.path.matches('^/{NAME}([.]{NAME})*(/{NAME})?$'))"
        ),
        "must have, for protocol Grpc, a path that is '/' or a service and perhaps a method, such as '/logpilot.LogService/Send'",
    )
}

/// Two ways in for one host would fight over its name and its certificate.
pub fn one_way_per_host() -> Rule {
    let on = |way: &str| format!("has(self.{way}) && (!has(self.{way}.enabled) || self.{way}.enabled)");
    let shared = "self.ingress.rules.exists(b, a.host == b.host)";
    let both = format!("{} && {}", on("ingress"), on("gateway"));
    explained(
        format!("!({both}) || !self.gateway.rules.exists(a, {shared})"),
        format!(
            "\"`ingress` and `gateway` may not both be enabled for host '%s'; remove it from one of them\".format([self.gateway.rules.filter(a, {shared})[0].host])"
        ),
    )
    .field_path(".gateway.rules")
}
