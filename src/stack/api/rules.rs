//! The CEL rules of a stack, with the sentence that a user reads when one refuses.
//!
//! Rules at `components` and below are evaluated for up to 32 components, so that only cheap ones stand
//! there. The operator checks the rest and answers with `Accepted=False`.

use kube::core::{Reason, Rule};

use crate::workload::api::rules::{self, at_most, explained, forbidden};

pub fn name_length() -> Rule {
    explained(
        "self.metadata.name.size() <= 40",
        "'must be no more than 40 characters, was %d: it begins the names of PVCs and Secrets'.format([self.metadata.name.size()])",
    )
    .field_path(".metadata.name")
}

pub fn name_format() -> Rule {
    Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("must be a lower-case DNS label that starts with a letter: a-z, then a-z, 0-9 and '-', without dots")
        .field_path(".metadata.name")
}

pub fn name_prefix_format() -> Rule {
    Rule::new("self.matches('^[a-z]([-a-z0-9]*)-$')")
        .message("must consist of a-z, 0-9 and '-', start with a letter and end with '-', such as 'erp-'")
}

pub fn image_format() -> Rule {
    rules::image_format("mysql:8.0", "registry.example.com/shop@sha256:<64 hex digits>")
}

pub fn tag_format() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$')")
        .message("must be an image tag: letters, digits, '_', '.' and '-', not starting with '.' or '-'")
}

/// Keys that stand for something else in a reference.
const RESERVED: &str = "['secrets', 'pod', 'stack']";

pub fn component_names() -> Rule {
    let bad = format!("!(k.size() <= 40 && k.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')) || k in {RESERVED}");
    explained(
        format!("!self.exists(k, {bad})"),
        format!(
            "'component ' + strings.quote(self.filter(k, {bad})[0]) + \" must have a name of at most 40 characters a-z, 0-9 and '-' that starts with a letter, other than 'secrets', 'pod' and 'stack'\""
        ),
    )
}

pub fn entry_names() -> Rule {
    let bad = "!(k.size() <= 40 && k.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))";
    explained(
        format!("!self.exists(k, {bad})"),
        format!(
            "'entry ' + strings.quote(self.filter(k, {bad})[0]) + \" must have a name of at most 40 characters a-z, 0-9 and '-'\""
        ),
    )
}

// ---- the graph ----------------------------------------------------------------------------------

/// Names of the components that `spec.monitoring` adds.
const BUNDLED: &str = "(has(self.monitoring) ? [has(self.monitoring.prometheus) && has(self.monitoring.prometheus.name) ? self.monitoring.prometheus.name : 'prometheus', has(self.monitoring.grafana) && has(self.monitoring.grafana.name) ? self.monitoring.grafana.name : 'grafana', 'blackbox'] : [])";

pub fn dependencies_exist() -> Rule {
    let bad = format!("!(d in self.components) && !(d in {BUNDLED})");
    let has = "has(self.components[c].dependsOn)";
    explained(
        format!("self.components.all(c, !{has} || !self.components[c].dependsOn.exists(d, {bad}))"),
        format!(
            "[self.components.filter(c, {has} && self.components[c].dependsOn.exists(d, {bad}))[0]].map(c, \"component '%s' depends on '%s', which is no component of this stack; add it, or remove it from `dependsOn`\".format([c, self.components[c].dependsOn.filter(d, {bad})[0]]))[0]"
        ),
    )
    .field_path(".components")
}

/// A component that depends on itself, or two that depend on each other. The operator finds longer cycles.
pub fn no_mutual_dependencies() -> Rule {
    let back =
        "d in self.components && has(self.components[d].dependsOn) && c in self.components[d].dependsOn";
    let has = "has(self.components[c].dependsOn)";
    explained(
        format!("self.components.all(c, !{has} || !self.components[c].dependsOn.exists(d, {back}))"),
        format!(
            "[self.components.filter(c, {has} && self.components[c].dependsOn.exists(d, {back}))[0]].map(c, \"components '%s' and '%s' depend on each other, so that neither can start; remove one of the two\".format([c, self.components[c].dependsOn.filter(d, {back})[0]]))[0]"
        ),
    )
    .field_path(".components")
}

pub fn exposed_components_exist() -> Rule {
    let rules = |way: &str| {
        format!(
            "(has(self.exposure) && has(self.exposure.{way}) ? self.exposure.{way}.rules.map(r, r.component) : [])"
        )
    };
    let all = format!("({} + {})", rules("ingress"), rules("gateway"));
    let bad = format!("!(k in self.components) && !(k in {BUNDLED})");
    explained(
        format!("!{all}.exists(k, {bad})"),
        format!("\"'%s' is no component of this stack\".format([{all}.filter(k, {bad})[0]])"),
    )
    .field_path(".exposure")
}

// ---- images -------------------------------------------------------------------------------------

