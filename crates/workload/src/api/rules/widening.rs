//! Edits of lists, selectors and annotations that read as if they changed nothing, and let more clients in.
//!
//! An entry of a list has no earlier self that a rule could ask. So the rules count: fewer entries that say something, and
//! more that leave it out, is an edit that took it out of an entry. Two edits, the wider entry first, are the way to mean it.

use kube::core::{Reason, Rule};

use super::{explained, presence::off};

/// How often a condition on the entry `e` holds in a list of peers.
type Count = fn(&str, &str) -> String;

fn in_list(list: &str, condition: &str) -> String {
    format!("{list}.filter(e, {condition}).size()")
}

/// In the peers of all rules of `egress`.
fn in_rules(list: &str, condition: &str) -> String {
    format!("{list}.map(r, r.to.filter(e, {condition}).size()).sum()")
}

/// Fewer entries with something than before, and more without.
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

/// A peer lost its labels, or a block its exceptions. Labels of namespaces in the place of labels of pods are no loss, and
/// neither is another block. `same_block` holds where a block that has no exceptions now had some.
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

/// Both have the list, and neither is switched off.
fn unless_both(list: &str) -> String {
    format!("{} || {} || !has(self.{list}) || !has(oldSelf.{list})", off("self"), off("oldSelf"))
}

/// At `networkPolicy`.
pub fn clients_stay_narrow() -> Rule {
    let same_block = format!(
        "self.clients.exists(e, {ALL} && oldSelf.clients.exists(o, has(o.cidr) && o.cidr == e.cidr && has(o.except)))"
    );
    refused(
        format!("{} || !({})", unless_both("clients"), peers_widened(in_list, "clients", &same_block)),
        "lets more clients connect than before: an entry lost its labels or its `except`, as it does where nothing stands behind the key; to do so on purpose, add the wider entry first, and remove the narrower one in a second edit",
    )
    .field_path(".clients")
}

/// At `networkPolicy`.
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
        "lets the servers connect to more than before: an entry lost its labels, `except` or `ports`, as it does where nothing stands behind the key; to do so on purpose, add the wider entry first, and remove the narrower one in a second edit",
    )
    .field_path(".egress")
}

/// At a peer that is no entry of a list. Without `namespaceSelector` only pods beside the servers are meant, which is the
/// step between.
pub fn selectors_stay_narrow() -> Rule {
    let kept = |selector: &str| {
        let labels = |of: &str| format!("has({of}.{selector}) && has({of}.{selector}.matchLabels)");
        format!("(!({}) || ({}))", labels("oldSelf"), labels("self"))
    };
    refused(
        format!("!has(self.namespaceSelector) || ({} && {})", kept("namespaceSelector"), kept("podSelector")),
        "selects more than before: a selector lost its labels, as it does where nothing stands behind the key; to do so on purpose, write `podSelector: {}` alone first, and what is meant in a second edit",
    )
}

/// At `ingress` and `gateway`.
pub fn rules_stay_narrow() -> Rule {
    refused(
        format!(
            "{} || {} || !(({}) || ({}))",
            off("self"),
            off("oldSelf"),
            lost(in_list, "rules", "has(e.host)", "!has(e.host)"),
            lost(in_list, "rules", "has(e.path) && e.path != '/'", "!has(e.path)")
        ),
        "answers more requests than before: a rule lost its `host` or `path`, as it does where nothing stands behind the key; write `path: /` for every path; for every host, add the rule without `host` first, and remove the other in a second edit",
    )
    .field_path(".rules")
}

/// At `gateway`. Without a name, routes attach to the listener without TLS too.
pub fn listeners_stay_named() -> Rule {
    refused(
        format!(
            "{} || !({})",
            unless_both("parentRefs"),
            lost(in_list, "parentRefs", "has(e.sectionName)", "!has(e.sectionName)")
        ),
        "an entry may not lose its `sectionName` while this is on: routes would attach to every listener of the Gateway, without TLS too; set `enabled: false`, remove the name, then set `enabled: true`",
    )
    .field_path(".parentRefs")
}

/// Annotations `k` of load balancers and ingress controllers that keep clients out: internal or public, which addresses,
/// which login. Whole names after the prefix, so that annotations of others are free.
const GUARD: &str = "matches('/(scheme|internal|load-balancer-type|load-balancer-source-ranges|aws-load-balancer-(internal|scheme|type|security-groups)|[a-z]+-load-balancer-internal|openstack-internal-load-balancer|alibaba-cloud-loadbalancer-address-type|[a-z0-9-]*ip-type|security-groups|inbound-cidrs|(ip-)?(allow-?list|white-?list)(-source-range)?|ip_(allow|white)list|[a-z-]*auth-(url|type)|router[.]middlewares)$')";

/// Values that keep nobody out: what they say is said by leaving the annotation out too.
const OPEN: &str = "['', 'false', '0.0.0.0/0', 'internet-facing', 'external', 'External']";

/// At `loadBalancer`.
pub fn load_balancer_guards_are_kept() -> Rule {
    guards_are_kept("(has(self.sourceRanges) && !has(oldSelf.sourceRanges))")
}

/// At `ingress`. Another controller has annotations of its own.
pub fn ingress_guards_are_kept() -> Rule {
    guards_are_kept("(has(self.className) && has(oldSelf.className) && self.className != oldSelf.className)")
}

/// `replaced` holds where something else takes the place of the annotations, as another of these does.
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
            "'annotation ' + strings.quote(oldSelf.annotations.filter(k, {gone})[0]) + ' may not be left out while this is on: it may be what keeps clients out; to open it on purpose, write the open value first, such as `0.0.0.0/0`, `internet-facing`, `false` or an empty text, and remove the annotation in a second edit'"
        ),
    )
    .reason(Reason::FieldValueRequired)
    .field_path(".annotations")
}
