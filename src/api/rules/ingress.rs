//! Exposure: what an Ingress may say, and which component answers.

use kube::core::Rule;
pub use workload::api::rules::ingress::*;

use super::explained;

/// Snippets and mirrors write into the controller's configuration; they have been its way to code execution
/// (CVE-2021-25742, CVE-2025-1974, CVE-2026-24512). Several controllers have them, `-snippets` is one of them, `config-`
/// another's. An alias takes hosts past the rules. Authentication is such a setting too, and any prefix may be that of an
/// nginx; allowed are the load balancers of AWS, which are none, and what [`LOGIN`] can judge.
/// `validate/exposure.rs` says the same, for patches and for what is older than a rule.
const DANGEROUS: &str = "(k.matches('/(.*-snippets?|mirror-.*|modsecurity-.*|config-.*|server-alias)$') || k.matches('/auth-') && !k.matches('^(alb[.]ingress[.]kubernetes[.]io/auth-[a-z-]+|nginx[.]ingress[.]kubernetes[.]io/auth-(url|signin|response-headers))$'))";

/// Authentication by a server of one's own, such as oauth2-proxy: nginx asks `auth-url`, sends browsers to `auth-signin`, and
/// passes `auth-response-headers` on. The values stand in nginx.conf without quotes (CVE-2025-24514), so that nothing but
/// a URL with a few known variables, or names of headers, is let through.
const LOGIN: &str = "k.matches('^nginx[.]ingress[.]kubernetes[.]io/auth-(url|signin|response-headers)$')";
const LOGIN_URL: &str = "'^(https?|[$]scheme)://([A-Za-z0-9.-]+|[$]host)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?([?]([A-Za-z0-9._~/=&:%-]|[$](host|scheme|request_uri|escaped_request_uri)\\\\b)*)?$'";
const LOGIN_HEADERS: &str = "'^[A-Za-z0-9-]+(, ?[A-Za-z0-9-]+)*$'";

/// Annotations that a typed field writes: two sources of one setting would fight.
const OWNED: &str = "k.matches('^(kubernetes.io/ingress.class|cert-manager.io/(cluster-issuer|issuer|issuer-kind|issuer-group)|nginx.ingress.kubernetes.io/(enable-cors|cors-.*|rate-limit|limit-.*|backend-protocol|grpc-backend))$')";

pub fn no_dangerous_annotations() -> Rule {
    explained(
        format!("!self.exists(k, {DANGEROUS})"),
        format!(
            "'annotation ' + strings.quote(self.filter(k, {DANGEROUS})[0]) + \" may not be set: it writes into the ingress controller's configuration; remove it\""
        ),
    )
}

pub fn no_owned_annotations() -> Rule {
    explained(
        format!("!self.exists(k, {OWNED})"),
        format!(
            "[self.filter(k, {OWNED})[0]].map(k, 'annotation ' + strings.quote(k) + ' may not be set; use `exposure.ingress.' + (k.contains('cors') ? 'cors' : k.contains('limit') ? 'rateLimit' : k.contains('issuer') ? 'tls.issuerRef' : k.contains('class') ? 'className' : 'rules[].protocol') + '`')[0]"
        ),
    )
}

/// Values of nginx annotations end up in nginx.conf, where a backslash takes the end of a string away; those of haproxy in
/// a file of lines.
pub fn no_injected_values() -> Rule {
    const INJECTED: &str = "(k.contains('nginx') && !k.matches('/auth-') && self[k].matches('[\\n\\r{};\"\\'`$#\\\\\\\\]') || k.contains('haproxy') && self[k].matches('[\\n\\r]'))";
    explained(
        format!("!self.exists(k, {INJECTED})"),
        format!(
            "'the value of annotation ' + strings.quote(self.filter(k, {INJECTED})[0]) + ' must not contain line breaks, quotes, backslashes or any of {{}};$#'"
        ),
    )
}

pub fn no_injected_login() -> Rule {
    let bad = format!(
        "{LOGIN} && !(k.endsWith('-headers') ? self[k].matches({LOGIN_HEADERS}) : self[k].matches({LOGIN_URL}))"
    );
    explained(
        format!("!self.exists(k, {bad})"),
        format!(
            "'the value of annotation ' + strings.quote(self.filter(k, {bad})[0]) + ' must be a URL such as https://$host/oauth2/auth with none but the variables $host and $scheme, and in the query $request_uri and $escaped_request_uri; or, of auth-response-headers, names of headers'"
        ),
    )
}

// ---- rules of the spec: which component answers --------------------------------------------------

/// The keys of the components that run.
pub(super) const RUNNING: &str = "(has(self.components) && self.components.size() > 0 ? self.components.filter(c, !has(self.components[c].enabled) || self.components[c].enabled) : ['all'])";

/// The rules of one way in (`ingress` or `gateway`), none where it is absent or off.
fn rules_of(way: &str) -> String {
    let at = format!("self.exposure.{way}");
    format!("(has(self.exposure) && has({at}) && (!has({at}.enabled) || {at}.enabled) ? {at}.rules : [])")
}

fn path_of(way: &str) -> String {
    format!(".exposure.{way}.rules")
}

pub fn component_runs(way: &str) -> Rule {
    let rules = rules_of(way);
    let bad = format!("has(r.component) && !(r.component in {RUNNING})");
    explained(
        format!("!{rules}.exists(r, {bad})"),
        format!(
            "\"component '%s' does not run; name one that does, or add it to `components`\".format([{rules}.filter(r, {bad})[0].component])"
        ),
    )
    .field_path(path_of(way))
}

pub fn component_is_named(way: &str) -> Rule {
    let rules = rules_of(way);
    explained(
        format!("{rules}.all(r, has(r.component)) || {RUNNING}.size() <= 1"),
        format!("'must name a `component` in each rule, because more than one runs: %s'.format([{RUNNING}])"),
    )
    .field_path(path_of(way))
}

pub fn component_serves_protocol(way: &str) -> Rule {
    let rules = rules_of(way);
    let component = format!("(has(r.component) ? r.component : {RUNNING}[0])");
    let bad = format!(
        "(has(r.component) || {RUNNING}.size() == 1) && (has(r.protocol) && r.protocol == 'Grpc' ? {component} == 'rest' : {component} == 'grpc')"
    );
    explained(
        format!("!{rules}.exists(r, {bad})"),
        format!(
            "\"component '%s' does not serve the protocol of its rule: rest serves Http, grpc serves Grpc, all serves both; set `protocol` or another `component`\".format([{rules}.filter(r, {bad}).map(r, {component})[0]])"
        ),
    )
    .field_path(path_of(way))
}
