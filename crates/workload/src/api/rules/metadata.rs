//! Rules of labels and annotations: keys must be valid in Kubernetes and not reserved for the
//! operator.

use kube::core::Rule;

use super::explained;
use crate::api::definition::DOMAIN;

/// `prefix/name`, with an optional prefix.
const QUALIFIED: &str =
    "'^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'";

/// Labels that selectors, ownership and pruning depend on. The Pod Security labels have a field of
/// their own: a label here would weaken a namespace that is declared as `Restricted`.
fn our_labels() -> String {
    format!(
        "k in ['app', 'pod-template-hash', 'kubernetes.io/metadata.name', 'app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/version'] || k.startsWith('{DOMAIN}/') || k.startsWith('pod-security.kubernetes.io/')"
    )
}

/// Annotations that are reserved for the operator, or that a controller writes to the same objects.
fn our_annotations() -> String {
    format!(
        "k.startsWith('{DOMAIN}/') || k.startsWith('deployment.kubernetes.io/') || k.startsWith('pv.kubernetes.io/') || k in ['kubectl.kubernetes.io/last-applied-configuration', 'kubectl.kubernetes.io/restartedAt', 'argocd.argoproj.io/tracking-id', 'argocd.argoproj.io/sync-options']"
    )
}

/// A single name, such as the key of a taint, a topology key or a class.
pub fn qualified_name() -> Rule {
    Rule::new(format!("self.matches({QUALIFIED})")).message(
        "must be a qualified name such as 'team' or 'example.com/team': letters, digits, '-', '_' and '.', with an optional DNS prefix",
    )
}

pub fn label_value() -> Rule {
    Rule::new("self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')").message(
        "must be a label value: letters, digits, '-', '_' and '.', starting and ending with a letter or digit",
    )
}

pub fn qualified_keys() -> Rule {
    explained(
        format!("self.all(k, k.matches({QUALIFIED}))"),
        format!(
            "'key ' + strings.quote(self.filter(k, !k.matches({QUALIFIED}))[0]) + \" must be a qualified name such as 'team' or 'example.com/team'\""
        ),
    )
}

pub fn no_reserved_labels() -> Rule {
    let ours = our_labels();
    explained(
        format!("!self.exists(k, {ours})"),
        format!(
            "'may not set label ' + strings.quote(self.filter(k, {ours})[0]) + ', which is reserved; choose another key, and `namespace.podSecurity` for Pod Security'"
        ),
    )
}

pub fn no_reserved_annotations() -> Rule {
    let ours = our_annotations();
    explained(
        format!("!self.exists(k, {ours})"),
        format!(
            "'may not set annotation ' + strings.quote(self.filter(k, {ours})[0]) + ', which is reserved for the operator or another controller; choose another key'"
        ),
    )
}

/// Annotations of every object are also written to the Ingress, without the checks of its own
/// annotations.
pub fn nothing_for_the_ingress() -> Rule {
    // Prefixes of the software that reads annotations of an Ingress or writes objects for it.
    const FOREIGN: &str = "k.matches('(^|[.-])(ingress|nginx|haproxy|traefik|konghq|cert-manager)([.-][^/]*)?/') || k == 'kubernetes.io/ingress.class'";
    explained(
        format!("!self.exists(k, {FOREIGN})"),
        format!(
            "'may not set annotation ' + strings.quote(self.filter(k, {FOREIGN})[0]) + ', which would reach the Ingress; use `exposure.ingress`'"
        ),
    )
}
