//! Rules of the peers of network policies: values that the API server would reject in the generated
//! object, and mistakes that it accepts.

use kube::core::Rule;

use super::{explained, forbidden};

pub fn pods_or_addresses() -> Rule {
    Rule::new("has(self.cidr) != (has(self.namespaceSelector) || has(self.podSelector))").message(
        "must have either `cidr`, or `namespaceSelector` or `podSelector` or both; for pods and addresses use two entries",
    )
}

pub fn some_pods() -> Rule {
    Rule::new("has(self.namespaceSelector) || has(self.podSelector)").message(
        "must have `namespaceSelector` or `podSelector`; for every pod of every namespace use `namespaceSelector: {}`",
    )
}

pub fn is_cidr() -> Rule {
    Rule::new("isCIDR(self)").message("must be a CIDR block such as '10.0.0.0/8' or '2001:db8::/32'")
}

/// Strict API servers reject such a block, others treat it as the whole network.
pub fn no_host_bits() -> Rule {
    explained(
        "!isCIDR(self) || cidr(self) == cidr(self).masked()",
        "\"must be a network address without host bits; for a single address use '%s/%d'\".format([self.split('/')[0], isIP(self.split('/')[0]) && ip(self.split('/')[0]).family() == 6 ? 128 : 32])",
    )
}

pub fn except_needs_cidr() -> Rule {
    forbidden("!has(self.except) || has(self.cidr)", "may only be given with `cidr`; it cannot exclude pods")
        .field_path(".except")
}

/// The API server requires strict subsets.
pub fn except_within_cidr() -> Rule {
    const INSIDE: &str = "!isCIDR(e) || (cidr(self.cidr).containsCIDR(e) && cidr(e).prefixLength() > cidr(self.cidr).prefixLength())";
    explained(
        format!("!has(self.cidr) || !has(self.except) || !isCIDR(self.cidr) || self.except.all(e, {INSIDE})"),
        format!(
            "\"must be a strict subset of `cidr`: '%s' is not inside '%s'\".format([self.except.filter(e, !({INSIDE}))[0], self.cidr])"
        ),
    )
    .field_path(".except")
}

pub fn range_goes_up() -> Rule {
    explained(
        "!has(self.endPort) || self.endPort >= self.port",
        "'must be at least `port` (%d)'.format([self.port])",
    )
    .field_path(".endPort")
}
