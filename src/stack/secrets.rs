//! Generated Secrets: created once, then only known to exist. The operator never reads a value.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use rand::{Rng, distr::Alphanumeric};

use super::{
    api::{ServiceStackStatus, status::SecretStatus},
    facts::SecretFact,
    model::{GeneratedSecret, Stack},
};
use crate::{
    engine::{
        api_client::ApiClient,
        cache::Snapshot,
        child::Child,
        error::Error,
        outcome::{ApplyResult, Outcome},
        owner::{Owner, Ownership},
        plan::Key,
    },
    kinds::Managed,
    reasons,
    workload::{
        health,
        references::read_cache::{Moment, REFRESH_HELD, ReadCache},
    },
};

/// Characters of a generated value. Letters and digits need no escaping in URLs, YAML and shells.
const LENGTH: usize = 32;
/// Annotation on the stack, in the operator's domain: name of a lost Secret whose values the user gives up.
pub const ACCEPT_LOSS: &str = "logpilot.io/accept-secret-loss";

/// The last read of the generated Secrets. Secrets are not watched.
#[derive(Default)]
pub struct SecretReader {
    read: ReadCache<Vec<GeneratedSecret>, BTreeMap<String, SecretFact>>,
}

/// The inputs of a read, in addition to the stack.
pub struct Asked<'a> {
    pub before: &'a ServiceStackStatus,
    pub snapshot: &'a Snapshot,
    /// The last request of the user for a read.
    pub moment: Moment,
    /// The Secret whose loss the user accepts.
    pub accepted: Option<&'a str>,
}

impl SecretReader {
    /// Returns the state of each generated Secret of the stack. They are read again if the user changed
    /// something, if a pod misses one, and when the last read is old.
    ///
    /// # Errors
    /// A Secret cannot be read.
    pub async fn fetch(
        &mut self,
        writer: &ApiClient,
        stack: &Stack,
        owner: &Owner,
        asked: Asked<'_>,
    ) -> Result<BTreeMap<String, SecretFact>, Error> {
        let suspect = misses_something(asked.snapshot);
        match self.read.last(&stack.secrets, &asked.moment, suspect) {
            Some(last) if !last.old => return Ok(last.found),
            _ => {}
        }
        let mut facts = BTreeMap::new();
        for secret in &stack.secrets {
            let absent = || match known(asked.before, &secret.name) {
                Some(lost) if asked.accepted != Some(&secret.name) && has_data(stack, asked.snapshot) => {
                    SecretFact::Lost { uid: lost.uid.clone() }
                }
                _ => SecretFact::Generate { values: generate(secret) },
            };
            let fact = read_one(writer, stack, owner, secret).await?.unwrap_or_else(absent);
            facts.insert(secret.name.clone(), fact);
        }
        // A Secret to be generated is read again, for its UID.
        if facts.values().any(|fact| matches!(fact, SecretFact::Generate { .. })) {
            self.read.forget();
        } else {
            let held = holds(&facts).then_some(REFRESH_HELD);
            self.read.remember(stack.secrets.clone(), &asked.moment, facts.clone(), held);
        }
        Ok(facts)
    }
}

/// `None` where it does not exist.
async fn read_one(
    writer: &ApiClient,
    stack: &Stack,
    owner: &Owner,
    secret: &GeneratedSecret,
) -> Result<Option<SecretFact>, Error> {
    let key = Key { namespace: Some(stack.scope.namespace.clone()), name: secret.name.clone() };
    let Some(live) = writer.get(Secret::KIND, &key).await? else { return Ok(None) };
    let Some(child) = Child::read(Secret::KIND, &live) else { return Ok(None) };
    Ok(Some(match owner.of(&child) {
        _ if child.deleting => SecretFact::Unknown,
        Ownership::PreviousOwner => SecretFact::Unknown,
        // Only its labels tell the owner of a retained Secret: it has no controller, and no client
        // writes it.
        Ownership::Foreign(_)
            if child.controller.is_some() || child.labelled.as_ref() != Some(&owner.resource) =>
        {
            SecretFact::Foreign
        }
        _ => SecretFact::Exists { uid: child.uid },
    }))
}

/// Whether a Secret was created in this reconcile: the next one reads its UID.
#[must_use]
pub fn created(outcome: &Outcome) -> bool {
    outcome.steps.iter().any(|step| step.id.0 == Secret::KIND && step.result == ApplyResult::Created)
}

/// Whether a Secret keeps components from being written, so that it is read again soon.
#[must_use]
pub fn holds(facts: &BTreeMap<String, SecretFact>) -> bool {
    facts.values().any(|fact| !matches!(fact, SecretFact::Exists { .. } | SecretFact::Generate { .. }))
}

/// The entry of a Secret in the last status. It is kept while the Secret is lost.
fn known<'a>(before: &'a ServiceStackStatus, name: &str) -> Option<&'a SecretStatus> {
    before.secrets.iter().find(|it| it.name == name)
}

/// Whether a container waits for a Secret or a ConfigMap that does not exist.
fn misses_something(snapshot: &Snapshot) -> bool {
    let misses = |pod: &health::Pod| {
        pod.waiting.as_ref().is_some_and(|cause| cause.reason == reasons::CONTAINER_CONFIG)
    };
    snapshot.of_kind(Pod::KIND).any(|child| child.observed().is_some_and(misses))
}

/// Whether a PVC of the stack exists: a database in it keeps its first password.
fn has_data(stack: &Stack, snapshot: &Snapshot) -> bool {
    let own = stack.components.values().flat_map(|component| &component.claims);
    own.chain(&stack.volumes).any(|claim| {
        let key = Key { namespace: Some(stack.scope.namespace.clone()), name: claim.name.clone() };
        snapshot.get(PersistentVolumeClaim::KIND, &key).is_some()
    })
}

fn generate(secret: &GeneratedSecret) -> BTreeMap<String, String> {
    let value = || rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from).collect();
    secret.keys.iter().map(|key| (key.clone(), value())).collect()
}

/// Returns the status of generated Secrets. One that is lost, or that is being deleted, stays in it: its loss
/// must stay known.
#[must_use]
pub fn status(facts: &BTreeMap<String, SecretFact>, before: &ServiceStackStatus) -> Vec<SecretStatus> {
    let status = |(name, fact): (&String, &SecretFact)| match fact {
        SecretFact::Exists { uid } | SecretFact::Lost { uid } => {
            Some(SecretStatus { name: name.clone(), uid: uid.clone() })
        }
        SecretFact::Foreign | SecretFact::Unknown => known(before, name).cloned(),
        SecretFact::Generate { .. } => None,
    };
    facts.iter().filter_map(status).collect()
}
