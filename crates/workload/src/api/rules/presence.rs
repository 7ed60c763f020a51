//! Rules for edits that seem to change nothing.
//!
//! The API server drops a `null`, and therefore a key without a value, such as `rest:` without its
//! braces, or a block whose last setting was removed. The absent field then has its default. If
//! that default is wider than the previous value, or disables a protection of data, the rule
//! rejects the edit, and the message names what to write instead. A rule only compares with the
//! previous value, so that an object that is older than the rule can still be edited.

use kube::core::{Reason, Rule};

use super::forbidden;

/// True if an optional block is disabled.
pub fn off(block: &str) -> String {
    format!("(has({block}.enabled) && !{block}.enabled)")
}

/// A field that must be explicit, because its absence has a wider meaning.
pub fn kept(rule: String, message: &str, field: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueRequired).field_path(field)
}

/// Applies at `spec`. If an address block allowed all clients, removing the list allows no
/// additional client.
pub fn clients_are_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.clients) || {old}.clients.exists(c, has(c.cidr) && c.cidr in ['0.0.0.0/0', '::/0'] && !has(c.except)) \
             || (has({new}) && (has({new}.clients) || {}))",
            off(old),
            off(new)
        ),
        "may not be removed once it was set: its absence allows all clients; write `[]` to allow none, or `[{namespaceSelector: {}}, {cidr: 0.0.0.0/0}, {cidr: '::/0'}]` to allow all",
        ".networkPolicy.clients",
    )
}

/// Applies at `spec`.
pub fn protection_is_kept() -> Rule {
    kept(
        "!has(oldSelf.deletionProtection) || !oldSelf.deletionProtection || has(self.deletionProtection)"
            .into(),
        "may not be removed while it is true: write `false` to end the protection",
        ".deletionProtection",
    )
}

/// Applies at `spec`.
pub fn monitoring_peer_is_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.monitoring) || (has({new}) && (has({new}.monitoring) || {}))",
            off(old),
            off(new)
        ),
        "may not be removed once it was set: the default opens the management port to a whole namespace and may block your Prometheus; for the default write `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}`, with the system namespace instead if one is set",
        ".networkPolicy.monitoring",
    )
}

/// Applies at `spec`. Only for an Ingress of class nginx does an absent value allow pods: those of
/// a whole namespace.
pub fn ingress_controller_is_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.ingressController) || (has({new}) && (has({new}.ingressController) || {})) \
             || !has(self.exposure) || !has(self.exposure.ingress) || {} || !has(self.exposure.ingress.className) || self.exposure.ingress.className != 'nginx'",
            off(old),
            off(new),
            off("self.exposure.ingress")
        ),
        "may not be removed once it was set: the default allows all pods of the namespace ingress-nginx; for the default write `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}`",
        ".networkPolicy.ingressController",
    )
}

/// Applies at `spec`. A stopped or paused resource continues only if the field says so explicitly.
pub fn operation_is_kept(field: &str, consequence: &str) -> Rule {
    let given = |of: &str| format!("has({of}.operation) && has({of}.operation.{field})");
    kept(
        format!("!({}) || !oldSelf.operation.{field} || ({})", given("oldSelf"), given("self")),
        &format!("may not be removed while it is true: {consequence}; if that is intended, write `false`"),
        &format!(".operation.{field}"),
    )
}

/// Applies at a block with a switch that allows clients to connect, or starts pods.
pub fn switch_stays_off(consequence: &str) -> Rule {
    kept(
        "!has(oldSelf.enabled) || oldSelf.enabled || has(self.enabled)".into(),
        &format!(
            "may not be removed while it is false: {consequence}; if that is intended, write `enabled: true`"
        ),
        ".enabled",
    )
}

/// Applies at a component. Zero pods have the same effect as a disabled component.
pub fn no_replicas_are_kept() -> Rule {
    kept(
        "!has(oldSelf.replicas) || oldSelf.replicas > 0 || has(self.replicas) || has(self.autoscaling) || (has(self.enabled) && !self.enabled)"
            .into(),
        "may not be removed while it is 0: pods would start; write the number of pods",
        ".replicas",
    )
}

