//! A validated stack with every default filled in. Building its objects cannot fail.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};

use super::api::{component::ComponentKind, spec::Environment};
use crate::{
    engine::resource::ResourceRef,
    kinds::SERVICE_STACK,
    workload::{
        StringMap,
        build::job::Attempts,
        model::{Claim, Component, Gateway, Monitor, Route, Tls},
        scope::Scope,
    },
};

#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// The properties that all its objects have in common, such as their owner.
    pub scope: Scope,
    pub environment: Option<Environment>,
    /// Secrets that the operator creates.
    pub secrets: Vec<GeneratedSecret>,
    /// PVCs that several components mount.
    pub volumes: Vec<Claim>,
    /// PVCs that components mount and that the stack did not create.
    pub existing_claims: BTreeSet<String>,
    /// The components by name.
    pub components: BTreeMap<String, StackComponent>,
    pub ingress: Option<Ingress>,
    pub gateway: Option<Gateway>,
    /// A rule of the Gateway asks for a rate limit, which routes cannot have.
    pub gateway_rate_limit: bool,
    pub paused: bool,
    pub stopped: bool,
}

impl Stack {
    /// The resource that it was made from.
    #[must_use]
    pub fn resource(&self) -> ResourceRef {
        ResourceRef::new(&SERVICE_STACK, Some(&self.scope.namespace), &self.scope.owner.name)
    }

    /// Components that have a workload.
    pub fn running(&self) -> impl Iterator<Item = (&StackComponent, &Component)> {
        self.components.values().filter_map(|it| Some((it, it.workload.as_ref()?)))
    }

    /// Returns the PVCs whose pods share a node.
    pub fn co_scheduled_claims(&self) -> impl Iterator<Item = &str> {
        let workloads = self.running().filter(|(_, workload)| workload.co_scheduled);
        workloads.filter_map(|(_, workload)| workload.claim.as_deref())
    }

    /// The highest tier.
    #[must_use]
    pub fn tiers(&self) -> i32 {
        self.components.values().map(|component| component.tier).max().unwrap_or(0)
    }
}

/// A Secret with random values. It outlives the stack, as data that it opens may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedSecret {
    pub name: String,
    pub keys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StackComponent {
    /// Its key in the spec.
    pub name: String,
    pub kind: ComponentKind,
    pub enabled: bool,
    pub tier: i32,
    pub depends_on: BTreeSet<String>,
    /// `None` for an address outside the stack and for a component that is switched off.
    pub workload: Option<Component>,
    /// PVCs of its own. They are kept while the component is switched off.
    pub claims: Vec<Claim>,
    pub files: Option<Files>,
    pub attempts: Attempts,
    /// It has a Service: its ports are those of the workload.
    pub has_service: bool,
    /// Its pods are scraped one by one, or it is a StatefulSet.
    pub headless: bool,
    pub policy: Option<Policy>,
    /// A ServiceMonitor of its own.
    pub monitor: Option<Monitor>,
    /// Names of generated Secrets that its pods read.
    pub secrets: BTreeSet<String>,
    /// A number of pods that the user wrote and `replicaLimits` cut.
    pub capped: Option<Capped>,
    pub host_paths: Vec<String>,
    /// The field of the spec that adds it, if it is a bundled program.
    pub bundled: Option<&'static str>,
}

/// A number of pods that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capped {
    pub asked: i32,
    pub given: i32,
    pub reason: String,
}

/// Files of a component: a ConfigMap whose name says its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub config_map: String,
    pub data: BTreeMap<String, String>,
}

/// Which clients may connect to a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub ingress: Vec<Allowed>,
    /// `None`: any connection may be opened.
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// Clients, and the ports that they may connect to.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// `None`: any client.
    pub from: Option<Vec<NetworkPolicyPeer>>,
    /// Numbers and protocols of the container's ports. Never empty.
    pub ports: Vec<(i32, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ingress {
    pub name: String,
    pub class_name: Option<String>,
    pub tls: Option<Tls>,
    pub rules: Vec<IngressRoute>,
    /// Components behind it.
    pub components: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IngressRoute {
    pub route: Route,
    pub web_socket: bool,
    pub rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    PerSecond(i32),
    PerMinute(i32),
}

/// Labels of every object of a stack, in addition to those of any product.
#[must_use]
pub fn part_of(name: &str, common: &StringMap) -> StringMap {
    let mut labels = common.clone();
    labels.insert("app.kubernetes.io/part-of".to_owned(), name.to_owned());
    labels
}
