//! Why a PVC does not have its declared size.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::logpilot::facts::{HeldWhy, PendingResize};

/// Explains why a PVC requests another size than the declared one.
pub(super) fn message(held: &PendingResize) -> String {
    let (now, declared) = (&held.now.0, &held.declared.0);
    match &held.why {
        HeldWhy::NoVolume => format!(
            "is not bound yet, and its size is only changed after that: it requests {now} until then, and {declared} \
             afterwards"
        ),
        HeldWhy::Capacity(Quantity(capacity)) => format!(
            "requests {now} instead of {declared}: its volume has {capacity} and a volume cannot shrink; Kubernetes \
             accepts any size above {capacity}, even below the size that was requested before"
        ),
    }
}
