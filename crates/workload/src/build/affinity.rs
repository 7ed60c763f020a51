//! Placement of a component's pods.

use k8s_openapi::{
    api::core::v1::{Affinity, PodAffinity, PodAffinityTerm, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use crate::{labels, model::Component, scope::Scope};

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// Returns `None` unless the pods that mount the PVC must share one node: a database's write-ahead log
/// may need one host, and a ReadWriteOnce volume needs one node. The first pod can run on any node: the
/// scheduler accepts a pod that matches its own term if no other pod does.
#[must_use]
pub fn build(scope: &Scope, component: &Component) -> Option<Affinity> {
    let claim = component.claim.as_ref().filter(|_| component.co_scheduled)?;
    Some(beside(labels::data_selector(scope, claim)))
}

/// Returns an affinity to the node of the selected pods.
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

/// Returns the constraints that spread the pods. `None` for pods that share one node, and for a single
/// pod. The default is a soft spread over zones and hosts, so that a small cluster still runs all pods.
/// A list of the user replaces it.
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

/// Returns `None` for an empty list, which would be a field that the operator owns.
#[must_use]
pub fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
