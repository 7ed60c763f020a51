//! Autoscalers that the operator did not create. While one targets a Deployment with a fixed number of
//! pods, it decides that number.
//!
//! `managedFields` shows only who scaled last, so the autoscalers of the namespace are listed. The
//! operator does not own them, so it does not watch them. Nothing is read while every number is the
//! operator's own: an idle operator sends no requests.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use engine::{api_client::ApiClient, error::Error, kind::Kind};
use serde_json::Value;

use super::references::read_cache::{Moment, ReadCache};

/// Interval at which the list is read again while an autoscaler decides: its deletion sends no event,
/// and the number of the spec must apply within 5 minutes.
pub const REFRESH: Duration = Duration::from_mins(2);

/// An autoscaler that the operator did not create and that targets a component's Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignScaler {
    pub name: String,
    /// The largest number of pods that it may request.
    pub most: i32,
    pub scales_to_zero: bool,
}

/// Autoscalers by the Deployment that they target.
pub type Found = BTreeMap<String, ForeignScaler>;

/// The autoscalers to look for.
pub struct Query {
    /// The kind HorizontalPodAutoscaler.
    pub kind: &'static Kind,
    pub namespace: String,
    /// The Deployments of the resource.
    pub targets: BTreeSet<String>,
    /// Those with a fixed number of pods that another client set.
    pub scaled: Vec<String>,
}

/// The last listed autoscalers for a resource.
#[derive(Default)]
pub struct Scalers {
    looks: ReadCache<String, Found>,
}

impl Scalers {
    /// Returns the live autoscalers that the operator did not create. They are listed if another client
    /// set a number of pods and its autoscaler is not known, and again if the spec changed or the last
    /// list is old. An empty result is never cached: the operator then takes the number back, which
    /// resolves the question.
    ///
    /// # Errors
    /// The autoscalers could not be listed.
    pub async fn fetch(&mut self, writer: &ApiClient, query: Query, moment: &Moment) -> Result<Found, Error> {
        let Query { kind, namespace, targets, scaled } = query;
        match self.looks.last(&namespace, moment, false) {
            Some(last) if !last.old && scaled.iter().all(|name| last.found.contains_key(name)) => {
                return Ok(last.found);
            }
            None if scaled.is_empty() => return Ok(Found::new()),
            _ => {}
        }
        let all = writer.list(kind, &namespace).await?;
        let found = foreign(kind.domain.owner_group, &targets, &all);
        if found.is_empty() {
            self.looks.forget();
        } else {
            self.looks.remember(namespace, moment, found.clone(), Some(REFRESH));
        }
        Ok(found)
    }
}

/// Returns the autoscalers that no resource of this group created. Of several for one Deployment, the one
/// with the largest maximum counts.
fn foreign(group: &str, targets: &BTreeSet<String>, all: &[Value]) -> Found {
    let mut found = Found::new();
    for scaler in all {
        let text =
            |pointer: &str| scaler.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let owners = scaler.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let owned_by = |is_owner: &dyn Fn(&str, &str) -> bool| {
            owners.into_iter().flatten().any(|owner| {
                let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
                let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
                is_owner(group, text("kind"))
            })
        };
        let target = text("/spec/scaleTargetRef/name");
        let is_deployment = text("/spec/scaleTargetRef/kind") == "Deployment"
            && text("/spec/scaleTargetRef/apiVersion").starts_with("apps/");
        if !is_deployment || !targets.contains(&target) || owned_by(&|of, _| of == group) {
            continue;
        }
        let number = |pointer: &str| {
            let number = scaler.pointer(pointer).and_then(Value::as_i64);
            number.map(|number| i32::try_from(number).unwrap_or(i32::MAX))
        };
        // KEDA removes the last pod itself, independently of the autoscaler that it creates.
        let is_keda = owned_by(&|group, kind| (group, kind) == ("keda.sh", "ScaledObject"));
        let one = ForeignScaler {
            name: text("/metadata/name"),
            most: number("/spec/maxReplicas").unwrap_or(i32::MAX),
            scales_to_zero: number("/spec/minReplicas") == Some(0) || is_keda,
        };
        match found.get(&target) {
            Some(other) if other.most >= one.most => {}
            _ => {
                found.insert(target, one);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(all: &[Value]) -> Found {
        foreign("toys.example.com", &["toy-all".to_owned(), "toy-rest".to_owned()].into(), all)
    }

    fn scaler(name: &str, target: &Value, most: i32) -> Value {
        json!({ "metadata": { "name": name }, "spec": { "maxReplicas": most, "scaleTargetRef": target } })
    }

    fn deployment(name: &str) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name })
    }

    fn owned(mut scaler: Value, api_version: &str, kind: &str) -> Value {
        scaler["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": api_version, "kind": kind, "name": "x" }]);
        scaler
    }

    #[test]
    fn only_autoscalers_of_others_that_target_a_component_count() {
        let target = deployment("toy-all");
        let other_kind = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "toy-all" });
        let other_group = json!({ "apiVersion": "example.com/v1", "kind": "Deployment", "name": "toy-all" });
        for scaler in [
            scaler("a", &deployment("elsewhere"), 5),
            scaler("a", &other_kind, 5),
            scaler("a", &other_group, 5),
            owned(scaler("a", &target, 5), "toys.example.com/v1alpha1", "Toy"),
        ] {
            assert_eq!(found(std::slice::from_ref(&scaler)), Found::new(), "{scaler}");
        }
        let near = owned(scaler("a", &target, 5), "toys.example.com.example.org/v1", "Toy");
        assert_eq!(found(&[near]).len(), 1, "a group whose name begins as ours does");
        let found = found(&[scaler("a", &target, 5), scaler("b", &target, 9), scaler("c", &target, 7)]);
        assert_eq!(found["toy-all"].name, "b", "the one that may scale highest");
        assert_eq!((found.len(), found["toy-all"].scales_to_zero), (1, false));
    }

    #[test]
    fn zero_pods_are_the_wish_of_some_autoscalers() {
        let target = deployment("toy-rest");
        let mut idle = scaler("a", &target, 5);
        idle["spec"]["minReplicas"] = 0.into();
        for scaler in [idle, owned(scaler("keda-hpa-a", &target, 5), "keda.sh/v1alpha1", "ScaledObject")] {
            assert!(found(&[scaler])["toy-rest"].scales_to_zero);
        }
    }
}
