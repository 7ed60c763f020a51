//! Resolvers, from the fragments of a spec to the model: defaults filled in, in the words of
//! Kubernetes, and every violation in one result.
//!
//! A resolver takes a fragment, its path, and the defaults of the product where they differ from product
//! to product.

pub mod env;
pub mod exposure;
pub mod limits;
pub mod monitoring;
pub mod network;
pub mod resources;
pub mod rollout;
pub mod scaling;
pub mod scheduling;

use std::fmt;

/// One violation: the field, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path of the field, such as `spec.components.rest.resources.requests.memory`.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// Collects violations, so that the user sees all of them in one step.
#[derive(Debug, Default)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation { path: path.into(), message: message.into() });
    }

    pub fn require(&mut self, good: bool, path: impl Into<String>, message: impl Into<String>) {
        if !good {
            self.add(path, message);
        }
    }
}
