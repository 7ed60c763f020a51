//! What the components of any product share: the model of a component, builders, names and labels. Knows no product: what one
//! is called, and which settings it has, comes in as data.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub mod build;
pub mod contention;
pub mod image;
pub mod json;
pub mod labels;
pub mod metadata;
pub mod model;
pub mod names;
pub mod patch;
pub mod qos;
pub mod quantity;
pub mod references;
pub mod scope;

/// A map of labels or annotations as it is written to metadata.
pub type StringMap = BTreeMap<String, String>;
/// Amounts by the names of resources, such as `cpu`.
pub type Quantities = BTreeMap<String, Quantity>;
