//! The kind table: the single source for watches, apply order, pruning and rights.
//!
//! A new kind of object is one row here, one builder file and one line in the plan. `make generate`
//! writes the operator's role, its admission policy and the table of rights in SECURITY.md from
//! this table.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{
        ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service,
        ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use serde::Serialize;

use crate::{
    api,
    engine::{
        kind::{Domain, Kind, Management, Nature},
        observed::Observed,
        plan::{Plan, Replicas},
        resource::ResourceKind,
    },
    stack,
    workload::{
        build::{
            gateway::{GATEWAY_API, Gateway},
            pod_monitor::PodMonitor,
            prometheus_rule::PrometheusRule,
            routes::{GRPCRoute, HTTPRoute},
            service_monitor::ServiceMonitor,
        },
        health,
    },
};

const CORE: &str = "";

// Purposes that several kinds share. They are in one rule of the role.
const HOLDS_DATA: &str = "These objects hold data, so there is no `delete`. All namespaces are watched: an existing one is \
    used and never changed.";
const POD_DEPENDENCIES: &str = "Objects that the servers depend on: the pods' identity, their configuration, and the Services in \
    front of them, of a LogPilotCluster as of a ServiceStack. ConfigMaps that variables refer to are read by name.";
const NAMESPACE_LIMITS: &str =
    "spec.limits: defaults for containers that state no resources, and the quota of the namespace.";
const GATEWAY_ROUTES: &str = "spec.exposure.gateway, where the Gateway API's CRDs are installed. Their status shows whether a \
    route is accepted.";
const MONITORING: &str = "spec.monitoring, where the Prometheus operator's CRDs are installed: scraping of the servers, and \
    alert rules.";

/// Value of the managed-by label, and name under which the operator owns fields.
pub const FIELD_MANAGER: &str = "logpilot-operator";
/// Label of pods that names the PVC they mount, so that pods that need one node find each other.
pub const VOLUME_LABEL: &str = "logpilot.io/data";
/// Label that watches select by, and by which a later LogPilotCluster recognises a kept PVC or
/// namespace.
pub const CLUSTER_LABEL: &str = "logpilot.io/cluster";
/// On every object of a stack.
pub const STACK_LABEL: &str = "logpilot.io/stack";

/// Annotation of a namespace, which only an administrator can write: the paths of nodes, separated by
/// commas, that stacks in it may mount.
pub const HOST_PATHS: &str = "logpilot.io/host-paths";
/// The same: the hosts, separated by commas, that stacks in it may expose. `*.` stands for all below.
pub const HOSTS: &str = "logpilot.io/hosts";

/// The custom resource that administrators write.
pub static LOGPILOT_CLUSTER: ResourceKind = ResourceKind {
    group: api::GROUP,
    version: api::VERSION,
    kind: api::KIND,
    plural: api::PLURAL,
    namespaced: false,
    label: CLUSTER_LABEL,
    watch: "resources",
    field_manager: FIELD_MANAGER,
};

/// The resource that tenants write.
pub static SERVICE_STACK: ResourceKind = ResourceKind {
    group: api::GROUP,
    version: api::VERSION,
    kind: stack::api::KIND,
    plural: stack::api::PLURAL,
    namespaced: true,
    label: STACK_LABEL,
    watch: "stacks",
    field_manager: FIELD_MANAGER,
};

/// The owner of the objects.
pub static DOMAIN: Domain = Domain {
    field_manager: FIELD_MANAGER,
    owner_group: api::GROUP,
    resources: &[&LOGPILOT_CLUSTER, &SERVICE_STACK],
    handed_over: ("logpilot.io/replicas", "autoscaled"),
    main_container: "logpilot",
    volume_label: VOLUME_LABEL,
    template_annotation: "logpilot.io/template",
    restores_annotation: "logpilot.io/restores",
    grant_annotation: HOST_PATHS,
    hosts_annotation: HOSTS,
};

