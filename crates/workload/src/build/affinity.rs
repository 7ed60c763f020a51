//! Where a component's pods may run.

use k8s_openapi::{
    api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::{labels, model::Component, scope::Scope};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// None unless the pods that mount the claim must share one node: a database's write-ahead log may need one host, and a
/// ReadWriteOnce volume needs one node. The first pod goes anywhere: a pod that matches its own term, with
/// no other match, is let through by the scheduler.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Option<Affinity> {
    let claim = component.claim.as_ref().filter(|_| component.co_scheduled)?;
    Some(beside(labels::data_selector(scope, claim)))
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
    let selector = labels::pod_selector(component);
    if let Some(given) = &component.topology_spread {
        let of_pods = |spread: &TopologySpreadConstraint| TopologySpreadConstraint {
            label_selector: Some(selector.clone()),
            ..spread.clone()
        };
        return non_empty(given.iter().map(of_pods).collect());
    }
    if component.co_scheduled || component.scale.most() < 2 {
        return None;
    }
    let soft = |key: &str| TopologySpreadConstraint {
        topology_key: key.into(),
        max_skew: 1,
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(selector.clone()),
        ..TopologySpreadConstraint::default()
    };
    Some([ZONE, HOST].map(soft).into())
}

/// None where there is nothing: an empty list would be owned by us.
#[must_use]
pub fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
