//! Validates a stack: returns it with every default filled in, or all violations together. No client here.
//!
//! The API server has refused what its schema and rules can decide. Here is what they cannot: cycles,
//! references, sizes and comparisons after defaults.

mod collisions;
mod component;
mod environment;
mod exposure;
pub(super) mod monitoring;
mod names;
mod network;
mod probes;
mod scaling;
mod texts;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use monitoring::Expanded;

use super::{
    api::{self, ServiceStack, component::ComponentSpec},
    graph::{self, Dependencies},
    model::{GeneratedSecret, Stack, part_of},
};
use crate::{
    api::{GROUP, VERSION},
    kinds::DOMAIN,
    logpilot::validate::{NO_UID, OPERATOR_NAMESPACE},
    workload::{
        model::NamespaceLimits,
        names::NamePrefix,
        resolve::{Violation, Violations},
        scope::Scope,
    },
};

/// Name of the label, in the operator's domain, that every object of a stack has.
pub const FAMILY: &str = "stack";

/// The stack that the resource describes.
///
/// # Errors
/// Everything that is wrong with it.
pub fn resolve(cr: &ServiceStack) -> Result<Stack, Vec<Violation>> {
    let mut violations = Violations::default();
    let expanded = monitoring::expand(cr, &mut violations);
    let stack = build(&expanded, &mut violations);
    if let Some(stack) = stack.as_ref().filter(|_| violations.0.is_empty()) {
        collisions::check(&expanded.cr, stack, &mut violations);
    }
    match stack {
        Some(stack) if violations.0.is_empty() => Ok(stack),
        _ => Err(violations.0),
    }
}

/// `None` only after a violation that leaves nothing to go on with.
fn build(expanded: &Expanded, violations: &mut Violations) -> Option<Stack> {
    let cr = &expanded.cr;
    let spec = &cr.spec;
    let scope = scope(cr, violations)?;
    let graph = dependencies(cr);
    let tiers = match graph::tiers(&graph) {
        Ok(tiers) => tiers,
        Err(cycle) => {
            violations.add(
                "spec.components",
                format!(
                    "depend on each other in a circle, so that none of them can start: {}; remove one of the `dependsOn` entries",
                    cycle.join(" → ")
                ),
            );
            return None;
        }
    };
    let known = names::Known::of(cr, &scope);
    let mut components = BTreeMap::new();
    let mut edges = network::Edges::default();
    let without_defaults = expanded.without_defaults();
    let monitors = monitoring::Monitors::new(cr, &scope, violations);
    for (name, given) in &spec.components {
        let tier = tiers.get(name).copied().unwrap_or(1);
        let bundled = expanded.bundled.get(name);
        let cr = if bundled.is_some() { &without_defaults } else { cr };
        let mut found = Violations::default();
        let mut resolved = component::resolve(cr, &known, name, given, tier, &mut edges, &mut found);
        resolved.monitor = monitors.of(given);
        resolved.bundled = bundled.copied();
        violations.0.extend(monitoring::in_the_users_words(found, name, bundled.copied()));
        components.insert(name.clone(), resolved);
    }
    for (from, to) in &expanded.edges {
        edges.add(from, to);
    }
    for (component, on) in &graph {
        for dependency in on {
            edges.add(component, dependency);
        }
    }
    let ingress = exposure::ingress(cr, &components, violations);
    let gateway = exposure::gateway(cr, &components, violations);
    network::resolve(cr, &scope, &mut components, &edges, (ingress.as_ref(), gateway.as_ref()));
    let (secrets, volumes) = (secrets(cr), volumes::shared(cr));
    let mounted = spec.components.values().flat_map(|component| component.volumes.values());
    let existing_claims = mounted.filter_map(|volume| volume.existing_claim.clone()).collect();
    Some(Stack {
        environment: spec.environment,
        secrets,
        volumes,
        existing_claims,
        components,
        ingress,
        gateway,
        gateway_rate_limit: exposure::limits_gateway(cr),
        paused: operation(cr, |operation| operation.paused),
        stopped: operation(cr, |operation| operation.stopped),
        scope,
    })
}

fn operation(cr: &ServiceStack, field: impl Fn(&api::spec::Operation) -> Option<bool>) -> bool {
    cr.spec.operation.as_ref().and_then(field) == Some(true)
}

fn is_enabled(component: &ComponentSpec) -> bool {
    component.enabled != Some(false)
}

/// Returns the dependencies of each component.
fn dependencies(cr: &ServiceStack) -> Dependencies {
    let components = &cr.spec.components;
    let of = |component: &ComponentSpec| -> BTreeSet<String> {
        component.depends_on.iter().flatten().filter(|name| components.contains_key(*name)).cloned().collect()
    };
    components.iter().map(|(name, component)| (name.clone(), of(component))).collect()
}

fn scope(cr: &ServiceStack, violations: &mut Violations) -> Option<Scope> {
    let (spec, name) = (&cr.spec, cr.metadata.name.clone().unwrap_or_default());
    let namespace = cr.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    violations.require(
        !namespace.starts_with("kube-") && namespace != OPERATOR_NAMESPACE,
        "metadata.namespace",
        format!("'{namespace}' belongs to Kubernetes or to the operator; use another namespace"),
    );
    violations.require(
        name != "default",
        "metadata.name",
        "'default' is the name of a ServiceAccount that Kubernetes creates in each namespace, and the ServiceAccount of a stack has the stack's name; choose another name",
    );
    let Some(prefix) = NamePrefix::parse(&name) else {
        violations.add(
            "metadata.name",
            format!(
                "'{name}' must be a lower-case DNS label that starts with a letter, of at most {} characters",
                NamePrefix::MAX
            ),
        );
        return None;
    };
    Some(Scope {
        owner: OwnerReference {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: api::KIND.to_owned(),
            name: name.clone(),
            uid: cr.metadata.uid.clone().unwrap_or_else(|| NO_UID.to_owned()),
            controller: Some(true),
            block_owner_deletion: None,
        },
        namespace,
        prefix,
        product: name.clone(),
        manager: DOMAIN.field_manager.to_owned(),
        domain: GROUP.to_owned(),
        handed_over: (DOMAIN.handed_over.0.to_owned(), DOMAIN.handed_over.1.to_owned()),
        family: FAMILY.to_owned(),
        selects_family: true,
        labels: part_of(&name, &spec.common_labels),
        annotations: BTreeMap::new(),
        pull_secrets: spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone()).collect(),
        pull_policy: spec.image_pull_policy.map(|policy| policy.name().to_owned()),
        protected: spec.deletion_protection == Some(true),
        limits: NamespaceLimits::default(),
    })
}

fn secrets(cr: &ServiceStack) -> Vec<GeneratedSecret> {
    let generated = |(entry, secret): (&String, &api::spec::SecretEntry)| {
        Some(GeneratedSecret { name: names::secret(cr, entry), keys: secret.generate.clone()? })
    };
    cr.spec.secrets.iter().filter_map(generated).collect()
}
