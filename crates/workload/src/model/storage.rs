//! Volumes that hold data.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::StringMap;

/// A PVC that we make.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub name: String,
    /// In addition to those that every object has.
    pub labels: StringMap,
    pub annotations: StringMap,
    pub size: Quantity,
    pub storage_class_name: Option<String>,
    /// Such as `ReadWriteOnce`.
    pub access_mode: String,
    /// Goes with the resource, with its data; otherwise it stays.
    pub owned: bool,
}
