//! Rules of what depends on which role a component is.

use kube::core::{Reason, Rule};
pub use workload::api::rules::components::*;

use super::{at_most, explained, forbidden};

/// Applies at `securityContext`.
pub fn platform_assigns_all() -> Rule {
    forbidden(
        "!has(self.assignedBy) || self.assignedBy != 'Platform' || !(has(self.runAsUser) || has(self.runAsGroup) || has(self.fsGroup))",
        "may not be 'Platform' together with `runAsUser`, `runAsGroup` or `fsGroup`: the platform assigns all of them; remove them or use 'Operator'",
    )
    .field_path(".assignedBy")
}

/// Applies at `spec`. The kubelet would start no container, because every pod sets `runAsNonRoot`.
pub fn no_root_where_restricted() -> Rule {
    let root = "has(self.components[k].securityContext) && has(self.components[k].securityContext.runAsUser) && self.components[k].securityContext.runAsUser == 0";
    forbidden(
        format!(
            "(has(self.__namespace__) && has(self.__namespace__.podSecurity) && self.__namespace__.podSecurity != 'Restricted') || !has(self.components) || !self.components.exists(k, {root})"
        ),
        "may not have `securityContext.runAsUser: 0`, which is root, while `namespace.podSecurity` is 'Restricted' (the default); use another user ID",
    )
    .field_path(".components")
}

/// Applies at `spec`. With different users, a component could only read the files of another one,
/// and each start would change the group of all files.
pub fn sharers_have_one_identity() -> Rule {
    let number = |field: &str, default: &str| format!("(has(s.{field}) ? s.{field} : {default})");
    let user = number("runAsUser", "10001");
    let group = number("fsGroup", &user);
    let platform = "(has(s.assignedBy) && s.assignedBy == 'Platform' ? 1 : 0)";
    // Lists with zero or one element, because CEL has no other form for an absent object.
    let running = "self.components.filter(k, !has(self.components[k].enabled) || self.components[k].enabled)";
    let given = "has(self.components[k].securityContext) ? [self.components[k].securityContext] : []";
    forbidden(
        format!(
            "!has(self.components) || (has(self.storage) && has(self.storage.sharing) && self.storage.sharing == 'PerComponent') || [{running}.map(k, {given}).map(l, l.size() == 0 ? [10001, 10001, 0] : l.map(s, [{user}, {group}, {platform}])[0])].all(all, all.all(one, one == all[0]))"
        ),
        "must have the same `runAsUser` and `fsGroup` in each `securityContext`, because they share a volume; use the same IDs, or set `storage.sharing: PerComponent`",
    )
    .field_path(".components")
}

// ---- probes -------------------------------------------------------------------------------------

/// True if a condition holds for at least one probe of a block. The probes have different types in
/// CEL, so that a list cannot contain them.
fn of_some_probe(block: &str, bad: impl Fn(&str) -> String) -> String {
    let one = |probe: &str| {
        let probe = format!("{block}.{probe}");
        format!("(has({probe}) && {})", bad(&probe))
    };
    ["liveness", "readiness", "startup"].map(one).join(" || ")
}

pub fn exec_has_command() -> Rule {
    Rule::new("!has(self.mode) || self.mode != 'Exec' || has(self.command)")
        .message("must be given with `mode: Exec`, for example ['/bin/check', '--ready']")
        .reason(Reason::FieldValueRequired)
        .field_path(".command")
}

pub fn command_only_with_exec() -> Rule {
    let exec = of_some_probe("self", |probe| format!("has({probe}.mode) && {probe}.mode == 'Exec'"));
    forbidden(
        format!("!has(self.command) || (has(self.mode) && self.mode == 'Exec') || {exec}"),
        "may only be given with `mode: Exec`; set the mode or remove the command",
    )
    .field_path(".command")
}

/// Applies at a probe with a mode of its own. The operator checks what follows from the mode of all
/// probes.
pub fn probe_says_what_its_mode_asks() -> Rule {
    let off = "(has(self.enabled) && !self.enabled)";
    forbidden(
        format!(
            "!has(self.mode) || ((self.mode != 'Http' || has(self.path) || {off}) && !(has(self.path) && self.mode in ['Tcp', 'Grpc', 'Exec']) && !(has(self.port) && self.mode == 'Exec') && (!has(self.command) || self.mode == 'Exec'))"
        ),
        "must have a `path` with mode Http and none with Tcp, Grpc or Exec; no `port` with Exec; a `command` only with Exec",
    )
}

