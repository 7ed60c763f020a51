//! Evicts pods of one PVC that the scheduler rejected because other pods of the PVC were still assigned
//! to a node. When the last of those terminates, as at the end of a drain, the scheduler does not
//! retry: a required affinity waits for pods that appear, not for pods that terminate, and nothing else
//! triggers a retry for 5 minutes. Therefore one pod is evicted here. The replacement that its
//! ReplicaSet creates can be scheduled on any node, and the other pods follow it by the scheduler's own
//! rule.
//!
//! This never loops: after one eviction, a PVC gets no other one until one of its pods had a node. That
//! is kept only in memory, so an operator that was drained itself makes one attempt of its own.

use std::collections::BTreeSet;

use engine::{
    apply::Applier,
    cache::Snapshot,
    child::Child,
    outcome::{AppliedObject, ApplyResult},
};
use tracing::info;

use super::{health, names::claim_label};

/// The scheduler's message for a node that satisfies everything but the pod affinity. The scheduler
/// checks affinity last, so such a node takes the pod when no other pod of the PVC remains. Without
/// such a node no eviction helps, and none is made.
const NEAR: &str = "didn't match pod affinity rules";

/// The PVCs of a resource for which an eviction was tried since one of their pods had a node.
#[derive(Default)]
pub struct StuckPodEvictor {
    tried: BTreeSet<String>,
}

/// Where the pods of one PVC are.
#[derive(Debug, PartialEq)]
enum Pods<'a> {
    /// One has a node, even if it is terminating: the others must run there.
    Placed,
    /// No pod has a node, and this one was rejected because one had a node.
    Refused(&'a Child),
    /// No pod has a node, for other reasons.
    Wait,
}

impl StuckPodEvictor {
    /// Evicts the pods that are due, of the PVCs whose pods share a node. Returns only results to
    /// report: evictions, and errors that prevented one.
    pub async fn carry_out<'a>(
        &mut self,
        applier: &Applier<'_>,
        owner: &str,
        claims: impl IntoIterator<Item = &'a str>,
        snapshot: &Snapshot,
    ) -> Vec<AppliedObject> {
        let mut steps = Vec::new();
        for (claim, child) in self.due(claims, snapshot) {
            let Some(step) = applier.evict(child).await else { continue };
            if step.result == ApplyResult::Deleted {
                info!(object = %child, owner = %owner, "evicted: refused because of pods that no longer exist");
                self.done(&claim);
            }
            steps.push(step);
        }
        steps
    }

    pub fn done(&mut self, claim: &str) {
        self.tried.insert(claim.to_owned());
    }

    /// Returns at most one pod, with its PVC, for each PVC whose pods share a node.
    pub fn due<'a, 's>(
        &mut self,
        claims: impl IntoIterator<Item = &'a str>,
        snapshot: &'s Snapshot,
    ) -> Vec<(String, &'s Child)> {
        let claims: BTreeSet<String> = claims.into_iter().map(claim_label).collect();
        self.tried.retain(|claim| claims.contains(claim));
        let mut due = Vec::new();
        for claim in claims {
            match pods(&claim, snapshot) {
                Pods::Placed => {
                    self.tried.remove(&claim);
                }
                Pods::Refused(child) if !self.tried.contains(&claim) => due.push((claim, child)),
                Pods::Refused(_) | Pods::Wait => {}
            }
        }
        due
    }
}

fn pods<'a>(claim: &str, snapshot: &'a Snapshot) -> Pods<'a> {
    let mut refused = None;
    for child in snapshot.children.values() {
        let Some(pod) = child.observed::<health::Pod>() else { continue };
        // The scheduler ignores a pod that has ended.
        if pod.claim != claim || matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
            continue;
        }
        if pod.node.is_some() {
            return Pods::Placed;
        }
        if is_refused(child, pod) {
            refused = refused.or(Some(&**child));
        }
    }
    refused.map_or(Pods::Wait, Pods::Refused)
}

/// Only a pod of a ReplicaSet is recreated.
fn is_refused(child: &Child, pod: &health::Pod) -> bool {
    !child.deleting
        && child.controller.as_ref().is_some_and(|controller| controller.kind == "ReplicaSet")
        && pod.unschedulable.as_ref().is_some_and(|(message, _)| message.contains(NEAR))
}
