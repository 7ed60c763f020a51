//! Scheduling constraints of pods, as in Kubernetes.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Toleration, TopologySpreadConstraint};

use super::Violations;
use crate::{
    api::common::{self as given, TaintEffect, TolerationOperator, WhenUnsatisfiable},
    metadata,
};

pub const HARD: &str = "DoNotSchedule";
const SOFT: &str = "ScheduleAnyway";

/// The API server uses these two fields as the key of the list, and rejects a second entry.
pub fn spread(
    given: Option<&Vec<given::TopologySpread>>,
    path: &str,
    violations: &mut Violations,
) -> Option<Vec<TopologySpreadConstraint>> {
    let list: Vec<_> = given?.iter().map(constraint).collect();
    let mut seen = BTreeSet::new();
    for spread in &list {
        violations.require(
            seen.insert((&spread.topology_key, &spread.when_unsatisfiable)),
            format!("{path}.topologySpread"),
            format!("has '{}' twice with the same `whenUnsatisfiable`; keep one", spread.topology_key),
        );
    }
    Some(list)
}

fn constraint(given: &given::TopologySpread) -> TopologySpreadConstraint {
    let hard = given.when_unsatisfiable == Some(WhenUnsatisfiable::DoNotSchedule);
    TopologySpreadConstraint {
        topology_key: given.topology_key.clone(),
        max_skew: given.max_skew.unwrap_or(1),
        when_unsatisfiable: if hard { HARD } else { SOFT }.into(),
        ..TopologySpreadConstraint::default()
    }
}

#[must_use]
pub fn toleration(given: &given::Toleration) -> Toleration {
    Toleration {
        key: given.key.clone(),
        operator: given.operator.map(|operator| {
            match operator {
                TolerationOperator::Exists => "Exists",
                TolerationOperator::Equal => "Equal",
            }
            .into()
        }),
        value: metadata::non_blank(given.value.as_ref()),
        effect: given.effect.map(|effect| {
            match effect {
                TaintEffect::NoSchedule => "NoSchedule",
                TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                TaintEffect::NoExecute => "NoExecute",
            }
            .into()
        }),
        toleration_seconds: given.toleration_seconds,
    }
}