/// Applies at `ingress`. The default class of the Kubernetes cluster may be a controller that faces
/// the internet.
pub fn ingress_class_is_kept() -> Rule {
    kept(
        format!("{} || {} || !has(oldSelf.className) || has(self.className)", off("self"), off("oldSelf")),
        "may not be removed while this block is enabled: another ingress controller could serve it; name the class; `kubectl get ingressclass` lists them",
        ".className",
    )
}

/// Applies at `loadBalancer`.
pub fn source_ranges_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.sourceRanges) || has(self.sourceRanges) || oldSelf.sourceRanges.exists(r, r in ['0.0.0.0/0', '::/0'])",
            off("self"),
            off("oldSelf")
        ),
        "may not be removed once it was set: its absence allows all clients; to allow all, write `[0.0.0.0/0]`, or `['::/0']` with IPv6",
        ".sourceRanges",
    )
}

/// Applies at `loadBalancer`. In `networkPolicy.clients`, `[]` allows no client. A Service has no
/// such list.
pub fn some_source_range() -> Rule {
    forbidden(
        format!("{} || !has(self.sourceRanges) || self.sourceRanges.size() > 0", off("self")),
        "must have at least one block: an empty list would allow all clients; write `[0.0.0.0/0]` to allow all, `['::/0']` with IPv6, or `enabled: false` to allow none",
    )
    .field_path(".sourceRanges")
}

/// Applies at `cors`.
pub fn origins_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.allowOrigins) || has(self.allowOrigins) || '*' in oldSelf.allowOrigins",
            off("self"),
            off("oldSelf")
        ),
        "may not be removed once it was set: its absence allows all origins; to allow all, write `['*']`",
        ".allowOrigins",
    )
}

/// Annotations that name the certificate of a load balancer that terminates TLS itself.
const CERTIFICATES: &str = "['alb.ingress.kubernetes.io/certificate-arn', 'appgw.ingress.kubernetes.io/appgw-ssl-certificate', 'ingress.gcp.kubernetes.io/pre-shared-cert', 'networking.gke.io/managed-certificates', 'route.openshift.io/termination']";
/// The load balancer of AWS selects a certificate by the host if it listens for HTTPS.
const LISTENERS: &str = "'alb.ingress.kubernetes.io/listen-ports'";

/// Applies at `ingress`. An edit that moves TLS to a load balancer names its certificate. An edit
/// that only removes `tls` may be a key without a value.
pub fn tls_is_kept_on_ingress() -> Rule {
    tls_is_kept(
        &format!(
            "(has(self.annotations) && ({CERTIFICATES}.exists(k, k in self.annotations && self.annotations[k] != '') || ({LISTENERS} in self.annotations && self.annotations[{LISTENERS}].contains('HTTPS'))))"
        ),
        "if a load balancer terminates TLS, name its certificate in the same edit with an annotation such as `alb.ingress.kubernetes.io/certificate-arn`, or `alb.ingress.kubernetes.io/listen-ports` with HTTPS; ",
    )
}

/// Applies at `gateway`. On a Gateway of another owner, TLS is configured there.
pub fn tls_is_kept_on_gateway() -> Rule {
    tls_is_kept("has(self.parentRefs)", "")
}

fn tls_is_kept(elsewhere: &str, how: &str) -> Rule {
    kept(
        format!("{} || {} || !has(oldSelf.tls) || has(self.tls) || {elsewhere}", off("self"), off("oldSelf")),
        &format!(
            "may not be removed while this block is enabled: clients would send the API key in clear text; {how}to disable TLS, set `enabled: false` and remove `tls` in one edit, then set `enabled: true` in a second edit"
        ),
        ".tls",
    )
}

/// Applies at a selector. The API server drops a label without a value, and the remaining selector
/// would select everything.
pub fn some_label() -> Rule {
    forbidden(
        "!has(self.matchLabels) || self.matchLabels.size() > 0",
        "must have at least one label with a value; to select everything, write `{}` for the whole selector",
    )
    .field_path(".matchLabels")
}
