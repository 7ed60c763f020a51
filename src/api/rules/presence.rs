//! Edits that read as if they changed nothing.
//!
//! The API server drops a `null`, and so a key with nothing behind it: `rest:` without its braces, or a block whose
//! last setting was taken away. What is left out then has its default, and where that default is wider than what was
//! given, or stops what protects data, the edit is refused and the message says what to write instead. Only what was
//! given before is held against an edit, so that an object that is older than a rule can still be edited.

use kube::core::{Reason, Rule};

use super::{explained, forbidden};

/// An optional block that is switched off.
fn off(block: &str) -> String {
    format!("(has({block}.enabled) && !{block}.enabled)")
}

/// A field that has to be written down, because its absence means something wider.
fn kept(rule: String, message: &str, field: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueRequired).field_path(field)
}

/// At `components`: an object that has an empty map already keeps it, because it is not changed.
pub fn some_component() -> Rule {
    Rule::new("self.size() > 0")
        .message("must name a component: write `rest: {}`, with the braces, for one with its defaults; a key with nothing behind it is dropped. `all: {}` is what runs where `components` is left out")
        .reason(Reason::FieldValueRequired)
}

/// At `spec`, like all below that compare blocks which may be gone. An empty map has its own rule, and `all` alone is what
/// runs where nothing is named.
pub fn components_are_kept() -> Rule {
    explained(
        "!has(oldSelf.components) || has(self.components) || oldSelf.components.all(k, k == 'all')",
        "[oldSelf.components.filter(k, k != 'all')[0]].map(k, 'may not be left out once a component was named: that means `all: {}`, and there was ' + k + '; write `' + k + ': {}` for a component with its defaults')[0]",
    )
    .reason(Reason::FieldValueRequired)
    .field_path(".components")
}

/// At `spec`. Where everyone was let in by an address, leaving it out lets nobody else in.
pub fn clients_are_kept() -> Rule {
    let (new, old) = ("self.networkPolicy", "oldSelf.networkPolicy");
    kept(
        format!(
            "!has({old}) || {} || !has({old}.clients) || {old}.clients.exists(c, has(c.cidr) && c.cidr == '0.0.0.0/0' && !has(c.except)) \
             || (has({new}) && (has({new}.clients) || {}))",
            off(old),
            off(new)
        ),
        "may not be left out once it was given: that lets everyone connect; write `[]` for nobody, or `[{namespaceSelector: {}}, {cidr: 0.0.0.0/0}]` for everyone",
        ".networkPolicy.clients",
    )
}

/// At `spec`.
pub fn backups_are_kept() -> Rule {
    kept(
        format!("!has(oldSelf.backup) || {} || has(self.backup)", off("oldSelf.backup")),
        "may not be left out while backups are taken: write `backup: {}` for the defaults, or `enabled: false` to take none",
        ".backup",
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

/// At `loadBalancer`.
pub fn source_ranges_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.sourceRanges) || has(self.sourceRanges)",
            off("self"),
            off("oldSelf")
        ),
        "may not be left out once it was given: that lets everyone connect; write `[0.0.0.0/0]` for everyone",
        ".sourceRanges",
    )
}

/// At `loadBalancer`. `networkPolicy.clients: []` is nobody, and a Service knows no such list.
pub fn some_source_range() -> Rule {
    forbidden(
        format!("{} || !has(self.sourceRanges) || self.sourceRanges.size() > 0", off("self")),
        "must name at least one block: an empty list would let everyone connect; write `[0.0.0.0/0]` for everyone, or `enabled: false` for nobody",
    )
    .field_path(".sourceRanges")
}

/// At `cors`.
pub fn origins_are_kept() -> Rule {
    kept(
        format!(
            "{} || {} || !has(oldSelf.allowOrigins) || has(self.allowOrigins)",
            off("self"),
            off("oldSelf")
        ),
        "may not be left out once it was given: that allows every origin; write `['*']` for every origin",
        ".allowOrigins",
    )
}

/// Annotations that name the certificate of a load balancer, which ends TLS itself.
const CERTIFICATES: &str = "['alb.ingress.kubernetes.io/certificate-arn', 'appgw.ingress.kubernetes.io/appgw-ssl-certificate', 'ingress.gcp.kubernetes.io/pre-shared-cert', 'networking.gke.io/managed-certificates']";
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
            "may not be left out while this is on: clients would send the API key in clear text; {how}to go without TLS, set `enabled: false` and leave `tls` out in one edit, then take `enabled: false` away in the next"
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
