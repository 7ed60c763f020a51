//! Rules for edits of lists, selectors and annotations that seem to change nothing but allow more
//! clients.
//!
//! A rule cannot compare an entry of a list with its previous version. The rules therefore count
//! entries: if fewer entries have a setting and more entries lack it, the edit removed it from an
//! entry. To do this intentionally, use two edits and add the wider entry first.

use kube::core::{Reason, Rule};

use super::{explained, presence::off};

/// Returns an expression that counts the peers `e` of a list that meet a condition.
type Count = fn(&str, &str) -> String;

fn in_list(list: &str, condition: &str) -> String {
    format!("{list}.filter(e, {condition}).size()")
}

/// Counts in the peers of all rules of `egress`.
fn in_rules(list: &str, condition: &str) -> String {
    format!("{list}.map(r, r.to.filter(e, {condition}).size()).sum()")
}

/// True if fewer entries than before have a setting, and more lack it.
fn lost(count: Count, list: &str, with: &str, without: &str) -> String {
    let (new, old) = (format!("self.{list}"), format!("oldSelf.{list}"));
    format!(
        "{} < {} && {} > {}",
        count(&new, with),
        count(&old, with),
        count(&new, without),
        count(&old, without)
    )
}

fn refused(rule: String, message: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueForbidden)
}

const NAMESPACES: &str = "has(e.namespaceSelector) && has(e.namespaceSelector.matchLabels)";
const EVERY_NAMESPACE: &str = "has(e.namespaceSelector) && !has(e.namespaceSelector.matchLabels)";
const PODS: &str = "has(e.podSelector) && has(e.podSelector.matchLabels)";
const EVERY_POD: &str = "!has(e.cidr) && !(has(e.podSelector) && has(e.podSelector.matchLabels))";
const SOME: &str = "has(e.except) && e.except.size() > 0";
const ALL: &str = "has(e.cidr) && !(has(e.except) && e.except.size() > 0)";

/// True if a peer lost its labels, or a block its exceptions. Labels of namespaces in place of
/// labels of pods are not a loss, and neither is another block. `same_block` is true if a block
/// without exceptions had some before.
fn peers_widened(count: Count, list: &str, same_block: &str) -> String {
    let namespaces = |of: &str| count(&format!("{of}.{list}"), NAMESPACES);
    format!(
        "({}) || ({} && {} <= {}) || ({} && {same_block})",
        lost(count, list, NAMESPACES, EVERY_NAMESPACE),
        lost(count, list, PODS, EVERY_POD),
        namespaces("self"),
        namespaces("oldSelf"),
        lost(count, list, SOME, ALL),
    )
}

/// True unless both versions have the list and neither is disabled.
fn unless_both(list: &str) -> String {
    format!("{} || {} || !has(self.{list}) || !has(oldSelf.{list})", off("self"), off("oldSelf"))
}

/// Applies at `networkPolicy`.
pub fn clients_stay_narrow() -> Rule {
    let same_block = format!(
        "self.clients.exists(e, {ALL} && oldSelf.clients.exists(o, has(o.cidr) && o.cidr == e.cidr && has(o.except)))"
    );
    refused(
        format!("{} || !({})", unless_both("clients"), peers_widened(in_list, "clients", &same_block)),
        "allows more clients than before: an entry lost its labels or its `except`, which also happens if a key has no value; if this is intended, add the wider entry first, and remove the narrower one in a second edit",
    )
    .field_path(".clients")
}

/// Applies at `networkPolicy`.
pub fn egress_stays_narrow() -> Rule {
    let same_block = format!(
        "self.egress.exists(r, r.to.exists(e, {ALL} && oldSelf.egress.exists(q, q.to.exists(o, has(o.cidr) && o.cidr == e.cidr && has(o.except)))))"
    );
    refused(
        format!(
            "{} || !({} || ({}))",
            unless_both("egress"),
            peers_widened(in_rules, "egress", &same_block),
            lost(in_list, "egress", "has(e.ports)", "!has(e.ports)")
        ),
        "allows more connections of the servers than before: an entry lost its labels, `except` or `ports`, which also happens if a key has no value; if this is intended, add the wider entry first, and remove the narrower one in a second edit",
    )
    .field_path(".egress")
}

