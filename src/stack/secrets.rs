//! Generated Secrets: created once, then only known to exist. The operator never reads a value.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use rand::{Rng, distr::Alphanumeric};

use super::{
    api::{ServiceStackStatus, status::SecretStatus},
    facts::SecretFact,
    model::{GeneratedSecret, Stack},
};
use crate::{
    engine::{
        INSTANCE_LABEL, MANAGED_BY_LABEL,
        api_client::ApiClient,
        cache::Snapshot,
        child::Child,
        error::Error,
        outcome::{ApplyResult, Outcome},
        owner::{Owner, Ownership},
        plan::Key,
    },
    kinds::Managed,
    workload::references::read_cache::{Moment, REFRESH_HELD, ReadCache},
};

/// Characters of a generated value. Letters and digits need no escaping in URLs, YAML and shells.
const LENGTH: usize = 32;
/// Annotation on the stack, in the operator's domain: the lost Secret whose values the user gives up, as
/// [`acceptance`] returns it.
pub const ACCEPT_LOSS: &str = "logpilot.io/accept-secret-loss";

/// Annotation of a generated Secret: UID of the lost one that it replaces.
pub const REPLACES: &str = "replaces";

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
    /// Whether something suggests that a Secret is gone.
    pub suspect: bool,
    /// The value of [`ACCEPT_LOSS`].
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
        match self.read.last(&stack.secrets, &asked.moment, asked.suspect) {
            Some(last) if !last.old => return Ok(last.found),
            _ => {}
        }
        let mut facts = BTreeMap::new();
        for secret in &stack.secrets {
            let absent = || absent(stack, secret, &asked);
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

/// Returns the state of a Secret that does not exist: it is lost if it existed and data may depend on it.
pub(super) fn absent(stack: &Stack, secret: &GeneratedSecret, asked: &Asked<'_>) -> SecretFact {
    match known(asked.before, &secret.name) {
        Some(lost)
            if asked.accepted != Some(&acceptance(&secret.name, &lost.uid))
                && has_data(stack, asked.snapshot) =>
        {
            SecretFact::Lost { uid: lost.uid.clone() }
        }
        lost => {
            SecretFact::Generate { values: generate(secret), replaces: lost.map(|lost| lost.uid.clone()) }
        }
    }
}

/// Returns the value of [`ACCEPT_LOSS`] for a lost Secret. It contains the beginning of the UID, so that an
/// annotation that is left on the stack accepts no second loss.
#[must_use]
pub fn acceptance(name: &str, uid: &str) -> String {
    format!("{name}-{}", uid.chars().take(8).collect::<String>())
}

/// Returns the command after which a Secret that the user created belongs to the stack.
#[must_use]
pub fn adoption(stack: &Stack, name: &str) -> String {
    let scope = &stack.scope;
    format!(
        "kubectl label secret {name} -n {} {MANAGED_BY_LABEL}={} {INSTANCE_LABEL}={} {}={}",
        scope.namespace,
        scope.manager,
        scope.owner.name,
        scope.family_key(),
        scope.prefix.as_str()
    )
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
        Ownership::Foreign(foreign)
            if child.controller.is_some() || child.labelled.as_ref() != Some(&owner.resource) =>
        {
            let unowned = child.controller.is_none() && child.labelled.is_none();
            SecretFact::Foreign { whose: foreign.whose, unowned }
        }
        _ => {
            let annotations = live.pointer("/metadata/annotations");
            let replaces = annotations.and_then(|all| all.get(stack.scope.key(REPLACES))?.as_str());
            SecretFact::Exists { uid: child.uid, replaces: replaces.map(str::to_owned) }
        }
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

/// Whether a PVC of the stack exists: a database in it keeps its first password. A PVC of a component that
/// the spec no longer has counts too, and so does an existing PVC that the spec names, which is not watched.
fn has_data(stack: &Stack, snapshot: &Snapshot) -> bool {
    !stack.existing_claims.is_empty() || snapshot.of_kind(PersistentVolumeClaim::KIND).next().is_some()
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
        SecretFact::Exists { uid, .. } | SecretFact::Lost { uid } => {
            Some(SecretStatus { name: name.clone(), uid: uid.clone() })
        }
        SecretFact::Foreign { .. } | SecretFact::Unknown => known(before, name).cloned(),
        SecretFact::Generate { .. } => None,
    };
    facts.iter().filter_map(status).collect()
}
