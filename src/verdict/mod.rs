//! Offline validation: the checks of the API server (strict field validation, schema, CEL rules),
//! then those of the operator. Sends no requests.
//!
//! A verdict is for a new object. Rules about changes are evaluated if the existing object is
//! given.

mod metadata;
mod remarks;
mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{CompiledSchema, compile_schema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use crate::workload::patch::structure::{Layer, Refusal};
use crate::{
    api::{self, LogPilotCluster},
    logpilot::{model::Cluster, validate},
    manifest::plain_path,
    stack::{self, api::ServiceStack, model::Stack},
    workload::{json::item, patch::structure, resolve::Violation},
};

pub use remarks::Remark;

/// The definition, prepared for validating objects.
pub struct Judge {
    kind: &'static str,
    structure: Value,
    rules: CompiledSchema,
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

impl Judge {
    #[must_use]
    pub fn new() -> Self {
        Self::of(api::KIND, &api::crd())
    }

    /// Returns the judge of `ServiceStack` resources.
    #[must_use]
    pub fn of_stacks() -> Self {
        Self::of(stack::api::KIND, &stack::api::crd())
    }

    fn of(kind: &'static str, definition: &CustomResourceDefinition) -> Self {
        let schema = schema(definition);
        Self { kind, rules: compile_schema(&schema), structure: of_the_definition(&schema) }
    }

    /// Returns all violations that the API server would report for `object`.
    #[must_use]
    pub fn refusals(&self, object: &Value, existing: Option<&Value>) -> Vec<Refusal> {
        let mut found = Vec::new();
        if !object.is_object() {
            let message = "must be a mapping with apiVersion, kind, metadata and spec";
            return vec![Refusal::new(Layer::Schema, "", message)];
        }
        metadata::check_type(object, self.kind, &mut found);
        metadata::check(object, &mut found);
        structure::unknown_fields(object, &self.structure, "", &mut found);
        let object = self.stored(object);
        structure::check(&object, &self.structure, "", &mut found);
        if !found.iter().any(|refusal| refusal.blocking) {
            let existing = existing.map(|it| self.stored(it));
            found.extend(rules::check(&self.rules, &object, existing.as_ref()));
        }
        found
    }

    /// Returns the object as it would be stored: without `null` if it means "absent", and without
    /// `status`, which only the operator writes.
    #[must_use]
    pub fn stored(&self, object: &Value) -> Value {
        let mut object = object.clone();
        structure::prune_null(&mut object, &self.structure);
        metadata::prune_null(&mut object);
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        object
    }

    /// Returns the parts of the resource that have no effect.
    #[must_use]
    pub fn remarks(&self, object: &Value) -> Vec<Remark> {
        remarks::remarks(object, self.kind, &self.structure)
    }

    /// Returns the validated resource, or all violations.
    ///
    /// # Errors
    /// Returns the violations that the API server reports, and those of the operator at other
    /// fields.
    pub fn judge(&self, object: &Value) -> Result<Cluster, Vec<Refusal>> {
        self.decide::<LogPilotCluster, _>(object, validate::validate)
    }

    /// Returns the validated stack, or all violations. Needs a judge [`of_stacks`](Self::of_stacks).
    ///
    /// # Errors
    /// Returns the violations that the API server reports, and those of the operator at other
    /// fields.
    pub fn judge_stack(&self, object: &Value) -> Result<Stack, Vec<Refusal>> {
        self.decide::<ServiceStack, _>(object, stack::resolve::resolve)
    }

    fn decide<Resource: DeserializeOwned, Model>(
        &self,
        object: &Value,
        resolve: impl FnOnce(&Resource) -> Result<Model, Vec<Violation>>,
    ) -> Result<Model, Vec<Refusal>> {
        let mut found = self.refusals(object, None);
        one_message_each(&mut found);
        let decoded = serde_json::from_value::<Resource>(self.stored(object));
        let resource = match decoded {
            Ok(resource) => resource,
            Err(error) if found.is_empty() => {
                return Err(vec![Refusal::new(Layer::Operator, "", format!("cannot be decoded: {error}"))]);
            }
            Err(_) => return Err(found),
        };
        match resolve(&resource) {
            Ok(model) if found.is_empty() => Ok(model),
            Ok(_) => Err(found),
            Err(violations) => {
                let refused: Vec<String> = found.iter().map(|it| plain_path(&it.path)).collect();
                let known = |path: &str| {
                    let path = plain_path(&numbered(path, object));
                    refused.iter().any(|other| within(&path, other) || within(other, &path))
                };
                let new = violations.into_iter().filter(|it| !known(&it.path));
                let refusals = new.map(|it| Refusal::new(Layer::Operator, &it.path, it.message));
                found.extend(refusals);
                Err(found)
            }
        }
    }
}

/// Keeps one message for each mistake. A mapping in place of text also has an unknown field. A
/// value out of its bounds often also violates the rule of the same field, whose message is more
/// helpful.
fn one_message_each(found: &mut Vec<Refusal>) {
    let of = |layer| -> Vec<String> {
        found.iter().filter(|it| it.layer == layer).map(|it| plain_path(&it.path)).collect()
    };
    let (by_schema, by_rule) = (of(Layer::Schema), of(Layer::Rule));
    found.retain(|it| {
        let path = plain_path(&it.path);
        match it.layer {
            Layer::Strict => !by_schema.iter().any(|above| within(&path, above)),
            Layer::Schema => !by_rule.contains(&path),
            Layer::Rule | Layer::Operator => true,
        }
    });
}

/// Returns a path with the index of each named item: the operator writes `env[NAME]` where a rule
/// writes `env[0]`.
fn numbered(path: &str, object: &Value) -> String {
    let (mut numbered, mut rest) = (String::new(), path);
    while let Some((before, (name, after))) =
        rest.split_once('[').and_then(|(before, after)| Some((before, after.split_once(']')?)))
    {
        numbered.push_str(before);
        let items = plain_path(&numbered).split('.').try_fold(object, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        });
        let is_named = |item: &Value| item.get("name").is_some_and(|it| it == name);
        let index = items.and_then(Value::as_array).and_then(|items| items.iter().position(is_named));
        numbered = index.map_or_else(|| format!("{numbered}[{name}]"), |index| item(&numbered, index));
        rest = after;
    }
    numbered + rest
}

/// Returns `true` if a path is equal to another one or below it.
fn within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the schema of a definition to install.
fn schema(definition: &CustomResourceDefinition) -> Value {
    let crd = serde_json::to_value(definition).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default()
}

/// Returns the schema without the parts that the API server checks itself, which `metadata` checks
/// here.
fn of_the_definition(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        for field in ["apiVersion", "kind", "metadata"] {
            properties.insert(field.to_owned(), json!({ "x-kubernetes-preserve-unknown-fields": true }));
        }
    }
    schema
}

#[cfg(test)]
mod tests;
