//! Texts with references, as Kubernetes gets them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

use super::names::{Known, Unreachable, hint};
use crate::{
    stack::references::{Address, Part, Reference, StackField, parse, unescaped},
    workload::resolve::Violations,
};

/// Resolves the texts of one component.
pub struct Texts<'a> {
    known: &'a Known,
    /// False for the texts of a component that is switched off: nothing reads them.
    enabled: bool,
    /// Secret values and pod fields inside longer texts, with the variables that stand for them.
    hidden: BTreeMap<Reference, String>,
    /// Components that the texts name.
    pub named: BTreeSet<String>,
    /// Entries of `spec.secrets` that the texts name.
    pub entries: BTreeSet<String>,
}

/// Start of the names of variables that stand for a secret or a pod field inside a longer text.
pub const HIDDEN: &str = "STACK_";

impl<'a> Texts<'a> {
    pub fn new(known: &'a Known, enabled: bool) -> Self {
        Self { known, enabled, hidden: BTreeMap::new(), named: BTreeSet::new(), entries: BTreeSet::new() }
    }

    /// An environment variable. A text that is one secret or one pod field has a source in place of a value.
    pub fn variable(&mut self, name: &str, text: &str, path: &str, violations: &mut Violations) -> EnvVar {
        let parts = self.parts(text, path, violations);
        if let [Part::Reference(reference)] = parts.as_slice()
            && let Some(source) = self.source(reference)
        {
            return EnvVar { name: name.to_owned(), value: None, value_from: Some(source) };
        }
        EnvVar { name: name.to_owned(), value: Some(self.joined(&parts)), value_from: None }
    }

    /// A text that Kubernetes expands: an argument.
    pub fn argument(&mut self, text: &str, path: &str, violations: &mut Violations) -> String {
        let parts = self.parts(text, path, violations);
        self.joined(&parts)
    }

    /// Resolves a file, whose text Kubernetes does not expand.
    pub fn file(&mut self, text: &str, path: &str, violations: &mut Violations) -> String {
        let parts = self.parts(text, path, violations);
        for part in &parts {
            if let Part::Reference(Reference::Secret { .. } | Reference::Pod(_)) = part {
                violations.add(
                    path,
                    "may not contain secrets or pod fields: a file is part of a ConfigMap; use `env`, or `volumes.<name>.secret`",
                );
            }
        }
        let plain = parts.iter().map(|part| match part {
            Part::Text(text) => unescaped(text),
            Part::Reference(reference) => self.value(reference).unwrap_or_default(),
        });
        plain.collect()
    }

    /// Variables that have to be defined before all others.
    pub fn hidden(&self) -> Vec<EnvVar> {
        let variable = |(reference, name): (&Reference, &String)| EnvVar {
            name: name.clone(),
            value: None,
            value_from: self.source(reference),
        };
        self.hidden.iter().map(variable).collect()
    }

    fn parts(&mut self, text: &str, path: &str, violations: &mut Violations) -> Vec<Part> {
        let parts = match parse(text) {
            Ok(parts) => parts,
            Err(malformed) => {
                for one in malformed {
                    violations.add(path, one.to_string());
                }
                return Vec::new();
            }
        };
        for part in &parts {
            let Part::Reference(reference) = part else { continue };
            if let Some(message) = self.unknown(reference) {
                violations.add(path, message);
            }
            match reference {
                Reference::Component { name, .. } => {
                    self.named.insert(name.clone());
                }
                Reference::Secret { entry, .. } => {
                    self.entries.insert(entry.clone());
                }
                Reference::Pod(_) | Reference::Stack(_) => {}
            }
        }
        parts
    }

