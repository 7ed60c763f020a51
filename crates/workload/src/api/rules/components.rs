//! Rules of one component.

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

pub fn one_budget() -> Rule {
    forbidden(
        "!has(self.minAvailable) || !has(self.maxUnavailable)",
        "`minAvailable` and `maxUnavailable` are mutually exclusive; remove one",
    )
}

// ---- probes -------------------------------------------------------------------------------------

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

/// With the defaults of the product.
pub fn memory_within_limit(request: &str, limit: &str) -> Rule {
    within("memory", request, limit)
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