/// A typed object whose kind is in the kind table. An object without a row cannot be part of a
/// plan.
pub trait Managed: Serialize {
    const KIND: &'static Kind;
}

/// Adds typed objects to a plan, each as an object of its type's kind.
pub trait AddTyped {
    /// Adds zero, one or several objects.
    fn add<K: Managed>(&mut self, objects: impl IntoIterator<Item = K>);
    /// Adds workloads, with the controller of their replicas and the reason why they are blocked,
    /// if any.
    fn add_with<K: Managed>(
        &mut self,
        objects: impl IntoIterator<Item = K>,
        replicas: Replicas,
        held: Option<&'static str>,
    );
}

impl AddTyped for Plan {
    fn add<K: Managed>(&mut self, objects: impl IntoIterator<Item = K>) {
        self.add_with(objects, Replicas::Planned, None);
    }

    fn add_with<K: Managed>(
        &mut self,
        objects: impl IntoIterator<Item = K>,
        replicas: Replicas,
        held: Option<&'static str>,
    ) {
        for object in objects {
            self.push(K::KIND, &object, replicas, held);
        }
    }
}

macro_rules! kinds {
    ($($type:ident: $group:expr, $version:literal, $plural:literal, $scope:ident, $presence:ident, wave $wave:literal, $management:ident $($nature:ident)? $(=> $status:ident)?, $purpose:expr;)*) => {
        $(impl Managed for $type {
            const KIND: &'static Kind = &Kind {
                group: $group,
                version: $version,
                kind: stringify!($type),
                plural: $plural,
                namespaced: kinds!(@$scope),
                optional: kinds!(@$presence),
                wave: $wave,
                management: Management::$management,
                nature: kinds!(@nature $($nature)?),
                domain: &DOMAIN,
                observe: kinds!(@observe $($status)?),
                purpose: $purpose,
            };
        })*
        /// All kinds that the operator reads or writes.
        pub static KINDS: &[&Kind] = &[$(<$type as Managed>::KIND),*];
    };
    (@observe) => { Observed::nothing };
    (@observe $status:ident) => { Observed::of::<health::$status> };
    (@nature) => { Nature::Plain };
    (@nature $nature:ident) => { Nature::$nature };
    (@cluster) => { false };
    (@namespaced) => { true };
    (@always) => { false };
    (@optional) => { true };
}