    /// Why a reference names nothing.
    fn unknown(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Component { name, what } => {
                let Some(address) = self.known.addresses.get(name) else {
                    let names = self.known.addresses.keys().map(String::as_str);
                    return Some(format!("no component '{name}'{}", hint(name, names)));
                };
                match address.unreachable {
                    Some(Unreachable::Job) => {
                        return Some(format!(
                            "component '{name}' is a Job, which has no Service and no address; remove the reference"
                        ));
                    }
                    Some(Unreachable::NoPorts) => {
                        return Some(format!(
                            "component '{name}' has no ports, so that it has no Service; give `spec.components.{name}.ports`"
                        ));
                    }
                    Some(Unreachable::SwitchedOff) if self.enabled => {
                        return Some(format!(
                            "component '{name}' is switched off, so that its Service does not exist; enable it, or remove the reference"
                        ));
                    }
                    Some(Unreachable::SwitchedOff) | None => {}
                }
                let (Address::Port(port) | Address::HostAndPort(port)) = what else { return None };
                match port {
                    None if address.ports.is_empty() => {
                        Some(format!("component '{name}' has no ports; give `spec.components.{name}.ports`"))
                    }
                    Some(port) if !address.ports.iter().any(|(name, _)| name == port) => {
                        let names = address.ports.iter().map(|(name, _)| name.as_str());
                        Some(format!("component '{name}' has no port '{port}'{}", hint(port, names)))
                    }
                    _ => None,
                }
            }
            Reference::Secret { entry, key } => {
                let Some(secret) = self.known.secrets.get(entry) else {
                    let names = self.known.secrets.keys().map(String::as_str);
                    return Some(format!("no entry '{entry}' in `spec.secrets`{}", hint(entry, names)));
                };
                let keys = secret.keys.as_ref().filter(|keys| !keys.contains(key))?;
                let names = keys.iter().map(String::as_str);
                Some(format!("`spec.secrets.{entry}` has no key '{key}'{}", hint(key, names)))
            }
            Reference::Stack(StackField::Environment) if self.known.environment.is_empty() => {
                Some("`spec.environment` is not given".to_owned())
            }
            Reference::Stack(_) | Reference::Pod(_) => None,
        }
    }

    fn source(&self, reference: &Reference) -> Option<EnvVarSource> {
        match reference {
            Reference::Secret { entry, key } => Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: self.known.secrets.get(entry)?.name.clone(),
                    key: key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            }),
            Reference::Pod(field) => Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    field_path: field.path().to_owned(),
                    api_version: None,
                }),
                ..EnvVarSource::default()
            }),
            Reference::Component { .. } | Reference::Stack(_) => None,
        }
    }

    /// Returns the text that the operator writes in place of a reference, if it knows one.
    fn value(&self, reference: &Reference) -> Option<String> {
        match reference {
            Reference::Component { name, what } => {
                let address = self.known.addresses.get(name)?;
                let number = |port: &Option<String>| {
                    let mut ports = address.ports.iter();
                    ports.find(|(name, _)| port.as_ref().is_none_or(|port| port == name)).map(|(_, it)| it)
                };
                match what {
                    Address::Host => Some(address.host.clone()),
                    Address::Port(port) => number(port).map(ToString::to_string),
                    Address::HostAndPort(port) => Some(format!("{}:{}", address.host, number(port)?)),
                }
            }
            Reference::Stack(field) => Some(match field {
                StackField::Name => self.known.stack.clone(),
                StackField::Namespace => self.known.namespace.clone(),
                StackField::Environment => self.known.environment.clone(),
            }),
            Reference::Secret { .. } | Reference::Pod(_) => None,
        }
    }

    /// A text in which Kubernetes expands what the operator may not know.
    fn joined(&mut self, parts: &[Part]) -> String {
        let mut all = String::new();
        for part in parts {
            match part {
                Part::Text(text) => all.push_str(text),
                Part::Reference(reference) => match self.value(reference) {
                    Some(value) => all.push_str(&value),
                    None => all.extend(["$(", &self.hide(reference), ")"]),
                },
            }
        }
        all
    }

    /// The variable that stands for a reference. Two entries and keys can spell one name: then it gets a
    /// number.
    fn hide(&mut self, reference: &Reference) -> String {
        if let Some(name) = self.hidden.get(reference) {
            return name.clone();
        }
        let spelt = match reference {
            Reference::Secret { entry, key } => format!("{HIDDEN}SECRET_{entry}_{key}"),
            Reference::Pod(field) => format!("{HIDDEN}POD_{field:?}"),
            Reference::Component { .. } | Reference::Stack(_) => format!("{HIDDEN}TEXT"),
        };
        let base: String = spelt
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' })
            .collect();
        let taken = |name: &String| self.hidden.values().any(|other| other == name);
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(base);
        self.hidden.insert(reference.clone(), name.clone());
        name
    }
}
