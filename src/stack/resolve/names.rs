//! Names of a stack's objects, and what references may name.

use std::collections::BTreeMap;

use super::is_enabled;
use crate::{
    stack::api::{ServiceStack, component::ComponentKind},
    workload::{patch::structure::nearest, scope::Scope},
};

/// Longest name of a component's objects: `-files-` and a hash, and `-loadbalancer`, have to fit into 63
/// characters.
pub const COMPONENT: usize = 46;

/// Name of a component's objects.
pub fn component(cr: &ServiceStack, name: &str) -> String {
    format!("{}{name}", cr.spec.name_prefix.as_deref().unwrap_or_default())
}

/// Name of the Secret of an entry.
pub fn secret(cr: &ServiceStack, entry: &str) -> String {
    match cr.spec.secrets.get(entry).and_then(|it| it.existing.clone()) {
        Some(existing) => existing,
        None => format!("{}-{entry}", cr.metadata.name.as_deref().unwrap_or_default()),
    }
}

/// Name of the PVC of an entry.
pub fn shared_claim(cr: &ServiceStack, entry: &str) -> String {
    format!("{}-{entry}", cr.metadata.name.as_deref().unwrap_or_default())
}

/// Components and secrets that references may name.
pub struct Known {
    pub stack: String,
    pub namespace: String,
    pub environment: String,
    /// The address of each component.
    pub addresses: BTreeMap<String, Address>,
    /// The Secret of each entry.
    pub secrets: BTreeMap<String, Secret>,
}

/// Where a component is reached.
pub struct Address {
    pub host: String,
    /// Name and number, the main port first. An external address has one without a name.
    pub ports: Vec<(String, i32)>,
    pub unreachable: Option<Unreachable>,
}

/// Why a component has no Service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    Job,
    NoPorts,
    SwitchedOff,
}

pub struct Secret {
    pub name: String,
    /// `None` where the Secret is not the operator's: its keys are not known.
    pub keys: Option<Vec<String>>,
}

impl Known {
    pub fn of(cr: &ServiceStack, scope: &Scope) -> Self {
        let address = |name: &String, given: &crate::stack::api::component::ComponentSpec| {
            if given.kind() == ComponentKind::External {
                let external = given.external.as_ref();
                let host = external.and_then(|it| it.host.clone().or_else(|| it.service.clone()));
                let port = external.and_then(|it| it.port);
                return Address {
                    host: host.unwrap_or_default(),
                    ports: port.map(|port| (String::new(), port)).into_iter().collect(),
                    unreachable: None,
                };
            }
            let ports = given.ports.iter().flatten().map(|port| (port.name.clone(), port.port));
            let ports: Vec<_> = ports.collect();
            let unreachable = match given.kind() {
                ComponentKind::Job => Some(Unreachable::Job),
                _ if ports.is_empty() => Some(Unreachable::NoPorts),
                _ => (!is_enabled(given)).then_some(Unreachable::SwitchedOff),
            };
            Address { host: component(cr, name), ports, unreachable }
        };
        let addresses = cr.spec.components.iter().map(|(name, given)| (name.clone(), address(name, given)));
        let secrets = cr.spec.secrets.iter().map(|(entry, given)| {
            (entry.clone(), Secret { name: secret(cr, entry), keys: given.generate.clone() })
        });
        Self {
            stack: scope.owner.name.clone(),
            namespace: scope.namespace.clone(),
            environment: cr.spec.environment.map(|it| format!("{it:?}")).unwrap_or_default(),
            addresses: addresses.collect(),
            secrets: secrets.collect(),
        }
    }
}

/// `; did you mean 'x'?`, or nothing.
pub fn hint<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(given, names).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}
