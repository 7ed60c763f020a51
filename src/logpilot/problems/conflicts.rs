//! Remedies for a name that is taken. They never suggest to delete an object that may hold data.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::Value;

use super::{of_backups, problem};
use crate::{
    api::{
        self,
        status::{Problem, Severity},
    },
    engine::{
        INSTANCE_LABEL,
        cache::Id,
        outcome::{AppliedObject, ApplyResult},
        plan::{Key, Plan},
    },
    kinds::Managed,
    logpilot::{
        facts::{ApiKeyFact, Facts, IsLiving},
        labels::BACKUP,
    },
    reasons,
    workload::labels,
};

/// Context for the message of a name conflict.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The resource's name.
    pub cluster: &'a str,
    pub is_living: IsLiving<'a>,
    pub plan: &'a Plan,
    pub facts: &'a Facts,
}

impl World<'_> {
    /// Returns the message of a step, with the remedy if that depends on more than the step.
    pub(super) fn told(&self, step: &AppliedObject, message: String) -> String {
        match &step.result {
            ApplyResult::Conflict { instance, .. } if step.id.0 == PersistentVolumeClaim::KIND => {
                format!("{message}; {}", self.of_claim(&step.id, instance.as_deref()))
            }
            ApplyResult::Conflict { .. } => {
                format!(
                    "{message}; set another spec.nameOverride or namespace, or delete the object if nothing needs it"
                )
            }
            ApplyResult::Held(_) => match &self.facts.api_key {
                ApiKeyFact::Foreign { secret, .. } => {
                    format!("blocked: it depends on Secret {secret}, which this operator did not create")
                }
                _ => message,
            },
            _ => message,
        }
    }

    fn of_claim(&self, id: &Id, instance: Option<&str>) -> String {
        if let Some(old) = instance.filter(|old| !(self.is_living)(old)) {
            let take = relabel("pvc", &id.1, self.cluster);
            return format!(
                "it was kept when {} '{old}' was deleted; to use its data here: {take}",
                api::KIND
            );
        }
        let living = instance.filter(|it| *it != self.cluster).or_else(|| self.facts.other_user(&id.1.name));
        if let Some(other) = living {
            return format!(
                "it may hold data, and {} '{other}' uses it: set another spec.nameOverride or spec.namespace in a new resource",
                api::KIND
            );
        }
        let planned = |place: &Id| {
            self.plan.objects.iter().find(move |planned| (planned.kind, &planned.key) == (place.0, &place.1))
        };
        let shared =
            !self.plan.objects.iter().any(|planned| {
                planned.kind == id.0 && component(&planned.body).is_some_and(|it| it != BACKUP)
            });
        let field = match planned(id) {
            Some(planned) if of_backups(planned) => "spec.backup.volume.existingClaim",
            _ => "spec.storage.volume.existingClaim of a new resource that replaces this one",
        };
        let name = if shared { format!("to use it, name it in {field}; otherwise ") } else { String::new() };
        format!("it may hold data: {name}set another spec.nameOverride or spec.namespace in a new resource")
    }
}

fn component(body: &Value) -> Option<&str> {
    body.pointer("/metadata/labels")?.get(labels::COMPONENT)?.as_str()
}

/// Returns the command that transfers an object that outlived its resource to another resource.
fn relabel(kind: &str, key: &Key, cluster: &str) -> String {
    let namespace = key.namespace.as_ref().map(|it| format!(" -n {it}")).unwrap_or_default();
    format!("kubectl label {kind} {}{namespace} {INSTANCE_LABEL}={cluster} --overwrite", key.name)
}

/// Reports a Secret that the spec does not name and that was not created for this resource.
pub(super) fn of_key(secret: &Key, key: &str, whose: &str, cluster: &str) -> Problem {
    let named =
        format!(r#"{{"spec":{{"auth":{{"apiKeySecret":{{"name":"{}","key":"{key}"}}}}}}}}"#, secret.name);
    let message = format!(
        "the name is taken by another object: {whose}; its value is not used as the API key unless the spec names it: kubectl patch \
         lpc {cluster} --type merge -p '{named}'; if it does not exist, the operator generates a key"
    );
    problem(Severity::Error, reasons::NAME_CONFLICT, format!("Secret {secret}"), message)
}

/// Reports namespaces that were kept when their resource was deleted, and that are used unchanged.
pub(super) fn of_namespaces<'a>(facts: &'a Facts, cluster: &'a str) -> impl Iterator<Item = Problem> + 'a {
    facts.kept_namespaces.iter().map(move |(name, old)| {
        let take = relabel("namespace", &Key { namespace: None, name: name.clone() }, cluster);
        let message = format!(
            "was kept when {} '{old}' was deleted, and is used unchanged, without the labels of this resource; to take \
             it over: {take}",
            api::KIND
        );
        problem(Severity::Warning, reasons::NAMESPACE_KEPT, format!("Namespace {name}"), message)
    })
}