pub fn images_have_a_version() -> Rule {
    let bad = "has(self.components[c].image) && !self.components[c].image.matches('(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[a-f0-9]{64})$')";
    explained(
        format!("has(self.release) && has(self.release.tag) || !self.components.exists(c, {bad})"),
        format!(
            "\"the image of component '%s' needs a tag or a digest; add it, or give `release.tag`\".format([self.components.filter(c, {bad})[0]])"
        ),
    )
    .field_path(".components")
}

// ---- what may not change ------------------------------------------------------------------------

pub fn prefix_is_immutable() -> Rule {
    Rule::new("has(self.namePrefix) == has(oldSelf.namePrefix) && (!has(self.namePrefix) || self.namePrefix == oldSelf.namePrefix)")
        .message("is immutable: objects and their data have it in their names; create another stack instead")
        .field_path(".namePrefix")
}

/// A new key in the Secret of a database that exists would change nothing in the database.
pub fn generated_keys_are_immutable() -> Rule {
    let bad = "k in oldSelf.secrets && has(oldSelf.secrets[k].generate) && has(self.secrets[k].generate) && !(self.secrets[k].generate.all(g, g in oldSelf.secrets[k].generate) && oldSelf.secrets[k].generate.all(g, g in self.secrets[k].generate))";
    explained(
        format!("!has(self.secrets) || !has(oldSelf.secrets) || !self.secrets.exists(k, {bad})"),
        format!(
            "\"the keys of '%s' are immutable, because the data they open keeps the first values; add another entry\".format([self.secrets.filter(k, {bad})[0]])"
        ),
    )
    .field_path(".secrets")
}

/// From and to External is allowed: that is how a database moves to its own operator.
pub fn component_kinds_are_kept() -> Rule {
    let kind = |of: &str| format!("(has({of}.components[c].kind) ? {of}.components[c].kind : 'Deployment')");
    let (new, old) = (kind("self"), kind("oldSelf"));
    let bad =
        format!("c in oldSelf.components && {new} != {old} && {new} != 'External' && {old} != 'External'");
    explained(
        format!("!self.components.exists(c, {bad})"),
        format!(
            "\"the kind of component '%s' is immutable; remove the component, apply, then add it again\".format([self.components.filter(c, {bad})[0]])"
        ),
    )
    .field_path(".components")
}

pub fn class_and_mode_are_immutable() -> Rule {
    let same = |field: &str| {
        format!(
            "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        )
    };
    Rule::new(format!("({}) && ({})", same("storageClassName"), same("accessMode"))).message(
        "`storageClassName` and `accessMode` are immutable: a PVC keeps them; add another volume instead",
    )
}

// ---- one component ------------------------------------------------------------------------------

fn is(kind: &str) -> String {
    format!("has(self.kind) && self.kind == '{kind}'")
}

pub fn external_or_image() -> Rule {
    let external = is("External");
    Rule::new(format!(
        "({external}) ? has(self.external) && !has(self.image) : has(self.image) && !has(self.external)"
    ))
    .message("must have an `image`; only with `kind: External` an `external` address instead")
}

pub fn job_runs_once() -> Rule {
    let fields = [
        "replicas",
        "autoscaling",
        "replicaLimits",
        "probes",
        "metrics",
        "loadBalancer",
        "podDisruptionBudget",
        "strategy",
    ];
    let none = fields.map(|field| format!("!has(self.{field})")).join(" && ");
    forbidden(
        format!("!({}) || ({none})", is("Job")),
        "may not have replicas, autoscaling, replicaLimits, probes, metrics, loadBalancer, podDisruptionBudget or strategy with `kind: Job`, which runs once",
    )
}

pub fn job_settings_need_job() -> Rule {
    forbidden(format!("!has(self.job) || ({})", is("Job")), "may only be given with `kind: Job`")
        .field_path(".job")
}

pub fn stateful_sets_are_not_scaled() -> Rule {
    forbidden(
        format!("!has(self.autoscaling) || !({})", is("StatefulSet")),
        "may not be given with `kind: StatefulSet`; use `replicas`",
    )
    .field_path(".autoscaling")
}

/// Several pods of a database on one volume destroy its data.
pub fn one_writer() -> Rule {
    forbidden(
        format!(
            "!({}) || !has(self.replicas) || self.replicas <= 1 || !has(self.volumes) || !self.volumes.exists(v, has(self.volumes[v].size))",
            is("StatefulSet")
        ),
        "may not be more than 1 for a StatefulSet with a volume of its own; run replicated databases with their own operator, and name their address with `kind: External`",
    )
    .field_path(".replicas")
}

pub fn replicas_or_autoscaling() -> Rule {
    forbidden(
        "!has(self.replicas) || !has(self.autoscaling) || (has(self.autoscaling.enabled) && !self.autoscaling.enabled)",
        "may not be given together with `autoscaling`; use `autoscaling.minReplicas`, or set `autoscaling.enabled: false`",
    )
    .field_path(".replicas")
}

pub fn limits_in_order() -> Rule {
    Rule::new("!has(self.autoscaling) || !has(self.autoscaling.minReplicas) || !has(self.autoscaling.maxReplicas) || self.autoscaling.minReplicas <= self.autoscaling.maxReplicas")
        .message("must not be less than `minReplicas`")
        .reason(Reason::FieldValueInvalid)
        .field_path(".autoscaling.maxReplicas")
}

pub fn probe_has_port() -> Rule {
    Rule::new("!has(self.probes) || has(self.probes.command) || has(self.ports) && self.ports.size() > 0")
        .message("need a port to connect to: give `ports`, or a `command`")
        .field_path(".probes")
}

pub fn one_way_to_probe() -> Rule {
    forbidden(
        "[has(self.path), has(self.command), has(self.tcp) && self.tcp, has(self.grpc) && self.grpc].filter(given, given).size() <= 1",
        "must have at most one of `path`, `command`, `tcp: true` and `grpc: true`",
    )
}

pub fn requests_within_limits(field: &str) -> Rule {
    let given = |list: &str| format!("has(self.{list}) && has(self.{list}.{field})");
    Rule::new(format!(
        "!({} && {}) || {}",
        given("requests"),
        given("limits"),
        at_most(&format!("string(self.requests.{field})"), &format!("string(self.limits.{field})"))
    ))
    .message(&*format!("must be less than or equal to `limits.{field}`"))
    .field_path(format!(".requests.{field}"))
}

pub fn ports_differ() -> Rule {
    forbidden("self.all(a, self.exists_one(b, a.port == b.port))", "must not name the same number twice")
}

pub fn external_host() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$')")
        .message("must be a DNS name or an IP address, without scheme, port or path")
}

