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

use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use serde_json::Value;

use super::{
    facts::{BeyondStorage, ForeignScaler},
    model::{Cluster, Component},
};
use crate::{
    api::{self, storage::Backend},
    engine::{api_client::ApiClient, cache::Snapshot, child::Child, error::Error},
    kinds::Managed,
    workload::{
        model::Scale,
        references::read_cache::{Moment, ReadCache},
    },
};

/// Interval at which the list is read again while an autoscaler decides: its deletion sends no event,
/// and the number of the spec must apply within 5 minutes.
pub const REFRESH: Duration = Duration::from_mins(2);

/// Autoscalers by the Deployment that they target.
pub type Found = BTreeMap<String, ForeignScaler>;

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
    pub async fn fetch(
        &mut self,
        writer: &ApiClient,
        cluster: &Cluster,
        moment: &Moment,
        snapshot: &Snapshot,
    ) -> Result<Found, Error> {
        let namespace = &cluster.namespace.name;
        let asked = held_by_others(cluster, snapshot);
        match self.looks.last(namespace, moment, false) {
            Some(last) if !last.old && asked.iter().all(|name| last.found.contains_key(name)) => {
                return Ok(last.found);
            }
            None if asked.is_empty() => return Ok(Found::new()),
            _ => {}
        }
        let all = writer.list(HorizontalPodAutoscaler::KIND, namespace).await?;
        let found = foreign(cluster, &all);
        if found.is_empty() {
            self.looks.forget();
        } else {
            self.looks.remember(namespace.clone(), moment, found.clone(), Some(REFRESH));
        }
        Ok(found)
    }
}

/// The effects of such autoscalers on a plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Deployments whose number of pods is left to an autoscaler.
    pub left: BTreeSet<String>,
    /// Deployments of which another client runs, or may run, more pods than their storage allows; by
    /// name.
    pub beyond: BTreeMap<String, BeyondStorage>,
}

/// Compares the numbers that other clients set with the storage. Pure.
#[must_use]
pub fn judge(cluster: &Cluster, snapshot: &Snapshot, found: &Found) -> Judged {
    let mut judged = Judged::default();
    for component in cluster.components.iter().filter(|component| !component.stopped) {
        let scaler = found.get(&component.name);
        let child = known(cluster, component, snapshot);
        let live = child.filter(|child| is_held_by_others(component, child)).and_then(|child| child.replicas);
        let room = room(cluster, component);
        let fits = |pods: i64| room.is_none_or(|room| pods <= i64::from(room));
        let scaler_is_beyond = scaler.is_some_and(|scaler| !fits(i64::from(scaler.most)));
        let now = live.is_some_and(|live| !fits(live));
        if now || scaler_is_beyond {
            let who = match (scaler, child.and_then(|child| child.scaled_by.as_deref())) {
                (Some(scaler), _) => {
                    let name = &scaler.name;
                    format!("HorizontalPodAutoscaler '{name}' may scale it to {} pods", scaler.most)
                }
                (None, Some(manager)) => {
                    format!("'{manager}' scaled it to {} pods", live.unwrap_or_default())
                }
                (None, None) => format!("another client scaled it to {} pods", live.unwrap_or_default()),
            };
            let (claim, room) = (&component.claim, room.unwrap_or_default());
            let storage = match cluster.storage.backend {
                Backend::File => "File storage".to_owned(),
                Backend::Sqlite => format!("{:?} storage", cluster.storage.access_mode),
            };
            let most = component.scale.most();
            let then = if cluster.paused {
                "the operator does not revert it while spec.operation.paused is true".to_owned()
            } else {
                format!("the operator resets it to {most}")
            };
            let message = format!(
                "{who}, and {storage} in PersistentVolumeClaim '{claim}' allows at most {room} here: {then}"
            );
            let deployment = cluster.key(&component.name);
            judged.beyond.insert(component.name.clone(), BeyondStorage { deployment, message, now });
        }
        // An autoscaler ignores a workload of zero pods, so only a scale-to-zero autoscaler wants zero.
        let decides = |live: i64| {
            let wanted = matches!(component.scale, Scale::Fixed(replicas) if replicas > 0);
            wanted && fits(live) && scaler.is_some_and(|scaler| live > 0 || scaler.scales_to_zero)
        };
        if live.is_some_and(decides) {
            judged.left.insert(component.name.clone());
        }
    }
    judged
}

/// Returns the largest number of pods of a component that its storage allows in addition to those of
/// the other components on its PVC; `None` for any number.
fn room(cluster: &Cluster, component: &Component) -> Option<i32> {
    if !cluster.storage.one_pod {
        return None;
    }
    let beside = cluster
        .components
        .iter()
        .filter(|other| other.claim == component.claim && other.name != component.name && !other.stopped);
    Some((1 - beside.map(|other| other.scale.most()).sum::<i32>()).max(0))
}

