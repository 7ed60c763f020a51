//! Volumes that hold data.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::StringMap;

/// A PVC that the operator creates.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub name: String,
    /// In addition to the labels that every object has.
    pub labels: StringMap,
    pub annotations: StringMap,
    pub size: Quantity,
    pub storage_class_name: Option<String>,
    /// Such as `ReadWriteOnce`.
    pub access_mode: String,
    /// True if the PVC is deleted with the resource, together with its data. Otherwise it stays.
    pub owned: bool,
}
