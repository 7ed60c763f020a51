//! The parts that the components of any product share: fragments of a spec and their resolvers, the
//! model of a component, builders, names and labels, health and problems. This crate contains no
//! product: the product's names and settings are passed in as data.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub mod api;
pub mod build;
pub mod contention;
pub mod dashboard;
pub mod foreign_autoscalers;
#[cfg(test)]
mod fuzz;
pub mod health;
pub mod image;
pub mod json;
pub mod labels;
pub mod metadata;
pub mod model;
pub mod names;
pub mod patch;
pub mod problems;
pub mod qos;
pub mod quantity;
pub mod reasons;
pub mod references;
pub mod resolve;
pub mod scope;
#[cfg(test)]
mod test_kinds;
pub mod unschedulable_eviction;

/// A map of labels or annotations, as in metadata.
pub type StringMap = BTreeMap<String, String>;
/// Quantities by resource name, such as `cpu`.
pub type Quantities = BTreeMap<String, Quantity>;