/// Returns the Deployments with a fixed number of pods that another client set.
fn held_by_others(cluster: &Cluster, snapshot: &Snapshot) -> Vec<String> {
    let wanted = |component: &&Component| {
        !component.stopped && matches!(component.scale, Scale::Fixed(replicas) if replicas > 0)
    };
    let held = |component: &&Component| {
        known(cluster, component, snapshot).is_some_and(|child| is_held_by_others(component, child))
    };
    let components = cluster.components.iter().filter(wanted).filter(held);
    components.map(|component| component.name.clone()).collect()
}

/// Returns the Deployment of a component as it is, or as it was when it left its watch: it may only
/// have lost its label.
fn known<'a>(cluster: &Cluster, component: &Component, snapshot: &'a Snapshot) -> Option<&'a Child> {
    let key = cluster.key(&component.name);
    let live = snapshot.get(Deployment::KIND, &key);
    live.or_else(|| snapshot.gone.get(&(Deployment::KIND, key))).map(AsRef::as_ref)
}

/// Returns whether a client other than the operator, and than the autoscaler that it created, wrote the
/// number of pods.
fn is_held_by_others(component: &Component, child: &Child) -> bool {
    match component.scale {
        Scale::Fixed(_) => child.is_scaled_by_others(),
        Scale::Autoscaled(_) => {
            let manager = child.scaled_by.as_deref();
            manager.is_some_and(|manager| manager != AUTOSCALER)
        }
    }
}

/// The manager of the HorizontalPodAutoscaler controller in `managedFields`.
const AUTOSCALER: &str = "kube-controller-manager (subresource scale)";

/// Returns the autoscalers that no LogPilotCluster created. Of several for one Deployment, the one with
/// the largest maximum counts.
fn foreign(cluster: &Cluster, all: &[Value]) -> Found {
    let mut found = Found::new();
    for scaler in all {
        let text =
            |pointer: &str| scaler.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let owners = scaler.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let owned_by = |kind: &str, group: &str| {
            owners.into_iter().flatten().any(|owner| {
                let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
                let group_of = text("apiVersion").split_once('/').map(|(group, _)| group);
                text("kind") == kind && group_of == Some(group)
            })
        };
        let target = text("/spec/scaleTargetRef/name");
        let is_deployment = text("/spec/scaleTargetRef/kind") == Deployment::KIND.kind
            && text("/spec/scaleTargetRef/apiVersion").starts_with("apps/");
        let is_component = cluster.components.iter().any(|component| component.name == target);
        if !is_deployment || !is_component || owned_by(api::KIND, api::GROUP) {
            continue;
        }
        let number = |pointer: &str| {
            let number = scaler.pointer(pointer).and_then(Value::as_i64);
            number.map(|number| i32::try_from(number).unwrap_or(i32::MAX))
        };
        let one = ForeignScaler {
            name: text("/metadata/name"),
            most: number("/spec/maxReplicas").unwrap_or(i32::MAX),
            // KEDA removes the last pod itself, independently of the autoscaler that it creates.
            scales_to_zero: number("/spec/minReplicas") == Some(0) || owned_by("ScaledObject", "keda.sh"),
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
    use crate::{api::LogPilotCluster, logpilot::validate::validate};

    fn cluster() -> Cluster {
        let resource: LogPilotCluster = serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster",
            "metadata": { "name": "logpilot", "uid": "u" },
            "spec": { "image": "danpung2/logpilot:1.2.0", "components": { "all": {}, "rest": {} } },
        }))
        .unwrap();
        validate(&resource).unwrap()
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
        let target = deployment("logpilot-all");
        let other_kind = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "logpilot-all" });
        let other_group =
            json!({ "apiVersion": "example.com/v1", "kind": "Deployment", "name": "logpilot-all" });
        for scaler in [
            scaler("a", &deployment("elsewhere"), 5),
            scaler("a", &other_kind, 5),
            scaler("a", &other_group, 5),
            owned(scaler("a", &target, 5), "logpilot.io/v1alpha1", "LogPilotCluster"),
        ] {
            assert_eq!(foreign(&cluster(), std::slice::from_ref(&scaler)), Found::new(), "{scaler}");
        }
        let near = owned(scaler("a", &target, 5), "logpilot.io.example.org/v1", "LogPilotCluster");
        assert_eq!(foreign(&cluster(), &[near]).len(), 1, "a group whose name begins as ours does");
        let found =
            foreign(&cluster(), &[scaler("a", &target, 5), scaler("b", &target, 9), scaler("c", &target, 7)]);
        assert_eq!(found["logpilot-all"].name, "b", "the one that may scale highest");
        assert_eq!((found.len(), found["logpilot-all"].scales_to_zero), (1, false));
    }

    #[test]
    fn zero_pods_are_the_wish_of_some_autoscalers() {
        let target = deployment("logpilot-rest");
        let mut idle = scaler("a", &target, 5);
        idle["spec"]["minReplicas"] = 0.into();
        for scaler in [idle, owned(scaler("keda-hpa-a", &target, 5), "keda.sh/v1alpha1", "ScaledObject")] {
            assert!(foreign(&cluster(), &[scaler])["logpilot-rest"].scales_to_zero);
        }
    }
}