pub fn absolute_path() -> Rule {
    Rule::new("self.matches('^(/[^/:]+)+$') && !self.matches('/[.]{1,2}(/|$)')")
        .message("must be an absolute path such as '/var/lib/data', without '.' or '..' as a segment, without ':' and without a '/' at the end")
}

/// Only letters that mean nothing to a shell: administrators copy such a path into a command.
pub fn host_path() -> Rule {
    Rule::new("self.matches('^(/[A-Za-z0-9._@+=-]+)+$') && !self.matches('/[.]{1,2}(/|$)')")
        .message("must be an absolute path such as '/var/run/docker.sock', of letters, digits and '._@+=-', without '.' or '..' as a segment and without a '/' at the end")
}

pub fn variable_names() -> Rule {
    let bad = "!k.matches('^[-._a-zA-Z][-._a-zA-Z0-9]*$')";
    explained(
        format!("self.all(k, !({bad}))"),
        format!(
            "strings.quote(self.filter(k, {bad})[0]) + \" is no name of a variable: letters, digits, '-', '_' and '.', not starting with a digit\""
        ),
    )
}

pub fn variables_are_not_hidden() -> Rule {
    Rule::new("self.all(k, !k.startsWith('STACK_SECRET_'))")
        .message("may not have names that start with 'STACK_SECRET_', which the operator uses")
}

pub fn file_paths() -> Rule {
    let bad = "!k.matches('^(/[^/:]+)+$') || k.matches('/[.]{1,2}(/|$)')";
    explained(
        format!("!self.exists(k, {bad})"),
        format!(
            "strings.quote(self.filter(k, {bad})[0]) + \" must be an absolute path without '.', '..', ':' and empty segments\""
        ),
    )
}

pub fn one_rate() -> Rule {
    Rule::new(
        "has(self.requestsPerSecond) != has(self.requestsPerMinute) || (has(self.enabled) && !self.enabled)",
    )
    .message("must have exactly one of `requestsPerSecond` and `requestsPerMinute`")
}

// ---- volumes ------------------------------------------------------------------------------------

pub fn one_source() -> Rule {
    Rule::new("[has(self.size), has(self.shared), has(self.existingClaim), has(self.scratch), has(self.secret), has(self.configMap)].exists_one(given, given)")
        .message("must have exactly one of `size`, `shared`, `existingClaim`, `scratch`, `secret` and `configMap`")
}

pub fn pvc_settings_need_size() -> Rule {
    forbidden(
        "has(self.size) || !(has(self.storageClassName) || has(self.accessMode) || has(self.deletionPolicy))",
        "`storageClassName`, `accessMode` and `deletionPolicy` may only be given with `size`",
    )
}

pub fn shared_volumes_exist() -> Rule {
    let bad = "has(self.components[c].volumes) && self.components[c].volumes.exists(v, has(self.components[c].volumes[v].shared) && !(has(self.volumes) && self.components[c].volumes[v].shared in self.volumes))";
    explained(
        format!("!self.components.exists(c, {bad})"),
        format!(
            "\"component '%s' mounts a shared volume that `spec.volumes` does not have\".format([self.components.filter(c, {bad})[0]])"
        ),
    )
    .field_path(".components")
}