// ---- roles: rules of the map of components -------------------------------------------------------

pub fn known_roles() -> Rule {
    explained(
        "self.all(k, k in ['all', 'rest', 'grpc'])",
        "\"must be 'all', 'rest' or 'grpc'; there is no component \" + strings.quote(self.filter(k, !(k in ['all', 'rest', 'grpc']))[0])",
    )
}

/// CPU defaults differ by role, so this rule cannot be at `resources`. A request without a limit
/// has no limit.
pub fn cpu_within_limit(role: &str) -> Rule {
    let request = if role == "all" { "100m" } else { "50m" };
    let resources = format!("self['{role}'].resources");
    let given = |list: &str| format!("has({resources}.{list}) && has({resources}.{list}.cpu)");
    let requested = format!("({} ? string({resources}.requests.cpu) : '{request}')", given("requests"));
    let limited = format!("string({resources}.limits.cpu)");
    explained(
        format!(
            "!('{role}' in self) || !has({resources}) || !({}) || {}",
            given("limits"),
            at_most(&requested, &limited)
        ),
        format!(
            "\"must be less than or equal to `limits.cpu`: '%s' is more than '%s'; an absent value has its default, so set both\".format([{requested}, {limited}])"
        ),
    )
    .field_path(format!(".{role}.resources.requests.cpu"))
}

pub fn rest_has_no_grpc_probe() -> Rule {
    forbidden(
        "!('rest' in self) || !has(self['rest'].probes) || !has(self['rest'].probes.mode) || self['rest'].probes.mode != 'Grpc'",
        "may not be 'Grpc': rest serves no gRPC; use 'ActuatorGroups', 'Actuator', 'Http', 'Tcp' or 'Exec'",
    )
    .field_path(".rest.probes.mode")
}

/// A probe that uses a protocol which the role does not serve, by mode or by the name of the port.
pub fn role_can_answer_probes(role: &str) -> Rule {
    let block = format!("self['{role}'].probes");
    // `==` cannot be used, because a port is a number or text.
    let named = |probe: &str, port: &str| format!("(has({probe}.port) && string({probe}.port) == '{port}')");
    let (bad, missing) = if role == "rest" {
        let bad = |probe: &str| {
            format!("((has({probe}.mode) && {probe}.mode == 'Grpc') || {})", named(probe, "grpc"))
        };
        (of_some_probe(&block, bad), "gRPC")
    } else {
        (of_some_probe(&block, |probe| named(probe, "http")), "HTTP")
    };
    forbidden(
        format!("!('{role}' in self) || !has({block}) || !({bad})"),
        &format!("may not probe {missing}, which {role} does not serve; use the management port"),
    )
    .field_path(format!(".{role}.probes"))
}

/// A port of a protocol that the role does not serve.
pub fn role_serves(role: &str, block: &str, port: &str, protocol: &str, instead: &str) -> Rule {
    forbidden(
        format!("!('{role}' in self) || !has(self['{role}'].{block}) || !has(self['{role}'].{block}.{port})"),
        &format!("may not be set: {role} serves no {protocol}; use `{instead}`, or component `all`"),
    )
    .field_path(format!(".{role}.{block}.{port}"))
}

/// Only `all` has two ports in one Service. Both have defaults.
pub fn load_balancer_ports_differ() -> Rule {
    forbidden(
        "!('all' in self) || !has(self['all'].loadBalancer) || (has(self['all'].loadBalancer.httpPort) ? self['all'].loadBalancer.httpPort : 80) != (has(self['all'].loadBalancer.grpcPort) ? self['all'].loadBalancer.grpcPort : 50051)",
        "must differ from `httpPort`; the defaults are 80 (HTTP) and 50051 (gRPC)",
    )
    .field_path(".all.loadBalancer.grpcPort")
}

/// Node ports are unique in the whole Kubernetes cluster.
pub fn node_ports_differ() -> Rule {
    let ports = |field: &str| {
        format!(
            "self.map(k, has(self[k].nodePort) && has(self[k].nodePort.{field}) ? self[k].nodePort.{field} : 0)"
        )
    };
    forbidden(
        format!(
            "[{} + {}].all(ports, ports.all(p, p == 0 || ports.exists_one(q, q == p)))",
            ports("http"),
            ports("grpc")
        ),
        "each `nodePort` may be used only once in the Kubernetes cluster; change one, or remove it to have one allocated",
    )
}
