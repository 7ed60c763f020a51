//! Rules of one component, and rules that depend on the role of a component.

use kube::core::{Reason, Rule};

use super::{at_most, explained, forbidden};

// The checks of patches use these values and messages too.
pub const LEAST_GRACE_SECONDS: i64 = 6;
pub const GRACE_PERIOD: &str =
    "must be at least 6: pods wait 5 s before they terminate, so that no request reaches a closed port";
pub const SYSTEM_CLASSES: &str = "system-";
pub const PRIORITY_CLASS: &str = "may not start with 'system-': those classes are reserved for system pods; name a PriorityClass of your own";

// ---- one component ------------------------------------------------------------------------------

/// True if `autoscaling` is present and not disabled.
fn scaled(component: &str) -> String {
    format!(
        "(has({component}.autoscaling) && (!has({component}.autoscaling.enabled) || {component}.autoscaling.enabled))"
    )
}

pub fn replicas_or_autoscaling() -> Rule {
    forbidden(
        format!("!has(self.replicas) || !{}", scaled("self")),
        "may not be set while `autoscaling` is on; use `autoscaling.minReplicas`, or set `autoscaling.enabled: false`",
    )
    .field_path(".replicas")
}

/// Without this rule, removing the autoscaler would also reduce a running service to its default
/// size.
pub fn replicas_after_autoscaling() -> Rule {
    Rule::new(format!(
        "!{} || {} || has(self.replicas)",
        scaled("oldSelf"),
        scaled("self")
    ))
    .message("must be given when `autoscaling` is removed or turned off, otherwise the number of pods would change to the default")
    .reason(Reason::FieldValueRequired)
    .field_path(".replicas")
}

/// The API server rejects the Deployment otherwise. 600 s is the default deadline of Kubernetes.
pub fn deadline_after_min_ready() -> Rule {
    explained(
        "(has(self.progressDeadlineSeconds) ? self.progressDeadlineSeconds : 600) > (has(self.minReadySeconds) ? self.minReadySeconds : 0)",
        "'must be greater than `minReadySeconds` (%d); the default is 600'.format([self.minReadySeconds])",
    )
    .field_path(".progressDeadlineSeconds")
}

pub fn grace_period() -> Rule {
    Rule::new(format!("self >= {LEAST_GRACE_SECONDS}")).message(GRACE_PERIOD)
}

pub fn priority_class() -> Rule {
    Rule::new(format!("!self.startsWith('{SYSTEM_CLASSES}')")).message(PRIORITY_CLASS)
}

/// Kubernetes accepts another class only in a new Service. A load balancer that is disabled is
/// deleted before it is created again.
pub fn load_balancer_class_is_kept() -> Rule {
    let off = |of: &str| format!("(has({of}.enabled) && !{of}.enabled)");
    let class = |of: &str| format!("(has({of}.class) ? {of}.class : '')");
    explained(
        format!("{} || {} || {} == {}", off("self"), off("oldSelf"), class("self"), class("oldSelf")),
        format!(
            "\"is immutable while the load balancer exists (was '\" + {} + \"'): set `enabled: false` and the new class, wait until the Service is deleted, then set `enabled: true`; the address changes\"",
            class("oldSelf")
        ),
    )
    .field_path(".class")
}

pub fn max_not_below_min() -> Rule {
    explained(
        "!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",
        "'must be greater than or equal to `minReplicas` (%d)'.format([self.minReplicas])",
    )
    .field_path(".maxReplicas")
}

/// Kubernetes uses both fields as the key of a constraint.
pub fn spread_once() -> Rule {
    let when =
        |item: &str| format!("(has({item}.whenUnsatisfiable) ? {item}.whenUnsatisfiable : 'ScheduleAnyway')");
    forbidden(
        format!(
            "self.all(a, self.exists_one(b, a.topologyKey == b.topologyKey && {} == {}))",
            when("a"),
            when("b")
        ),
        "must not name the same `topologyKey` and `whenUnsatisfiable` twice; remove one of them",
    )
}

// ---- strategy and budget ------------------------------------------------------------------------

pub fn recreate_has_no_rolling() -> Rule {
    forbidden(
        "!has(self.type) || self.type != 'Recreate' || (!has(self.maxSurge) && !has(self.maxUnavailable))",
        "'Recreate' terminates all pods first: remove `maxSurge` and `maxUnavailable`, or use 'RollingUpdate'",
    )
    .field_path(".type")
}

pub fn rolling_can_move() -> Rule {
    forbidden(
        "!has(self.maxSurge) || !has(self.maxUnavailable) || !(self.maxSurge == 0 || self.maxSurge == '0%') || !(self.maxUnavailable == 0 || self.maxUnavailable == '0%')",
        "may not be 0 if `maxSurge` is 0: no pod could be replaced; raise one of them",
    )
    .field_path(".maxUnavailable")
}

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

pub fn one_budget() -> Rule {
    forbidden(
        "!has(self.minAvailable) || !has(self.maxUnavailable)",
        "`minAvailable` and `maxUnavailable` are mutually exclusive; remove one",
    )
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

/// The path as it is sent in the first line of a request.
pub fn probe_path() -> Rule {
    Rule::new("self.matches('^/[A-Za-z0-9/._~%&=?,:@+-]*$')")
        .message("must start with '/' and consist of letters, digits and any of /._~%&=?,:@+-")
}

/// Applies at `liveness` and `startup`, as in a Pod.
pub fn one_success() -> Rule {
    Rule::new("!has(self.successThreshold) || self.successThreshold == 1")
        .message("must be 1 for liveness and startup probes")
        .field_path(".successThreshold")
}

// ---- resources ----------------------------------------------------------------------------------

/// `requests` must not exceed `limits`. Both have defaults, so a single value is compared with the
/// default of the other one. Otherwise the API server would reject the Deployment without a message
/// to the user.
fn within(field: &str, request: &str, limit: &str) -> Rule {
    let requested = format!(
        "(has(self.requests) && has(self.requests.{field}) ? string(self.requests.{field}) : '{request}')"
    );
    let limited =
        format!("(has(self.limits) && has(self.limits.{field}) ? string(self.limits.{field}) : '{limit}')");
    explained(
        // A limit below any useful value has its own message at its own field.
        format!(
            "!isQuantity({limited}) || quantity({limited}).compareTo(quantity('16Mi')) < 0 || {}",
            at_most(&requested, &limited)
        ),
        format!(
            "\"must be less than or equal to `limits.{field}`: '%s' is more than '%s'; an absent value has its default, so set both\".format([{requested}, {limited}])"
        ),
    )
    .field_path(format!(".requests.{field}"))
}

pub fn memory_within_limit() -> Rule {
    within("memory", "256Mi", "512Mi")
}

pub fn ephemeral_storage_within_limit() -> Rule {
    let amount = |list: &str| format!("string(self.{list}.ephemeral__dash__storage)");
    let given = |list: &str| format!("has(self.{list}) && has(self.{list}.ephemeral__dash__storage)");
    Rule::new(format!(
        "!({} && {}) || {}",
        given("requests"),
        given("limits"),
        at_most(&amount("requests"), &amount("limits"))
    ))
    .message("must be less than or equal to `limits.ephemeral-storage`")
    .field_path(".requests['ephemeral-storage']")
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
