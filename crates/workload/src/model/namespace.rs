//! The limits of a namespace.

use crate::Quantities;

/// Limits that we make; they concern every pod of the namespace, our own too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceLimits {
    pub range: Option<LimitRange>,
    pub quota: Option<Quota>,
}

/// What a container of the namespace gets that says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRange {
    pub requests: Quantities,
    pub limits: Quantities,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// By the names that a ResourceQuota knows, such as `requests.cpu`. Never empty.
    pub hard: Quantities,
}
