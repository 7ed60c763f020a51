//! Hosts that a stack may expose, where an administrator restricts them.
//!
//! Tenants cannot write Namespaces, so an annotation there is an administrator's word. Without it the
//! oldest resource that exposes a host decides whose it is.

use super::{host_paths::quoted, model::Stack};
use crate::{
    engine::cache::ObjectCache,
    kinds::HOSTS,
    workload::{contention::ExposureKind, health},
};

/// A host of a rule that the namespace does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedHost {
    pub way: ExposureKind,
    pub message: String,
}

/// Returns the hosts that a stack exposes and its namespace does not allow.
#[must_use]
pub fn refused(stack: &Stack, cache: &ObjectCache) -> Vec<RefusedHost> {
    let child = cache.namespace(&stack.scope.namespace);
    let allowed = child.as_ref().and_then(|child| child.observed::<health::Namespace>()?.hosts.as_deref());
    allowed.map(|allowed| refused_by(stack, allowed)).unwrap_or_default()
}

fn refused_by(stack: &Stack, annotation: &str) -> Vec<RefusedHost> {
    let allowed: Vec<&str> = annotation.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    let of_ingress = stack.ingress.iter().flat_map(|ingress| &ingress.rules);
    let of_gateway = stack.gateway.iter().flat_map(|gateway| &gateway.routes);
    let all = of_ingress
        .map(|rule| (ExposureKind::Ingress, rule.route.host.as_deref()))
        .chain(of_gateway.map(|route| (ExposureKind::Gateway, route.host.as_deref())));
    let mut found: Vec<RefusedHost> = Vec::new();
    for (way, host) in all.filter(|(_, host)| !host.is_some_and(|host| is_allowed(&allowed, host))) {
        let one = RefusedHost { way, message: message(&stack.scope.namespace, &allowed, host) };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// `*.example.com` allows every host below it, however deep, and not `example.com`.
fn is_allowed(allowed: &[&str], host: &str) -> bool {
    allowed.iter().any(|allowed| {
        let below = allowed.strip_prefix('*').filter(|suffix| suffix.starts_with('.'));
        host == *allowed || below.is_some_and(|suffix| host.ends_with(suffix))
    })
}

fn message(namespace: &str, allowed: &[&str], host: Option<&str>) -> String {
    let list = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
    let Some(host) = host else {
        return format!(
            "a rule without a host serves every host, and namespace {namespace} allows only some ({list}); give each \
             rule a host"
        );
    };
    let all: Vec<&str> = allowed.iter().copied().chain([host]).collect();
    format!(
        "host '{host}' is not one that namespace {namespace} allows ({list}); use one of these, or have an \
         administrator allow it: kubectl annotate namespace {namespace} {} --overwrite",
        quoted(&format!("{HOSTS}={}", all.join(",")))
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{
        reasons::HOST_NOT_ALLOWED,
        stack::{facts::Facts, plan::plan, resolve::resolve, tests::example},
    };

    #[rstest]
    #[case::the_host("a.example.com", true)]
    #[case::below("x.b.example.com", true)]
    #[case::far_below("y.x.b.example.com", true)]
    #[case::a_wildcard_below("*.b.example.com", true)]
    #[case::the_parent("b.example.com", false)]
    #[case::the_same_end("xb.example.com", false)]
    #[case::below_an_exact_host("x.a.example.com", false)]
    #[case::another("example.com", false)]
    fn exact_hosts_and_suffixes_are_allowed(#[case] host: &str, #[case] allowed: bool) {
        assert_eq!(is_allowed(&["a.example.com", "*.b.example.com"], host), allowed);
    }

    #[test]
    fn a_refused_host_holds_the_route_only() {
        let stack = resolve(&example("erp")).unwrap();
        let host = stack.ingress.as_ref().unwrap().rules[0].route.host.clone().unwrap();
        assert_eq!(refused_by(&stack, &format!("x.example.com, {host}")), []);
        let found = refused_by(&stack, "x.example.com");
        assert_eq!(found.len(), 1, "once for all paths: {found:?}");
        let end = format!("'logpilot.io/hosts=x.example.com,{host}' --overwrite");
        assert!(found[0].message.ends_with(&end), "{found:?}");
        let plan = plan(&stack, &Facts { hosts: found, ..Facts::default() });
        let held: Vec<_> = plan.objects.iter().filter_map(|it| Some((it.kind.kind, it.held?))).collect();
        assert!(!held.is_empty());
        assert!(held.iter().all(|it| *it == ("Ingress", HOST_NOT_ALLOWED)), "{held:?}");
    }

    #[test]
    fn a_rule_for_every_host_is_refused() {
        let mut stack = resolve(&example("erp")).unwrap();
        stack.ingress.as_mut().unwrap().rules[0].route.host = None;
        let found = refused_by(&stack, "*.example.com");
        assert!(found.iter().any(|it| it.message.contains("without a host")), "{found:?}");
        assert_eq!(refused_by(&stack, "").len(), 2, "an empty list allows no host");
    }
}
