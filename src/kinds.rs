//! The kind table: the single source for watches, apply order, pruning and rights.
//!
//! A new kind of object is one row here, one builder file and one line in the plan. `make generate` writes the operator's
//! role, its admission policy and the table of rights in SECURITY.md from this table.

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
        plan::{Plan, Replicas},
        resource::ResourceKind,
    },
    stack,
    workload::build::{
        gateway::{GATEWAY_API, Gateway},
        pod_monitor::PodMonitor,
        prometheus_rule::PrometheusRule,
        routes::{GRPCRoute, HTTPRoute},
        service_monitor::ServiceMonitor,
    },
};

const CORE: &str = "";

// Purposes that several kinds share: they stand in one rule of the role.
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
/// On pods: the claim they mount, so that pods that need one node find each other.
pub const VOLUME_LABEL: &str = "logpilot.io/data";
/// What watches select by, and how a kept claim or namespace is recognised by a later cluster.
pub const CLUSTER_LABEL: &str = "logpilot.io/cluster";
/// On every object of a stack.
pub const STACK_LABEL: &str = "logpilot.io/stack";

/// Annotation of a namespace, which only an administrator can write: the paths of nodes, separated by commas, that stacks in
/// it may mount.
pub const HOST_PATHS: &str = "logpilot.io/host-paths";

/// The resource that users write.
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

/// A tenant's resource.
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

/// Whose objects they are.
pub static DOMAIN: Domain = Domain {
    field_manager: FIELD_MANAGER,
    owner_group: api::GROUP,
    resources: &[&LOGPILOT_CLUSTER, &SERVICE_STACK],
    handed_over: ("logpilot.io/replicas", "autoscaled"),
    main_container: "logpilot",
    volume_label: VOLUME_LABEL,
    restores_annotation: "logpilot.io/restores",
    grant_annotation: HOST_PATHS,
};

/// A typed object whose kind stands in the kind table; without a row it cannot enter a plan.
pub trait Managed: Serialize {
    const KIND: &'static Kind;
}

/// Adds typed objects to a plan, each as an object of its type's kind.
pub trait AddTyped {
    /// Adds an object, or several, or none.
    fn add<K: Managed>(&mut self, objects: impl IntoIterator<Item = K>);
    /// Adds workloads, with who decides their replicas and why they may not be touched now.
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
    ($($type:ident: $group:expr, $version:literal, $plural:literal, $scope:ident, $presence:ident, wave $wave:literal, $management:ident $($nature:ident)?, $purpose:expr;)*) => {
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
                purpose: $purpose,
            };
        })*
        /// Every kind the operator touches.
        pub static KINDS: &[&Kind] = &[$(<$type as Managed>::KIND),*];
    };
    (@nature) => { Nature::Plain };
    (@nature $nature:ident) => { Nature::$nature };
    (@cluster) => { false };
    (@namespaced) => { true };
    (@always) => { false };
    (@optional) => { true };
}

kinds! {
    Namespace:               CORE,                    "v1", "namespaces",               cluster,    always,   wave 0, Retained Namespace,
        HOLDS_DATA;
    ServiceAccount:          CORE,                    "v1", "serviceaccounts",          namespaced, always,   wave 2, Managed,
        POD_DEPENDENCIES;
    Secret:                  CORE,                    "v1", "secrets",                  namespaced, always,   wave 1, CreateOnly,
        "The generated API key, and the generated passwords of a ServiceStack, are created once. A Secret that the spec \
         names, a pull Secret, and one that a variable refers to are read by name. `list` or `watch` would expose every \
         Secret.";
    ConfigMap:               CORE,                    "v1", "configmaps",               namespaced, always,   wave 2, Managed Configuration,
        POD_DEPENDENCIES;
    PersistentVolumeClaim:   CORE,                    "v1", "persistentvolumeclaims",   namespaced, always,   wave 2, Retained,
        HOLDS_DATA;
    Deployment:              "apps",                  "v1", "deployments",              namespaced, always,   wave 2, Managed Workload,
        "The servers of a LogPilotCluster, and the components of a ServiceStack: one Deployment for each.";
    StatefulSet:             "apps",                  "v1", "statefulsets",             namespaced, always,   wave 2, Managed Workload,
        "Components of a ServiceStack whose pods keep their names, such as databases.";
    Service:                 CORE,                    "v1", "services",                 namespaced, always,   wave 2, Managed,
        POD_DEPENDENCIES;
    Ingress:                 "networking.k8s.io",     "v1", "ingresses",                namespaced, always,   wave 2, Managed,
        "spec.exposure.ingress.";
    HorizontalPodAutoscaler: "autoscaling",           "v2", "horizontalpodautoscalers", namespaced, always,   wave 2, Managed,
        "spec.components.*.autoscaling of both kinds. Autoscalers of other owners are listed where another client scaled a Deployment: while \
        one of them targets it, the number of pods is left to that autoscaler.";
    PodDisruptionBudget:     "policy",                "v1", "poddisruptionbudgets",     namespaced, always,   wave 2, Managed,
        "Created where more than one pod can run on more than one node.";
    Gateway:                 GATEWAY_API,             "v1", "gateways",                 namespaced, optional, wave 2, Managed,
        GATEWAY_ROUTES;
    HTTPRoute:               GATEWAY_API,             "v1", "httproutes",               namespaced, optional, wave 2, Managed,
        GATEWAY_ROUTES;
    GRPCRoute:               GATEWAY_API,             "v1", "grpcroutes",               namespaced, optional, wave 2, Managed,
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
    CronJob:                 "batch",                 "v1", "cronjobs",                 namespaced, always,   wave 2, Managed,
        "spec.backup: scheduled copies of the data.";
    ReplicaSet:              "apps",                  "v1", "replicasets",              namespaced, always,   wave 2, ReadOnly,
        "Pruning: which ConfigMaps a rollback or a running pod still needs. Status: why pods cannot \
         be created.";
    Pod:                     CORE,                    "v1", "pods",                     namespaced, always,   wave 2, ReadOnly,
        "Status: why pods do not run. Selected by label.";
    Job:                     "batch",                 "v1", "jobs",                     namespaced, always,   wave 2, RunToCompletion,
        "spec.restore and spec.config.check, the result of the last backup, and ServiceStack components of kind Job. Other \
         Jobs of the \
         namespace belong to the CronJob controller or to users: the operator deletes only Jobs that \
         it created, by UID.";
    EndpointSlice:           "discovery.k8s.io",      "v1", "endpointslices",           namespaced, always,   wave 2, ReadOnly,
        "Status: which pods receive traffic.";
}

/// The kinds of one role.
pub fn of_management(management: Management) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(move |kind| kind.management == management)
}
