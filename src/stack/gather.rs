//! Gathers the inputs of a plan: from the object cache, and by reading what is not watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};

use super::{
    api::ServiceStackStatus,
    contention,
    controller::Remembered,
    facts::Facts,
    gates, host_paths, hosts,
    model::Stack,
    observe, plan, referenced, restart, retention, scalers,
    secrets::{self, ACCEPT_LOSS},
};
use crate::{
    engine::{
        api_client::ApiClient,
        cache::{ObjectCache, Snapshot},
        contention::Contention,
        deadlines::DeadlineTracker,
        error::Error,
        owner::Owner,
    },
    logpilot::gather,
    reasons,
    workload::{
        foreign_autoscalers,
        names::short_hash,
        references::{
            ResolvedReferences,
            read_cache::{self, Moment},
        },
    },
};

/// The sources of facts.
pub struct Sources<'a> {
    pub writer: &'a ApiClient,
    pub cache: &'a ObjectCache,
    pub contention: &'a Contention,
    pub remembered: &'a mut Remembered,
    pub object: &'a DynamicObject,
    pub before: &'a ServiceStackStatus,
    pub owner: &'a Owner,
    pub snapshot: &'a Snapshot,
}

/// Gathers everything that the plan has to know. Hashes that pods restart for become part of the stack's pod
/// templates.
///
/// # Errors
/// An object could not be read: without it the workloads cannot be planned.
pub async fn facts(sources: Sources<'_>, stack: &mut Stack) -> Result<Facts, Error> {
    let Sources { writer, remembered, object, before, owner, snapshot, .. } = sources;
    restart::stamp(stack, object.annotations(), &before.components);
    let moment = &moment(object);
    let suspect = gather::waits(snapshot, &[reasons::CONTAINER_CONFIG]);
    let asked = secrets::Asked {
        before,
        snapshot,
        moment: moment.clone(),
        suspect,
        accepted: object.annotations().get(ACCEPT_LOSS).map(String::as_str),
    };
    let secrets = remembered.secrets.fetch(writer, stack, owner, asked).await?;
    let observed = observe::workloads(stack, snapshot, &DeadlineTracker::at(Timestamp::now()));
    let request = referenced::request(stack, &observed, &before.components, (moment, suspect));
    let references = remembered.references.fetch(writer, request, |_, _| Vec::new()).await?;
    referenced::stamp(stack, &references, &secrets);
    let scalers = remembered.scalers.fetch(writer, scalers::query(stack, snapshot), moment).await?;
    let wanted = plan::wanted(stack);
    let gates = gates::decide(&wanted, &observed, &before.components);
    let with_pods = observe::with_pods(snapshot);
    let stopped: BTreeSet<String> = if stack.stopped {
        let needed = gates::still_needed(&wanted, &with_pods);
        wanted.keys().filter(|name| !needed.contains(*name)).cloned().collect()
    } else {
        BTreeSet::new()
    };
    let gates = if stack.stopped {
        // Stopping waits for dependents, never for dependencies.
        gates.into_iter().map(|(name, gate)| (name, gates::Gate { blocked_by: Vec::new(), ..gate })).collect()
    } else {
        gates
    };
    let granted = host_paths::granted(sources.cache, &stack.scope.namespace);
    let facts = Facts {
        autoscaled_by_others: scalers::decided_by_others(stack, snapshot, &scalers),
        completed: retention::completed(stack, &gates, &observed),
        last_replicas: last_replicas(stack, snapshot),
        secrets,
        gates,
        stopped,
        suspect,
        held: referenced::held(&references).collect(),
        references,
        hosts: hosts::refused(stack, sources.cache),
        taken: contention::conflicts(&owner.resource, object, sources.contention),
        ..Facts::default()
    };
    Ok(host_paths::hold(stack, &granted, facts))
}

/// Returns the last request of the user to read the objects that are not watched.
fn moment(object: &DynamicObject) -> Moment {
    let accepted = object.annotations().get(ACCEPT_LOSS);
    let mut moment = gather::moment(object);
    moment.asked.extend(accepted.map(|name| (ACCEPT_LOSS.to_owned(), short_hash(name.as_bytes()))));
    moment
}

/// Returns when the objects that are not watched are read again, with the reason. `None` if there are none.
#[must_use]
pub fn read_again(facts: &Facts) -> Option<(Duration, &'static str)> {
    let held = facts.suspect
        || facts.references.values().any(ResolvedReferences::hold)
        || secrets::holds(&facts.secrets);
    if held {
        return Some((read_cache::REFRESH_HELD, "an object that is not watched blocks a component"));
    }
    if !facts.autoscaled_by_others.is_empty() {
        return Some((foreign_autoscalers::REFRESH, "autoscalers that are not watched are read again"));
    }
    let any = !facts.references.is_empty() || !facts.secrets.is_empty();
    any.then_some((read_cache::REFRESH, "objects that are not watched are read again"))
}

fn last_replicas(stack: &Stack, snapshot: &Snapshot) -> BTreeMap<String, i32> {
    let seen = stack.running().filter_map(|(component, _)| {
        let replicas = observe::live(stack, component, snapshot)?.replicas?;
        Some((component.name.clone(), i32::try_from(replicas).ok().filter(|number| *number > 0)?))
    });
    seen.collect()
}
