//! Why a claim does not have its declared size.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::logpilot::facts::{HeldWhy, PendingResize};

/// Why a claim asks for another size than the declared one.
pub(super) fn message(held: &PendingResize) -> String {
    let (now, declared) = (&held.now.0, &held.declared.0);
    match &held.why {
        HeldWhy::NoVolume => format!(
            "has no volume yet, and its size is only changed when it has: it asks for {now} until then, for {declared} \
             afterwards"
        ),
        HeldWhy::Capacity(Quantity(capacity)) => format!(
            "asks for {now} instead of {declared}: its volume has {capacity} and no volume shrinks; Kubernetes takes \
             sizes above {capacity}, also smaller ones than were asked for before"
        ),
    }
}