/// Applies at a peer outside a list. Without `namespaceSelector` it selects only pods in the
/// namespace of the servers, which is the intermediate step.
pub fn selectors_stay_narrow() -> Rule {
    let kept = |selector: &str| {
        let labels = |of: &str| format!("has({of}.{selector}) && has({of}.{selector}.matchLabels)");
        format!("(!({}) || ({}))", labels("oldSelf"), labels("self"))
    };
    refused(
        format!("!has(self.namespaceSelector) || ({} && {})", kept("namespaceSelector"), kept("podSelector")),
        "selects more than before: a selector lost its labels, which also happens if a key has no value; if this is intended, write only `podSelector: {}` first, and the final selector in a second edit",
    )
}

/// Applies at `ingress` and `gateway`.
pub fn rules_stay_narrow() -> Rule {
    refused(
        format!(
            "{} || {} || !(({}) || ({}))",
            off("self"),
            off("oldSelf"),
            lost(in_list, "rules", "has(e.host)", "!has(e.host)"),
            lost(in_list, "rules", "has(e.path) && e.path != '/'", "!has(e.path)")
        ),
        "accepts more requests than before: a rule lost its `host` or `path`, which also happens if a key has no value; for all paths write `path: /`; for all hosts, add the rule without `host` first, and remove the other one in a second edit",
    )
    .field_path(".rules")
}

/// Applies at `gateway`. Without a section name, routes also attach to listeners without TLS.
pub fn listeners_stay_named() -> Rule {
    refused(
        format!(
            "{} || !({})",
            unless_both("parentRefs"),
            lost(in_list, "parentRefs", "has(e.sectionName)", "!has(e.sectionName)")
        ),
        "an entry may not lose its `sectionName` while this block is enabled: routes would attach to all listeners of the Gateway, including those without TLS; set `enabled: false`, remove the name, then set `enabled: true`",
    )
    .field_path(".parentRefs")
}

/// Annotations `k` of load balancers and ingress controllers that restrict clients: internal or
/// public, allowed addresses, login. The pattern matches whole names after the prefix, so that
/// annotations of other software are not affected.
const GUARD: &str = "matches('/(scheme|internal|load-balancer-type|load-balancer-source-ranges|aws-load-balancer-(internal|scheme|type|security-groups)|[a-z]+-load-balancer-internal|openstack-internal-load-balancer|alibaba-cloud-loadbalancer-address-type|[a-z0-9-]*ip-type|security-groups|inbound-cidrs|(ip-)?(allow-?list|white-?list)(-source-range)?|ip_(allow|white)list|[a-z-]*auth-(url|type)|router[.]middlewares)$')";

/// Values that restrict no client: an absent annotation has the same meaning.
const OPEN: &str = "['', 'false', '0.0.0.0/0', 'internet-facing', 'external', 'External']";

/// Applies at `loadBalancer`.
pub fn load_balancer_guards_are_kept() -> Rule {
    guards_are_kept("(has(self.sourceRanges) && !has(oldSelf.sourceRanges))")
}

/// Applies at `ingress`. Another controller has its own annotations.
pub fn ingress_guards_are_kept() -> Rule {
    guards_are_kept("(has(self.className) && has(oldSelf.className) && self.className != oldSelf.className)")
}

/// `replaced` is true if something else takes the place of the annotations, such as another of
/// them.
fn guards_are_kept(replaced: &str) -> Rule {
    let gone = format!(
        "k.{GUARD} && !(oldSelf.annotations[k] in {OPEN}) && !(has(self.annotations) && k in self.annotations)"
    );
    let successor = format!(
        "(has(self.annotations) && self.annotations.exists(k, k.{GUARD} && !(k in oldSelf.annotations)))"
    );
    explained(
        format!(
            "{} || {} || !has(oldSelf.annotations) || {replaced} || {successor} || !oldSelf.annotations.exists(k, {gone})",
            off("self"),
            off("oldSelf")
        ),
        format!(
            "'annotation ' + strings.quote(oldSelf.annotations.filter(k, {gone})[0]) + ' may not be removed while this block is enabled: it may restrict which clients connect; if you intend to allow more, write the open value first, such as `0.0.0.0/0`, `internet-facing`, `false` or an empty string, and remove the annotation in a second edit'"
        ),
    )
    .reason(Reason::FieldValueRequired)
    .field_path(".annotations")
}