kinds! {
    Namespace:               CORE,                    "v1", "namespaces",               cluster,    always,   wave 0, Retained Namespace => Namespace,
        HOLDS_DATA;
    ServiceAccount:          CORE,                    "v1", "serviceaccounts",          namespaced, always,   wave 2, Managed,
        POD_DEPENDENCIES;
    Secret:                  CORE,                    "v1", "secrets",                  namespaced, always,   wave 1, CreateOnly,
        "The generated API key, and the generated passwords of a ServiceStack, are created once. A Secret that the spec \
         names, a pull Secret, and one that a variable refers to are read by name. `list` or `watch` would expose every \
         Secret.";
    ConfigMap:               CORE,                    "v1", "configmaps",               namespaced, always,   wave 2, Managed Configuration,
        POD_DEPENDENCIES;
    PersistentVolumeClaim:   CORE,                    "v1", "persistentvolumeclaims",   namespaced, always,   wave 2, Retained => Claim,
        HOLDS_DATA;
    Deployment:              "apps",                  "v1", "deployments",              namespaced, always,   wave 2, Managed Workload => Deployment,
        "The servers of a LogPilotCluster, and the components of a ServiceStack: one Deployment for each.";
    StatefulSet:             "apps",                  "v1", "statefulsets",             namespaced, always,   wave 2, Managed Workload => StatefulSet,
        "Components of a ServiceStack whose pods keep their names, such as databases.";
    Service:                 CORE,                    "v1", "services",                 namespaced, always,   wave 2, Managed => Service,
        POD_DEPENDENCIES;
    Ingress:                 "networking.k8s.io",     "v1", "ingresses",                namespaced, always,   wave 2, Managed,
        "spec.exposure.ingress.";
    HorizontalPodAutoscaler: "autoscaling",           "v2", "horizontalpodautoscalers", namespaced, always,   wave 2, Managed => Autoscaler,
        "spec.components.*.autoscaling of both kinds. Autoscalers of other owners are listed where another client scaled a Deployment: while \
        one of them targets it, the number of pods is left to that autoscaler.";
    PodDisruptionBudget:     "policy",                "v1", "poddisruptionbudgets",     namespaced, always,   wave 2, Managed,
        "Created where more than one pod can run on more than one node.";
    Gateway:                 GATEWAY_API,             "v1", "gateways",                 namespaced, optional, wave 2, Managed => Gateway,
        GATEWAY_ROUTES;
    HTTPRoute:               GATEWAY_API,             "v1", "httproutes",               namespaced, optional, wave 2, Managed => Route,
        GATEWAY_ROUTES;
    GRPCRoute:               GATEWAY_API,             "v1", "grpcroutes",               namespaced, optional, wave 2, Managed => Route,
        GATEWAY_ROUTES;
    NetworkPolicy:           "networking.k8s.io",     "v1", "networkpolicies",          namespaced, always,   wave 2, Managed,
        "Which clients may connect to the servers, and what the servers may connect to. On unless \
         spec.networkPolicy.enabled is false.";
    LimitRange:              CORE,                    "v1", "limitranges",              namespaced, always,   wave 2, Managed,
        NAMESPACE_LIMITS;
    ResourceQuota:           CORE,                    "v1", "resourcequotas",           namespaced, always,   wave 2, Managed,
        NAMESPACE_LIMITS;
    ServiceMonitor:          "monitoring.coreos.com", "v1", "servicemonitors",          namespaced, optional, wave 2, Managed,
        MONITORING;
    PodMonitor:              "monitoring.coreos.com", "v1", "podmonitors",              namespaced, optional, wave 2, Managed,
        MONITORING;
    PrometheusRule:          "monitoring.coreos.com", "v1", "prometheusrules",          namespaced, optional, wave 2, Managed,
        MONITORING;
    CronJob:                 "batch",                 "v1", "cronjobs",                 namespaced, always,   wave 2, Managed => CronJob,
        "spec.backup: scheduled copies of the data.";
    ReplicaSet:              "apps",                  "v1", "replicasets",              namespaced, always,   wave 2, ReadOnly => ReplicaSet,
        "Pruning: which ConfigMaps a rollback or a running pod still needs. Status: why pods cannot \
         be created.";
    Pod:                     CORE,                    "v1", "pods",                     namespaced, always,   wave 2, ReadOnly => Pod,
        "Status: why pods do not run. Selected by label.";
    Job:                     "batch",                 "v1", "jobs",                     namespaced, always,   wave 2, RunToCompletion => Job,
        "spec.restore and spec.config.check, the result of the last backup, and ServiceStack components of kind Job. Other \
         Jobs of the \
         namespace belong to the CronJob controller or to users: the operator deletes only Jobs that \
         it created, by UID.";
    EndpointSlice:           "discovery.k8s.io",      "v1", "endpointslices",           namespaced, always,   wave 2, ReadOnly => Slice,
        "Status: which pods receive traffic.";
}

/// Returns the kinds of one role.
pub fn of_management(management: Management) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(move |kind| kind.management == management)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::patch::schemas;

    #[test]
    fn every_built_in_kind_that_is_patched_has_a_schema() {
        let managed = [Management::Managed, Management::Retained, Management::RunToCompletion];
        for kind in KINDS.iter().filter(|kind| managed.contains(&kind.management)) {
            assert_eq!(schemas::is_known(kind.kind), !kind.optional, "{}", kind.kind);
        }
    }
}
