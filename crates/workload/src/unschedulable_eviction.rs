//! Pods of one claim, refused by the scheduler while others of the claim were still on a node. When the last of those
//! goes, as at the end of a drain, the scheduler does not look again: a required affinity waits for pods that come, not
//! for pods that go, and for 5 minutes nothing else makes it. So one pod is evicted here. The one that its ReplicaSet
//! makes instead may go anywhere, and where it goes the others follow by the scheduler's own rule.
//!
//! Never in a loop: after one eviction a claim has no other before one of its pods had a node. That is remembered here
//! only, so that an operator that was drained itself makes one attempt of its own.

use std::collections::BTreeSet;

use engine::{
    api_client::ApiClient,
    cache::{ObjectCache, Snapshot},
    child::Child,
    error::Disposition,
    outcome::{AppliedObject, ApplyResult},
};
use tracing::info;

use super::{health, names::claim_label};

/// The scheduler's words for a node that has everything but the pods to be near. It asks for those last, so while there
/// are none such a node takes the pod. Without such a node no eviction would help, and there is none.
const NEAR: &str = "didn't match pod affinity rules";

/// The claims of a resource for which it was tried since one of their pods had a node.
#[derive(Default)]
pub struct StuckPodEvictor {
    tried: BTreeSet<String>,
}

/// Where the pods of one claim are.
#[derive(Debug, PartialEq)]
enum Pods<'a> {
    /// One has a node, be it on its way out: the others have to be there.
    Placed,
    /// None has, and this one was refused because one had.
    Refused(&'a Child),
    /// None has, for reasons of their own.
    Wait,
}

impl StuckPodEvictor {
    /// Evicts what is due, of the claims whose pods share a node. Answers only what has to be known: that it was done, or why it could not be.
    pub async fn carry_out<'a>(
        &mut self,
        writer: &ApiClient,
        cache: &ObjectCache,
        owner: &str,
        claims: impl IntoIterator<Item = &'a str>,
        snapshot: &Snapshot,
    ) -> Vec<AppliedObject> {
        let mut steps = Vec::new();
        for (claim, child) in self.due(claims, snapshot) {
            let result = match writer.evict(child.kind, &child.key, &child.uid, child.version).await {
                Ok(()) => {
                    info!(object = %child, owner = %owner, "evicted: refused for the sake of pods that are gone");
                    self.done(&claim);
                    cache.mark_deleting(child);
                    ApplyResult::Deleted
                }
                // It has a node by now, or is gone: its own event tells.
                Err(error) if error.disposition() == Disposition::Refresh => continue,
                Err(error) => ApplyResult::Failed(error),
            };
            steps.push(AppliedObject { id: (child.kind, child.key.clone()), result });
        }
        steps
    }

    pub fn done(&mut self, claim: &str) {
        self.tried.insert(claim.to_owned());
    }

    /// At most one pod for each claim whose pods share a node, with the claim.
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
        // The scheduler forgets a pod that has ended.
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

/// Only what a ReplicaSet makes comes again.
fn is_refused(child: &Child, pod: &health::Pod) -> bool {
    !child.deleting
        && child.controller.as_ref().is_some_and(|controller| controller.kind == "ReplicaSet")
        && pod.unschedulable.as_ref().is_some_and(|(message, _)| message.contains(NEAR))
}
