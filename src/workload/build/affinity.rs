//! Where a component's pods may run.

use k8s_openapi::{
    api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, Toleration, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::{
    api::common::{self, TaintEffect, TolerationOperator, TopologySpread, WhenUnsatisfiable},
    logpilot::model::Component,
    workload::{labels, metadata},
};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// None unless the pods that mount the claim must share one node: SQLite's write-ahead log needs one host,
/// and a ReadWriteOnce volume one node. The first pod goes anywhere: a pod that matches its own term, with
/// no other match, is let through by the scheduler.
#[must_use]
pub fn build(component: &Component) -> Option<Affinity> {
    if !component.co_scheduled {
        return None;
    }
    Some(beside(labels::claim_selector(component)))
}

/// On the node of the pods selected.
#[must_use]
pub fn beside(pods: LabelSelector) -> Affinity {
    Affinity {
        pod_affinity: Some(PodAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
                label_selector: Some(pods),
                topology_key: HOST.into(),
                ..PodAffinityTerm::default()
            }]),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// None for pods bound to one node, and for a single pod. By default soft, over zones and hosts: a small
/// cluster still runs everything. A list of the user's replaces it.
#[must_use]
pub fn spread(component: &Component) -> Option<Vec<TopologySpreadConstraint>> {
    if let Some(given) = &component.topology_spread {
        let list: Vec<_> = given.iter().map(|spread| constraint(component, spread)).collect();
        return (!list.is_empty()).then_some(list);
    }
    if component.co_scheduled || component.scale.most() < 2 {
        return None;
    }
    let soft =
        |key: &str| TopologySpread { topology_key: key.into(), max_skew: None, when_unsatisfiable: None };
    Some([ZONE, HOST].map(|key| constraint(component, &soft(key))).into())
}

/// None where no toleration was given: an empty list would be owned by us.
#[must_use]
pub fn tolerations(component: &Component) -> Option<Vec<Toleration>> {
    tolerations_of(&component.tolerations)
}

/// As above, of a list.
#[must_use]
pub fn tolerations_of(given: &[common::Toleration]) -> Option<Vec<Toleration>> {
    let list: Vec<_> = given
        .iter()
        .map(|toleration| Toleration {
            key: toleration.key.clone(),
            operator: toleration.operator.map(|operator| {
                match operator {
                    TolerationOperator::Exists => "Exists",
                    TolerationOperator::Equal => "Equal",
                }
                .into()
            }),
            value: metadata::non_blank(toleration.value.as_ref()),
            effect: toleration.effect.map(|effect| {
                match effect {
                    TaintEffect::NoSchedule => "NoSchedule",
                    TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    TaintEffect::NoExecute => "NoExecute",
                }
                .into()
            }),
            toleration_seconds: toleration.toleration_seconds,
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

fn constraint(component: &Component, spread: &TopologySpread) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        topology_key: spread.topology_key.clone(),
        max_skew: spread.max_skew.unwrap_or(1),
        when_unsatisfiable: match spread.when_unsatisfiable {
            Some(WhenUnsatisfiable::DoNotSchedule) => "DoNotSchedule",
            Some(WhenUnsatisfiable::ScheduleAnyway) | None => "ScheduleAnyway",
        }
        .into(),
        label_selector: Some(labels::pod_selector(component)),
        ..TopologySpreadConstraint::default()
    }
}
