//! Autoscalers of other owners that scale the Deployments of a stack.

use std::collections::BTreeSet;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::{
    api::component::ComponentKind,
    model::{Stack, StackComponent},
    observe,
};
use crate::{
    engine::{cache::Snapshot, child::Child},
    kinds::Managed,
    workload::{
        foreign_autoscalers::{Found, Query},
        model::{Component, Scale},
    },
};

/// Returns which autoscalers to look for.
#[must_use]
pub fn query(stack: &Stack, snapshot: &Snapshot) -> Query {
    let scaled = scalable(stack, snapshot).filter(|(.., child)| child.is_scaled_by_others());
    Query {
        kind: HorizontalPodAutoscaler::KIND,
        namespace: stack.scope.namespace.clone(),
        targets: stack.running().map(|(_, workload)| workload.name.clone()).collect(),
        scaled: scaled.map(|(_, workload, _)| workload.name.clone()).collect(),
    }
}

/// Returns the components whose number of pods is left to such an autoscaler.
#[must_use]
pub fn decided_by_others(stack: &Stack, snapshot: &Snapshot, found: &Found) -> BTreeSet<String> {
    let decides = |(component, workload, child): (&StackComponent, &Component, &Child)| {
        let (scaler, live) = (found.get(&workload.name)?, child.replicas?);
        // An autoscaler ignores a workload of zero pods, so only one that scales to zero wants zero.
        let decides = child.is_scaled_by_others() && (live > 0 || scaler.scales_to_zero);
        decides.then(|| component.name.clone())
    };
    scalable(stack, snapshot).filter_map(decides).collect()
}

/// Returns the live Deployments with a fixed number of pods. While a stack is stopped, nothing else decides.
fn scalable<'a>(
    stack: &'a Stack,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = (&'a StackComponent, &'a Component, &'a Child)> {
    let fixed = stack.running().filter(|(component, workload)| {
        component.kind == ComponentKind::Deployment
            && matches!(workload.scale, Scale::Fixed(replicas) if replicas > 0)
            && !stack.stopped
    });
    fixed.filter_map(|(component, workload)| {
        Some((component, workload, observe::live(stack, component, snapshot)?))
    })
}
