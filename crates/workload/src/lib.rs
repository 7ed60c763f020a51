//! The parts that the components of any product share: the model of a component, builders, names and
//! labels. This crate contains no product: the product's names and settings are passed in as data.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub mod build;
pub mod image;
pub mod labels;
pub mod metadata;
pub mod model;
pub mod names;
pub mod qos;
pub mod quantity;
pub mod scope;

/// A map of labels or annotations, as in metadata.
pub type StringMap = BTreeMap<String, String>;
/// Quantities by resource name, such as `cpu`.
pub type Quantities = BTreeMap<String, Quantity>;
