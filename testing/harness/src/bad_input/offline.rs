//! The API server's validation of an object, done offline by the program's own judge (`plan` uses
//! the same).

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "absent JSON reads as null")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use logpilot_operator::{manifest::plain_path, verdict};
use serde_json::Value;

use super::table::Layer;

/// The reason why an object is refused.
#[derive(Debug)]
pub struct Refusal {
    pub layer: Layer,
    pub path: String,
    pub message: String,
    /// The rule's text, for rules.
    pub rule: Option<String>,
}

/// The schema of a definition to install.
fn schema(definition: &CustomResourceDefinition) -> Value {
    let crd = serde_json::to_value(definition).expect("the definition is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// The compiled CRD, which judges objects.
pub struct Judge(verdict::Judge);

impl Judge {
    pub fn new() -> Self {
        Self(verdict::Judge::new())
    }

    pub fn of_stacks() -> Self {
        Self(verdict::Judge::of_stacks())
    }

    /// Returns every objection of the API server to `object`.
    pub fn refusals(&self, object: &Value, existing: Option<&Value>) -> Vec<Refusal> {
        let of = |it: verdict::Refusal| Refusal {
            layer: match it.layer {
                verdict::Layer::Strict => Layer::Strict,
                verdict::Layer::Schema => Layer::Schema,
                verdict::Layer::Rule => Layer::Cel,
                verdict::Layer::Operator => Layer::Operator,
            },
            path: plain_path(&it.path),
            message: it.message,
            rule: it.rule,
        };
        self.0.refusals(object, existing).into_iter().map(of).collect()
    }

    /// Returns the object as it is stored: without `null` values that may not be null.
    pub fn stored(&self, object: &Value) -> Value {
        self.0.stored(object)
    }
}

/// A rule and the path of its refusals; `*` stands for any key or index.
#[derive(Debug)]
pub struct Place {
    pub path: String,
    pub rule: String,
}

impl Place {
    pub fn explains(&self, refusal: &Refusal) -> bool {
        let mut given = refusal.path.split('.');
        refusal.rule.as_ref() == Some(&self.rule)
            && self.path.split('.').all(|part| given.next().is_some_and(|name| part == "*" || part == name))
            && given.next().is_none()
    }
}

/// Returns every rule of a definition at every place where it stands.
pub fn places(definition: &CustomResourceDefinition) -> Vec<Place> {
    let mut found = Vec::new();
    collect(&schema(definition), "", &mut found);
    found
}

fn collect(schema: &Value, path: &str, found: &mut Vec<Place>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = rule["fieldPath"].as_str().unwrap_or_default().replace("['", ".").replace("']", "");
        let path = format!("{path}{field}");
        found.push(Place {
            path: path.trim_start_matches('.').to_owned(),
            rule: rule["rule"].as_str().unwrap_or_default().to_owned(),
        });
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &format!("{path}.{name}"), found);
    }
    for below in ["items", "additionalProperties"] {
        if schema[below].is_object() {
            collect(&schema[below], &format!("{path}.*"), found);
        }
    }
}
