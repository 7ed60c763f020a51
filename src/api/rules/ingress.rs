//! Rules of an Ingress: what it may contain, and which component serves its requests.

use kube::core::Rule;
pub use workload::api::rules::ingress::*;

use super::explained;

/// Annotations that change the configuration of the ingress controller.
///
/// Snippets and mirrors have been a way to code execution in the controller (CVE-2021-25742,
/// CVE-2025-1974, CVE-2026-24512). Several controllers have them, among others as `-snippets` and
/// `config-`. An alias allows hosts that the rules do not name. Authentication is such a setting
/// too, and any prefix may be that of an nginx. Allowed are the load balancers of AWS, which are no
/// nginx, and annotations that [`LOGIN`] can check. `validate/exposure.rs` contains the same check,
/// for patches and for objects that are older than a rule.
const DANGEROUS: &str = "(k.matches('/(.*-snippets?|mirror-.*|modsecurity-.*|config-.*|server-alias)$') || k.matches('/auth-') && !k.matches('^(alb[.]ingress[.]kubernetes[.]io/auth-[a-z-]+|nginx[.]ingress[.]kubernetes[.]io/auth-(url|signin|response-headers))$'))";

/// Annotations for authentication by a separate server, such as oauth2-proxy.
///
/// nginx sends a subrequest to `auth-url`, redirects browsers to `auth-signin`, and passes on
/// `auth-response-headers`. nginx.conf contains the values without quotes (CVE-2025-24514). Only a
/// URL with a few known variables, or names of headers, are therefore allowed.
const LOGIN: &str = "k.matches('^nginx[.]ingress[.]kubernetes[.]io/auth-(url|signin|response-headers)$')";
const LOGIN_URL: &str = "'^(https?|[$]scheme)://([A-Za-z0-9.-]+|[$]host)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?([?]([A-Za-z0-9._~/=&:%-]|[$](host|scheme|request_uri|escaped_request_uri)\\\\b)*)?$'";
const LOGIN_HEADERS: &str = "'^[A-Za-z0-9-]+(, ?[A-Za-z0-9-]+)*$'";

/// Annotations that a typed field writes. Two sources of the same setting would conflict.
const OWNED: &str = "k.matches('^(kubernetes.io/ingress.class|cert-manager.io/(cluster-issuer|issuer|issuer-kind|issuer-group)|nginx.ingress.kubernetes.io/(enable-cors|cors-.*|rate-limit|limit-.*|backend-protocol|grpc-backend))$')";

pub fn no_dangerous_annotations() -> Rule {
    explained(
        format!("!self.exists(k, {DANGEROUS})"),
        format!(
            "'annotation ' + strings.quote(self.filter(k, {DANGEROUS})[0]) + \" may not be set: it changes the ingress controller's configuration; remove it\""
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

/// Values of nginx annotations are written to nginx.conf, where a backslash can remove the end of a
/// string. Values of haproxy annotations are written to a line-based file.
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
            "'the value of annotation ' + strings.quote(self.filter(k, {bad})[0]) + ' must be a URL such as https://$host/oauth2/auth with only the variables $host and $scheme, and in the query $request_uri and $escaped_request_uri; for auth-response-headers it must be a list of header names'"
        ),
    )
}

// ---- rules of the spec: which component answers --------------------------------------------------

/// The keys of the enabled components.
pub(super) const RUNNING: &str = "(has(self.components) && self.components.size() > 0 ? self.components.filter(c, !has(self.components[c].enabled) || self.components[c].enabled) : ['all'])";

/// Returns an expression for the rules of `ingress` or `gateway`. The list is empty if the block is
/// absent or disabled.
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
            "\"component '%s' is not enabled; name one that is, or add it to `components`\".format([{rules}.filter(r, {bad})[0].component])"
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
