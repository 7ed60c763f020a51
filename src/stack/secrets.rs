//! Generated Secrets: created once, then only known to exist. The operator never reads a value.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
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
    workload::references::read_cache::Moment,
};

/// Characters of a generated value. Letters and digits need no escaping in URLs, YAML and shells.
const LENGTH: usize = 32;
/// Annotation on the stack, in the operator's domain: name of a lost Secret whose values the user gives up.
pub const ACCEPT_LOSS: &str = "logpilot.io/accept-secret-loss";

/// Annotation of a generated Secret: UID of the lost one that it replaces.
pub const REPLACES: &str = "replaces";

/// The Secrets that are known to exist, by name. Secrets are not watched, so each is read once, and again
/// after an edit of the stack or if a pod misses something.
#[derive(Default)]
pub struct SecretReader {
    known: BTreeMap<String, SecretFact>,
    moment: Moment,
}

impl SecretReader {
    /// Makes the next read send requests, unless nothing suggests that a Secret is gone.
    pub fn look_again(&mut self, moment: &Moment, suspect: bool) {
        if suspect || self.moment != *moment {
            self.known.clear();
            self.moment = moment.clone();
        }
    }

    /// Returns the state of each generated Secret of the stack. Reads those that are not known yet.
    ///
    /// # Errors
    /// A Secret cannot be read.
    pub async fn read(
        &mut self,
        writer: &ApiClient,
        stack: &Stack,
        owner: &Owner,
        before: &ServiceStackStatus,
        (snapshot, accepted): (&Snapshot, Option<&str>),
    ) -> Result<BTreeMap<String, SecretFact>, Error> {
        let mut facts = BTreeMap::new();
        for secret in &stack.secrets {
            let fact = match self.known.get(&secret.name) {
                Some(known) => known.clone(),
                None => self.read_one(writer, stack, owner, secret).await?.unwrap_or_else(|| {
                    let lost = before.secrets.iter().find(|it| it.name == secret.name);
                    match lost.filter(|_| accepted != Some(&secret.name) && has_data(stack, snapshot)) {
                        Some(lost) => SecretFact::Lost { uid: lost.uid.clone() },
                        None => SecretFact::Generate {
                            values: generate(secret),
                            replaces: lost.map(|lost| lost.uid.clone()),
                        },
                    }
                }),
            };
            facts.insert(secret.name.clone(), fact);
        }
        let wanted: BTreeSet<&String> = stack.secrets.iter().map(|secret| &secret.name).collect();
        self.known.retain(|name, _| wanted.contains(name));
        Ok(facts)
    }

    /// `None` where it does not exist.
    async fn read_one(
        &mut self,
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
            _ => {
                let annotations = live.pointer("/metadata/annotations");
                let replaces = annotations.and_then(|all| all.get(stack.scope.key(REPLACES))?.as_str());
                let fact = SecretFact::Exists { uid: child.uid, replaces: replaces.map(str::to_owned) };
                self.known.insert(secret.name.clone(), fact.clone());
                fact
            }
        }))
    }

    /// Whether a Secret was created in this reconcile: the next one reads its UID.
    #[must_use]
    pub fn created(outcome: &Outcome) -> bool {
        outcome.steps.iter().any(|step| step.id.0 == Secret::KIND && step.result == ApplyResult::Created)
    }
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

/// Returns the status of generated Secrets. A lost one stays in it, so that the loss stays known.
#[must_use]
pub fn status(facts: &BTreeMap<String, SecretFact>) -> Vec<SecretStatus> {
    let status = |(name, fact): (&String, &SecretFact)| match fact {
        SecretFact::Exists { uid, .. } | SecretFact::Lost { uid } => {
            Some(SecretStatus { name: name.clone(), uid: uid.clone() })
        }
        SecretFact::Generate { .. } | SecretFact::Foreign | SecretFact::Unknown => None,
    };
    facts.iter().filter_map(status).collect()
}
