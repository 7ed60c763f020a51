//! Edits that read as if they changed nothing.
//!
//! The API server drops a `null`, and so a key with nothing behind it: `rest:` without its braces, or a block whose
//! last setting was taken away. What is left out then has its default, and where that default is wider than what was
//! given, or stops what protects data, the edit is refused and the message says what to write instead. Only what was
//! given before is held against an edit, so that an object that is older than a rule can still be edited.

use kube::core::{Reason, Rule};

use super::forbidden;

/// An optional block that is switched off.
pub fn off(block: &str) -> String {
    format!("(has({block}.enabled) && !{block}.enabled)")
}

/// A field that has to be written down, because its absence means something wider.
pub fn kept(rule: String, message: &str, field: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueRequired).field_path(field)
}

/// At `spec`. Where everyone was let in by an address, leaving it out lets nobody else in.
pub fn clients_are_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.clients) || {old}.clients.exists(c, has(c.cidr) && c.cidr in ['0.0.0.0/0', '::/0'] && !has(c.except)) \
             || (has({new}) && (has({new}.clients) || {}))",
            off(old),
            off(new)
        ),
        "may not be left out once it was given: that lets everyone connect; write `[]` for nobody, or `[{namespaceSelector: {}}, {cidr: 0.0.0.0/0}, {cidr: '::/0'}]` for everyone",
        ".networkPolicy.clients",
    )
}

/// At `spec`.
pub fn protection_is_kept() -> Rule {
    kept(
        "!has(oldSelf.deletionProtection) || !oldSelf.deletionProtection || has(self.deletionProtection)"
            .into(),
        "may not be left out while it is true: write `false` to give up the protection",
        ".deletionProtection",
    )
}

/// At `spec`.
pub fn monitoring_peer_is_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.monitoring) || (has({new}) && (has({new}.monitoring) || {}))",
            off(old),
            off(new)
        ),
        "may not be left out once it was given: that opens the management port to a whole namespace, and perhaps closes it to your Prometheus; write the default as `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}`, or with the system namespace where one is named",
        ".networkPolicy.monitoring",
    )
}

/// At `spec`. Only for an Ingress of class nginx does its absence mean pods, those of a whole namespace.
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
        "may not be left out once it was given: that lets every pod of the namespace ingress-nginx connect; write that as `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}`",
        ".networkPolicy.ingressController",
    )
}

/// At `spec`. A resource that is stopped or left alone goes on only where that is written.
pub fn operation_is_kept(field: &str, consequence: &str) -> Rule {
    let given = |of: &str| format!("has({of}.operation) && has({of}.operation.{field})");
    kept(
        format!("!({}) || !oldSelf.operation.{field} || ({})", given("oldSelf"), given("self")),
        &format!("may not be left out while it is true: {consequence}; write `false` for that"),
        &format!(".operation.{field}"),
    )
}

/// At a block with a switch that lets clients in, or starts pods.
pub fn switch_stays_off(consequence: &str) -> Rule {
    kept(
        "!has(oldSelf.enabled) || oldSelf.enabled || has(self.enabled)".into(),
        &format!("may not be left out while it is false: {consequence}; write `enabled: true` for that"),
        ".enabled",
    )
}

/// At a component. No pods are as good as a component that is off.
pub fn no_replicas_are_kept() -> Rule {
    kept(
        "!has(oldSelf.replicas) || oldSelf.replicas > 0 || has(self.replicas) || has(self.autoscaling) || (has(self.enabled) && !self.enabled)"
            .into(),
        "may not be left out while it is 0: pods would start; write how many",
        ".replicas",
    )
}

/// At `ingress`. The cluster's default may be a controller that faces the internet.
pub fn ingress_class_is_kept() -> Rule {
    kept(
        format!("{} || {} || !has(oldSelf.className) || has(self.className)", off("self"), off("oldSelf")),
        "may not be left out while this is on: another ingress controller could serve it; name the class that is meant; `kubectl get ingressclass` lists them",
        ".className",
    )
}

/// At `loadBalancer`.
pub fn source_ranges_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.sourceRanges) || has(self.sourceRanges) || oldSelf.sourceRanges.exists(r, r in ['0.0.0.0/0', '::/0'])",
            off("self"),
            off("oldSelf")
        ),
        "may not be left out once it was given: that lets everyone connect; write `[0.0.0.0/0]` for everyone, or `['::/0']` with IPv6",
        ".sourceRanges",
    )
}

/// At `loadBalancer`. `networkPolicy.clients: []` is nobody, and a Service knows no such list.
pub fn some_source_range() -> Rule {
    forbidden(
        format!("{} || !has(self.sourceRanges) || self.sourceRanges.size() > 0", off("self")),
        "must name at least one block: an empty list would let everyone connect; write `[0.0.0.0/0]` for everyone, `['::/0']` with IPv6, or `enabled: false` for nobody",
    )
    .field_path(".sourceRanges")
}

/// At `cors`.
pub fn origins_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.allowOrigins) || has(self.allowOrigins) || '*' in oldSelf.allowOrigins",
            off("self"),
            off("oldSelf")
        ),
        "may not be left out once it was given: that allows every origin; write `['*']` for every origin",
        ".allowOrigins",
    )
}

/// Annotations that name the certificate of a load balancer, which ends TLS itself.
const CERTIFICATES: &str = "['alb.ingress.kubernetes.io/certificate-arn', 'appgw.ingress.kubernetes.io/appgw-ssl-certificate', 'ingress.gcp.kubernetes.io/pre-shared-cert', 'networking.gke.io/managed-certificates', 'route.openshift.io/termination']";
/// The load balancer of AWS finds a certificate by the host, where it listens for HTTPS.
const LISTENERS: &str = "'alb.ingress.kubernetes.io/listen-ports'";

/// At `ingress`. An edit that moves TLS to a load balancer says so with its certificate; one that only leaves `tls` out may be a
/// key with nothing behind it.
pub fn tls_is_kept_on_ingress() -> Rule {
    tls_is_kept(
        &format!(
            "(has(self.annotations) && ({CERTIFICATES}.exists(k, k in self.annotations && self.annotations[k] != '') || ({LISTENERS} in self.annotations && self.annotations[{LISTENERS}].contains('HTTPS'))))"
        ),
        "where a load balancer ends TLS, name its certificate in the same edit, with an annotation such as `alb.ingress.kubernetes.io/certificate-arn`, or `alb.ingress.kubernetes.io/listen-ports` with HTTPS; ",
    )
}

/// At `gateway`. On a Gateway of others TLS is that one's.
pub fn tls_is_kept_on_gateway() -> Rule {
    tls_is_kept("has(self.parentRefs)", "")
}

fn tls_is_kept(elsewhere: &str, how: &str) -> Rule {
    kept(
        format!("{} || {} || !has(oldSelf.tls) || has(self.tls) || {elsewhere}", off("self"), off("oldSelf")),
        &format!(
            "may not be left out while this is on: clients would send the API key in clear text; {how}to go without TLS, set `enabled: false` and leave `tls` out in one edit, then set `enabled: true` in the next"
        ),
        ".tls",
    )
}

/// At a selector: a label without a value is dropped, and what is left would select everything.
pub fn some_label() -> Rule {
    forbidden(
        "!has(self.matchLabels) || self.matchLabels.size() > 0",
        "must have at least one label with its value; `{}` in place of the whole selector selects everything",
    )
    .field_path(".matchLabels")
}
