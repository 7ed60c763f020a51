//! The limits of a namespace.

use crate::Quantities;

/// Limits that the operator creates. They apply to every pod of the namespace, including the operator's
/// own components.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceLimits {
    pub range: Option<LimitRange>,
    pub quota: Option<Quota>,
}

/// Defaults for containers of the namespace that set no resources.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRange {
    pub requests: Quantities,
    pub limits: Quantities,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// The keys are the names that a ResourceQuota uses, such as `requests.cpu`. Never empty.
    pub hard: Quantities,
}
