//! The kind table: the single source for watches, apply order, pruning and rights.
//!
//! A new kind of child is one row here, one builder file, one line in the plan and one RBAC rule.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
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

use super::{
    gateway::Gateway,
    pod_monitor::PodMonitor,
    prometheus_rule::PrometheusRule,
    routes::{GRPCRoute, HTTPRoute},
    service_monitor::ServiceMonitor,
};
use crate::engine::kind::{
    Kind, Managed,
    Role::{self, Child, Kept, Observed, Once, Run},
};

const CORE: &str = "";
/// Also named inside routes, as the group of their parents.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

macro_rules! kinds {
    ($($type:ident: $group:expr, $version:literal, $plural:literal, $scope:ident, $presence:ident, wave $wave:literal, $role:ident;)*) => {
        $(impl Managed for $type {
            const KIND: &'static Kind = &Kind {
                group: $group,
                version: $version,
                kind: stringify!($type),
                plural: $plural,
                namespaced: kinds!(@$scope),
                optional: kinds!(@$presence),
                wave: $wave,
                role: $role,
            };
        })*
        /// Every kind the operator touches.
        pub static KINDS: &[&Kind] = &[$(<$type as Managed>::KIND),*];
    };
    (@cluster) => { false };
    (@namespaced) => { true };
    (@always) => { false };
    (@optional) => { true };
}

kinds! {
    Namespace:               CORE,                    "v1", "namespaces",               cluster,    always,   wave 0, Kept;
    ServiceAccount:          CORE,                    "v1", "serviceaccounts",          namespaced, always,   wave 2, Child;
    Secret:                  CORE,                    "v1", "secrets",                  namespaced, always,   wave 1, Once;
    ConfigMap:               CORE,                    "v1", "configmaps",               namespaced, always,   wave 2, Child;
    PersistentVolumeClaim:   CORE,                    "v1", "persistentvolumeclaims",   namespaced, always,   wave 2, Kept;
    Deployment:              "apps",                  "v1", "deployments",              namespaced, always,   wave 2, Child;
    Service:                 CORE,                    "v1", "services",                 namespaced, always,   wave 2, Child;
    Ingress:                 "networking.k8s.io",     "v1", "ingresses",                namespaced, always,   wave 2, Child;
    HorizontalPodAutoscaler: "autoscaling",           "v2", "horizontalpodautoscalers", namespaced, always,   wave 2, Child;
    PodDisruptionBudget:     "policy",                "v1", "poddisruptionbudgets",     namespaced, always,   wave 2, Child;
    Gateway:                 GATEWAY_API,             "v1", "gateways",                 namespaced, optional, wave 2, Child;
    HTTPRoute:               GATEWAY_API,             "v1", "httproutes",               namespaced, optional, wave 2, Child;
    GRPCRoute:               GATEWAY_API,             "v1", "grpcroutes",               namespaced, optional, wave 2, Child;
    NetworkPolicy:           "networking.k8s.io",     "v1", "networkpolicies",          namespaced, always,   wave 2, Child;
    LimitRange:              CORE,                    "v1", "limitranges",              namespaced, always,   wave 2, Child;
    ResourceQuota:           CORE,                    "v1", "resourcequotas",           namespaced, always,   wave 2, Child;
    ServiceMonitor:          "monitoring.coreos.com", "v1", "servicemonitors",          namespaced, optional, wave 2, Child;
    PodMonitor:              "monitoring.coreos.com", "v1", "podmonitors",              namespaced, optional, wave 2, Child;
    PrometheusRule:          "monitoring.coreos.com", "v1", "prometheusrules",          namespaced, optional, wave 2, Child;
    CronJob:                 "batch",                 "v1", "cronjobs",                 namespaced, always,   wave 2, Child;
    ReplicaSet:              "apps",                  "v1", "replicasets",              namespaced, always,   wave 2, Observed;
    Pod:                     CORE,                    "v1", "pods",                     namespaced, always,   wave 2, Observed;
    Job:                     "batch",                 "v1", "jobs",                     namespaced, always,   wave 2, Run;
    EndpointSlice:           "discovery.k8s.io",      "v1", "endpointslices",           namespaced, always,   wave 2, Observed;
}

/// The kinds of one role.
pub fn of_role(role: Role) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().filter(move |kind| kind.role == role)
}
