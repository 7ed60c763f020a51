//! Limits of the namespace. The defaults repeated here are applied in `resolve::limits`.

use kube::core::{Reason, Rule};

use super::{at_most, explained};

/// `requests` must not exceed `limits`. Both have defaults, as for a component.
fn within(field: &str, name: &str, request: &str, limit: &str, least: &str) -> Rule {
    let value = |list: &str, default: &str| {
        format!("(has(self.{list}) && has(self.{list}.{field}) ? string(self.{list}.{field}) : '{default}')")
    };
    let (requested, limited) = (value("requests", request), value("limits", limit));
    explained(
        // A limit below any useful value has its own message at its own field.
        format!(
            "!isQuantity({limited}) || quantity({limited}).compareTo(quantity('{least}')) < 0 || {}",
            at_most(&requested, &limited)
        ),
        format!(
            "\"must be less than or equal to `limits.{name}`: '%s' is more than '%s'; an absent value has its default, so set both\".format([{requested}, {limited}])"
        ),
    )
}

pub fn cpu_within_limit() -> Rule {
    within("cpu", "cpu", "100m", "500m", "1m").field_path(".requests.cpu")
}

pub fn memory_within_limit() -> Rule {
    within("memory", "memory", "256Mi", "512Mi", "16Mi").field_path(".requests.memory")
}

/// Ephemeral storage has no defaults. A missing value is not a quantity and passes.
pub fn ephemeral_storage_within_limit() -> Rule {
    within("ephemeral__dash__storage", "ephemeral-storage", "", "", "16Mi")
        .field_path(".requests['ephemeral-storage']")
}

pub fn some_quota() -> Rule {
    // A list is empty if none of its amounts has a value.
    let amounts = |list: &str| {
        format!(
            "(has(self.{list}) && (has(self.{list}.cpu) || has(self.{list}.memory) || has(self.{list}.ephemeral__dash__storage)))"
        )
    };
    Rule::new(format!("has(self.pods) || {} || {} || has(self.persistentVolumeClaims) || has(self.storage)", amounts("requests"), amounts("limits")))
        .message("must have at least one of `pods`, `requests`, `limits`, `persistentVolumeClaims` and `storage`; an empty quota limits nothing")
        .reason(Reason::FieldValueRequired)
}
